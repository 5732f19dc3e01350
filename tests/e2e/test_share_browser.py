"""In a real browser: two tabs on one network, links with hidden controls, pictures, and what a reload finds."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from builder import templates
from builder.graph import Node
from engine.config import DataRef, TrainConfig
from engine.share import MAX_LINK, Shared, encode

LENET = templates.load("lenet5")
SHARED = Shared(LENET, TrainConfig(DataRef("digits"), optimizer="sgd", steps=77, seed=5, knobs={"l2": 0.125}))


@pytest.fixture
def other(browser: Browser) -> Iterator[Page]:
    """A second tab, of another visitor as the server sees it."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(40_000)
    yield page
    page.close()


def layers(page: Page, count: int) -> None:
    expect(page.locator(".react-flow__node:has(.layer)")).to_have_count(count)


def pick(page: Page, template: str, count: int) -> None:
    page.get_by_role("button", name="Templates").click()
    page.get_by_role("button", name=template, exact=True).click()
    layers(page, count)
    page.wait_for_url("**net=**")


def in_use(page: Page) -> None:
    expect(page.get_by_role("button", name="Templates")).to_be_visible()
    expect(page.get_by_text("cannot be changed")).to_have_count(0)


def looks_on(page: Page, words: str) -> None:
    expect(page.get_by_text(words)).to_be_visible()
    expect(page.get_by_role("button", name="Templates")).to_have_count(0)
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)  # of the canvas: it is read-only


def test_two_tabs_hand_the_lead_to_and_fro_and_see_what_the_other_drew(page: Page, other: Page, address: str) -> None:
    page.goto(address)
    pick(page, "LeNet-5", len(LENET.nodes))
    other.goto(page.url)
    looks_on(other, "being edited in another tab (Chrome on Linux, since")
    layers(other, len(LENET.nodes))

    pick(page, "Logistic regression", 3)
    layers(other, 3)  # without a touch

    other.get_by_role("button", name="Edit here instead").click()
    in_use(other)
    looks_on(page, "took over this network")
    pick(other, "LeNet-5", len(LENET.nodes))
    layers(page, len(LENET.nodes))

    page.get_by_role("button", name="Take it back").click()
    in_use(page)
    looks_on(other, "took over this network")


def test_a_dialog_stays_while_the_page_is_drawn_again_but_for_one_that_may_no_longer_edit(
    page: Page, other: Page, address: str
) -> None:
    page.goto(address)
    pick(page, "LeNet-5", len(LENET.nodes))
    other.goto(page.url)
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Share").click()
    shared = dialog.get_by_text("The link rebuilds this drawing")
    expect(shared).to_be_visible()
    other.get_by_role("button", name="Edit here instead").click()
    in_use(other)
    expect(page.get_by_text("took over this network")).to_be_attached()
    expect(shared).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    other.get_by_role("button", name="Templates").click()
    expect(other.get_by_role("dialog")).to_be_visible()
    page.get_by_role("button", name="Take it back").click()
    expect(other.get_by_role("dialog")).to_have_count(0)
    looks_on(other, "took over this network")


def test_a_dialog_that_the_browsers_back_has_left_does_not_come_again(page: Page, address: str) -> None:
    page.goto(f"{address}/train")
    page.get_by_role("link", name="Design").click()
    page.get_by_role("button", name="Versions").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("spinbutton", name="Steps")).to_be_visible()
    page.get_by_role("link", name="Design").click()
    expect(page.get_by_role("button", name="Versions")).to_be_visible()
    layers(page, len(templates.load("spiral_mlp").nodes))
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_reload_does_not_lock_a_tab_out_and_a_closed_tab_frees_the_network(
    page: Page, other: Page, address: str
) -> None:
    page.goto(address)
    pick(page, "LeNet-5", len(LENET.nodes))
    page.reload()
    in_use(page)
    layers(page, len(LENET.nodes))
    other.goto(page.url)
    looks_on(other, "being edited in another tab")
    page.goto("about:blank")
    in_use(other)


def test_a_reload_on_any_page_finds_the_drawing_and_its_settings_again(page: Page, address: str) -> None:
    page.goto(f"{address}/?share={encode(SHARED)}")
    layers(page, len(LENET.nodes))
    for name in ("Train", "Runs"):
        page.get_by_role("link", name=name).click()
        page.wait_for_url(f"**/{name.lower()}?**net=**")
        page.reload()
    page.get_by_role("link", name="Train").click()
    expect(page.get_by_role("spinbutton", name="Steps")).to_have_value("77")
    page.get_by_role("link", name="Design").click()
    layers(page, len(LENET.nodes))


