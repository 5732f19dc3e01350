"""Several copies of a network in one run, in a real browser."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Page, TimeoutError, expect

from engine.replicas.variants import spread

COPIES = 4
EACH = """count => {
    const drawn = document.querySelector('[data-chart=copies] .ll-plot')?.data ?? [];
    return drawn.length === 2 && drawn.every((line) => line.y.filter((y) => typeof y === 'number').length === count);
}"""
X = "document.querySelector('[data-chart=copies] .ll-plot').data[0].x"
BANDS = """(() => {
    const drawn = document.querySelector('[data-chart=loss] .ll-plot').data;
    const bands = drawn.filter((line) => line.fill === 'toself' && line.x.length > 2);
    const lines = drawn.filter((line) => ['training', 'validation'].includes(line.name));
    return [bands.length, lines.length];
})()"""

MEASURED = """([kind, count]) => {
    const drawn = document.querySelector(`[data-chart=${kind}] .ll-plot`)?.data ?? [];
    return drawn.length > count && drawn.filter((line) => ['none', 'toself'].includes(line.fill)).length === count;
}"""
GROUND = "JSON.stringify(document.querySelector('[data-chart=boundary] .ll-plot').data[0].z)"


def choose(page: Page, name: str) -> None:
    """A list that is open closes when the page is drawn again, as it is after each setting before it."""
    for _ in range(10):
        page.get_by_role("combobox", name=re.compile("What differs")).click()
        with suppress(TimeoutError):
            page.get_by_role("option", name=name).click(timeout=3000)
            return
    raise AssertionError(f"{name} could not be chosen")


def every_copy_is_measured(page: Page) -> None:
    page.get_by_text("More measurements").click()
    for kind, bands in (("cosine", 4), ("examples", 0)):  # 3 layers and the whole network
        page.locator(f".ll-measures input[value={kind}]").check()
        page.locator(f".ll-card[data-chart={kind}]").scroll_into_view_if_needed()
        page.wait_for_function(MEASURED, arg=[kind, bands])
    expect(page.locator("[data-chart=examples]")).to_contain_text(f"at the middle of {COPIES} copies")
    spans = page.evaluate("document.querySelector('[data-chart=examples] .ll-plot').data[0].customdata[0].slice(1)")
    assert all(re.fullmatch(r" \(\S+ to \S+\)", span) for span in spans)


def a_picture_is_of_the_copy_that_is_chosen(page: Page) -> None:
    """Once it is chosen in one picture, all show it."""
    card = page.locator("[data-chart=boundary]")
    card.scroll_into_view_if_needed()
    copy = card.get_by_label("Copy shown")
    expect(copy.locator("option")).to_have_count(COPIES)
    expect(copy.locator("option:checked")).to_have_text("Copy 1 (learning rate 0.001)")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".ll[data-state=paused]")).to_be_visible()
    first = page.evaluate(GROUND)
    copy.select_option(label=f"Copy {COPIES} (learning rate 0.1)")
    page.wait_for_function("(before) => " + GROUND + " !== before", arg=first)
    page.locator("[data-chart=histogram]").scroll_into_view_if_needed()
    expect(page.locator("[data-chart=histogram]").get_by_label("Copy shown")).to_have_value(str(COPIES - 1))
    page.get_by_role("button", name="Resume").click()


def test_copies_differ_in_the_learning_rate_and_are_drawn_with_a_band(page: Page, address: str, home: Path) -> None:
    page.goto(f"{address}/train")
    steps = page.get_by_role("spinbutton", name="Steps")
    steps.fill("1000000")
    steps.press("Enter")
    page.get_by_text("Several copies at once").click()
    count = page.get_by_role("spinbutton", name="Copies")
    count.fill(str(COPIES))
    count.press("Enter")
    choose(page, "Learning rate")
    expect(page.get_by_text("They train with learning rate 0.001")).to_be_visible()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("heading", name="Each copy now")).to_be_visible()
    page.locator("[data-chart=copies]").scroll_into_view_if_needed()
    page.wait_for_function(EACH, arg=COPIES)
    assert page.evaluate(X) == spread("lr", 0.001, 0.1, COPIES)
    page.wait_for_function(f"{BANDS}[0] === 2 && {BANDS}[1] === 2")
    expect(page.locator("[data-chart=loss]")).to_contain_text(f"Lines are the middle of {COPIES} copies")
    every_copy_is_measured(page)
    a_picture_is_of_the_copy_that_is_chosen(page)
    run = re.search(r"run=([\w-]{16})", page.url)
    assert run
    config = json.loads((home / "runs" / run[1] / "run.json").read_text())["config"]
    assert (config["copies"], config["vary"]) == (COPIES, {"lr": spread("lr", 0.001, 0.1, COPIES)})
    page.reload()
    page.locator("[data-chart=copies]").scroll_into_view_if_needed()
    page.wait_for_function(EACH, arg=COPIES)
    page.get_by_role("button", name="Stop training").click()
    expect(page.locator(".ll[data-state=stopped]")).to_be_visible()