def test_a_link_rebuilds_everything_and_hides_what_it_says(page: Page, address: str) -> None:
    page.goto(f"{address}/?share={encode(SHARED)}&hide=templates,palette,source,optimizer,l1,runs")
    layers(page, len(LENET.nodes))
    assert "share=" not in page.url
    for name in ("Templates", "Add ReLU"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    expect(page.get_by_placeholder("Search layers")).to_be_hidden()
    expect(page.get_by_text("PyTorch source")).to_have_count(0)
    expect(page.get_by_role("link", name="Runs")).to_have_count(0)
    page.get_by_role("link", name="Train").click()
    expect(page.get_by_role("spinbutton", name="Steps")).to_have_value("77")
    expect(page.get_by_role("combobox", name="Optimizer")).to_have_count(0)
    expect(page.get_by_role("spinbutton", name="L2 penalty")).to_have_value("0.125")
    expect(page.get_by_role("spinbutton", name="L1 penalty")).to_have_count(0)
    page.wait_for_url("**hide=**")
    page.reload()
    expect(page.get_by_role("spinbutton", name="Steps")).to_have_value("77")
    expect(page.get_by_role("combobox", name="Optimizer")).to_have_count(0)


def test_the_dialog_makes_a_link_that_another_visitor_can_open(page: Page, other: Page, address: str) -> None:
    page.goto(f"{address}/?share={encode(SHARED)}")
    layers(page, len(LENET.nodes))
    page.get_by_role("button", name="Share").click()
    page.get_by_role("combobox", name="Hide for the class").click()
    page.get_by_role("option", name="Templates").click()
    code = page.get_by_role("dialog").locator("code")
    expect(code).to_contain_text("&hide=templates")
    link = code.inner_text().replace("\n", "")
    assert link.startswith(f"{address}/?share=")
    other.goto(link)
    layers(other, len(LENET.nodes))
    expect(other.get_by_role("button", name="Templates")).to_have_count(0)


def test_a_link_as_long_as_they_are_made_opens(page: Page, address: str) -> None:
    graph, link, noise = LENET, "", Random(0)
    while len(longer := encode(Shared(graph, SHARED.config))) <= MAX_LINK:
        link, label = longer, base64.b85encode(noise.randbytes(100)).decode()
        graph = graph.add(Node(graph.fresh_id("ReLU"), "ReLU", label=label))
    assert len(link) > 0.95 * MAX_LINK
    page.goto(f"{address}/?share={link}")
    layers(page, len(graph.nodes) - 1)


def test_the_picture_comes_as_svg_and_as_sharp_png(page: Page, address: str, tmp_path: Path) -> None:
    page.goto(f"{address}/?share={encode(SHARED)}")
    layers(page, len(LENET.nodes))
    page.get_by_role("button", name="Picture").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download SVG").click()
    download.value.save_as(tmp_path / "network.svg")
    root = ET.fromstring((tmp_path / "network.svg").read_text())
    assert len([g for g in root.iter() if g.get("data-node")]) == len(LENET.nodes)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download PNG").click()
    assert download.value.suggested_filename == "network.png"
    download.value.save_as(tmp_path / "network.png")
    image = Image.open(tmp_path / "network.png")
    assert image.size == tuple(round(3 * float(str(root.get(side)))) for side in ("width", "height"))
    colors = image.convert("RGB").getcolors(maxcolors=1 << 20) or []
    assert len(colors) > 50  # not an empty sheet
    assert max(colors)[1] == (255, 255, 255)


def test_a_comparison_is_shown_as_a_picture_and_in_words(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Versions").click()
    page.get_by_role("textbox", name="Keep the drawing as").fill("first draft")
    page.get_by_role("button", name="Keep this version").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Both are the same network.")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    pick(page, "LeNet-5", len(LENET.nodes))
    page.get_by_role("button", name="Versions").click()
    expect(dialog.get_by_role("cell", name="out_features: 16 → 120")).to_be_visible()
    picture = dialog.locator("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("(img) => img.decode().then(() => img.naturalWidth)") > 500
    page.get_by_role("button", name="Open this version").click()
    layers(page, len(templates.load("spiral_mlp").nodes))
    page.get_by_role("button", name="Bring back the last network").click()
    layers(page, len(LENET.nodes))
