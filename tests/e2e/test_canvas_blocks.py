"""Blocks on the canvas, in a real browser: grouped, opened, nested, repeated, taken apart, and never lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.canvas_page import Canvas, canvas, cnn, ids, phone, tab, url, wires

__all__ = ["canvas", "cnn", "phone", "tab", "url"]  # fixtures


@pytest.fixture
def staged(canvas: Canvas) -> Iterator[Canvas]:
    canvas.load("blocks")
    yield canvas
    canvas.page.keyboard.press("Escape")


def inner(drawing: dict[str, Any], id: str) -> dict[str, Any]:
    return next(dict(n["inner"]) for n in drawing["nodes"] if n["id"] == id)


def select(canvas: Canvas, *nodes: str) -> None:
    for i, id in enumerate(nodes):
        canvas.head(id).click(modifiers=["Control"] if i else [])
    canvas.until(lambda d: {p.rpartition(".")[2] for p in d["selected"]} == set(nodes))


def name(canvas: Canvas, title: str) -> None:
    field = canvas.editor.get_by_role("textbox", name="Name of the block")
    expect(field).to_be_focused()
    field.fill(title)
    field.press("Enter")


def where(canvas: Canvas) -> Locator:
    return canvas.editor.get_by_role("navigation", name="Open blocks")


# ---- grouping


def test_a_selection_is_grouped_under_a_name_and_undo_gives_it_back(cnn: Canvas) -> None:
    before = cnn.drawing()
    select(cnn, "conv2d_1", "relu_1", "maxpool2d_1")
    cnn.page.keyboard.press("Control+g")
    name(cnn, "Stem")
    drawing = cnn.until(lambda d: "block_1" in ids(d))
    assert ids(drawing) == ["input_1", "flatten_1", "linear_1", "output_1", "block_1"]
    assert {("input_1", "block_1", 0), ("block_1", "flatten_1", 0)} < wires(drawing)
    assert [n["type"] for n in inner(drawing, "block_1")["nodes"]] == ["Input", "Conv2d", "ReLU", "MaxPool2d", "Output"]
    expect(
        cnn.page.get_by_role("group", name="Block Stem (block_1), output 16 × 13 × 13, 160 parameters")
    ).to_be_visible()
    cnn.tool("Undo").click()
    cnn.until(lambda d: ids(d) == ids(before) and wires(d) == wires(before))


def test_several_layers_are_grouped_from_the_keyboard_alone(cnn: Canvas) -> None:
    cnn.node("conv2d_1").focus()
    cnn.page.keyboard.press("Enter")
    cnn.node("relu_1").focus()
    cnn.page.keyboard.press("Control+Enter")
    cnn.until(lambda d: sorted(d["selected"]) == ["conv2d_1", "relu_1"])
    cnn.page.keyboard.press("Control+g")
    name(cnn, "Stem")
    expect(cnn.node("block_1").locator(".layer.sel")).to_be_visible()
    cnn.node("block_1").focus()
    cnn.page.keyboard.press("Enter")
    expect(where(cnn)).to_contain_text("Stem")
    cnn.page.keyboard.press("Escape")
    cnn.page.keyboard.press("Control+Shift+g")
    cnn.until(lambda d: "block_1" not in ids(d) and {"conv2d_1", "relu_1"} < set(ids(d)))


def test_a_selection_that_cannot_be_a_block_stays_and_the_reason_is_told(cnn: Canvas) -> None:
    select(cnn, "input_1", "conv2d_1")
    cnn.tool("Group into a block").click()
    name(cnn, "")
    expect(cnn.page.get_by_role("status")).to_contain_text("input_1 is where data enter; it stays outside.")
    assert "block_1" not in ids(cnn.drawing())


def test_a_block_is_taken_apart_as_often_as_it_repeats(staged: Canvas) -> None:
    select(staged, "res_1")
    staged.page.keyboard.press("Control+Shift+g")
    drawing = staged.until(lambda d: "res_1" not in ids(d))
    types = [n["type"] for n in drawing["nodes"]]
    assert types.count("Conv2d") == 4
    staged.tool("Undo").click()
    staged.until(lambda d: "res_1" in ids(d))


# ---- going in and out


def test_a_block_opens_by_button_double_click_or_enter_and_closes_by_escape_or_its_way(staged: Canvas) -> None:
    page = staged.page
    page.get_by_role("button", name="Open Stage").click()
    expect(page.get_by_role("group", name="Conv2d conv2d_2, output 16 × 14 × 14, 2,304 parameters")).to_be_visible()
    expect(where(staged)).to_contain_text("Stage × 2")
    staged.until(lambda d: d["open"] == "res_1")
    page.keyboard.press("Escape")
    expect(staged.node("res_1")).to_be_focused()
    page.keyboard.press("Enter")
    expect(where(staged)).to_be_visible()
    where(staged).get_by_role("button", name="Network").click()
    expect(where(staged)).to_have_count(0)
    staged.head("res_1").dblclick()
    staged.until(lambda d: d["open"] == "res_1")


def test_edits_in_a_block_change_what_is_around_it_and_are_undone_from_anywhere(staged: Canvas) -> None:
    page, before = staged.page, staged.drawing()
    page.get_by_role("button", name="Open Stage").click()
    select(staged, "relu_1")
    page.keyboard.press("Delete")
    staged.until(lambda d: "relu_1" not in ids(inner(d, "res_1")))
    page.keyboard.press("Escape")
    expect(staged.node("res_1")).to_be_visible()
    staged.tool("Undo").click()
    drawing = staged.until(lambda d: inner(d, "res_1") == inner(before, "res_1"))
    assert drawing["open"] == "res_1"  # where the change was
    staged.tool("Redo").click()
    staged.until(lambda d: "relu_1" not in ids(inner(d, "res_1")))


def test_a_new_layer_in_a_block_goes_where_it_would_go_anywhere_else(staged: Canvas) -> None:
    staged.page.get_by_role("button", name="Open Stage").click()
    select(staged, "conv2d_1")
    staged.add("Dropout")
    drawing = staged.until(lambda d: "dropout_1" in ids(inner(d, "res_1")))
    assert {("conv2d_1", "dropout_1", 0), ("dropout_1", "batchnorm2d_1", 0)} < wires(inner(drawing, "res_1"))
    assert "dropout_1" not in ids(drawing)


def test_an_error_inside_is_told_at_the_block_with_a_way_in_and_a_cure(staged: Canvas) -> None:
    page = staged.page
    page.get_by_role("button", name="Open Stage").click()
    select(staged, "relu_1")
    staged.add("MaxPool2d")
    staged.until(lambda d: "maxpool2d_1" in ids(inner(d, "res_1")))
    page.keyboard.press("Escape")
    broken = page.get_by_role("group", name="Block × 2 Stage (res_1), error: In add_1: ")
    expect(broken).to_be_visible()
    staged.node("res_1").get_by_role("button", name="Show add_1").click()
    staged.until(lambda d: d["selected"] == ["res_1.add_1"])
    expect(page.get_by_role("group", name="Add add_1, error: ")).to_be_visible()


def test_removing_an_input_of_a_block_takes_its_wire_along(cnn: Canvas) -> None:
    select(cnn, "conv2d_1")
    cnn.add("Add")
    cnn.until(lambda d: ("conv2d_1", "add_1", 0) in wires(d))
    cnn.port("input_1", "out").click()
    cnn.port("add_1", "in1").click()
    cnn.until(lambda d: ("input_1", "add_1", 1) in wires(d))
    select(cnn, "add_1")
    cnn.page.keyboard.press("Control+g")
    name(cnn, "Sum")
    cnn.until(lambda d: {("conv2d_1", "block_1", 0), ("input_1", "block_1", 1)} < wires(d))
    cnn.page.get_by_role("button", name="Open Sum").click()
    select(cnn, "input_1")
    cnn.page.keyboard.press("Delete")
    drawing = cnn.until(lambda d: not any(w[0] == "conv2d_1" for w in wires(d)))
    assert ("input_1", "block_1", 0) in wires(drawing)
    cnn.tool("Undo").click()
    cnn.until(lambda d: {("conv2d_1", "block_1", 0), ("input_1", "block_1", 1)} < wires(d))


# ---- built-in, nested, copied


def test_a_built_in_block_is_led_into_the_network_with_settings_that_suit(cnn: Canvas) -> None:
    select(cnn, "conv2d_1")
    cnn.add("Residual block")
    drawing = cnn.until(lambda d: "residual_1" in ids(d))
    assert {("conv2d_1", "residual_1", 0), ("residual_1", "relu_1", 0)} < wires(drawing)
    shown = cnn.page.get_by_role("group", name="Block Residual block (residual_1), output 16 × 26 × 26")
    expect(shown).to_be_visible()
    select(cnn, "residual_1", "relu_1")
    cnn.page.keyboard.press("Control+g")
    name(cnn, "Stage")
    drawing = cnn.until(lambda d: "block_1" in ids(d))
    assert "residual_1" in ids(inner(drawing, "block_1"))
    cnn.page.get_by_role("button", name="Open Stage").click()
    cnn.page.get_by_role("button", name="Open Residual block").click()
    expect(where(cnn).get_by_role("listitem")).to_have_text(["Network", "Stage", "Residual block"])
    cnn.until(lambda d: d["open"] == "block_1.residual_1")
    where(cnn).get_by_role("button", name="Network").click()
    cnn.until(lambda d: d["open"] == "")


def test_what_comes_next_offers_blocks_that_fit(cnn: Canvas) -> None:
    cnn.node("relu_1").focus()
    cnn.page.keyboard.press("a")
    field = cnn.editor.get_by_role("combobox")
    field.fill("block")
    offered = cnn.editor.get_by_role("option")
    expect(offered.filter(has_text="Residual block").first).to_be_visible()
    expect(offered.filter(has_text="Transformer")).to_have_count(0)
    field.press("Escape")


def test_a_block_is_copied_into_another_tab_and_duplicated_with_what_is_in_it(
    staged: Canvas, browser: Browser, url: str
) -> None:
    select(staged, "res_1")
    staged.page.keyboard.press("Control+c")
    first = inner(staged.drawing(), "res_1")
    other = browser.new_page(viewport={"width": 1280, "height": 900})
    other.set_default_timeout(20_000)
    other.goto(f"{url}/?drawing=empty")
    there = Canvas(other)
    expect(there.editor).to_be_visible(timeout=60_000)
    there.editor.focus()
    other.keyboard.press("Control+v")
    there.until(lambda d: "res_1" in ids(d) and inner(d, "res_1") == first)
    expect(there.node("res_1").locator(".layer.sel")).to_be_visible()
    other.keyboard.press("Control+d")
    drawing = there.until(lambda d: len(ids(d)) == 2)
    assert inner(drawing, ids(drawing)[1]) == first
    other.close()


def test_a_search_finds_what_is_in_a_block_and_goes_in(staged: Canvas) -> None:
    staged.editor.focus()
    staged.page.keyboard.press("Control+f")
    field = staged.editor.get_by_role("combobox")
    field.fill("batchnorm2d_2")
    field.press("Enter")
    staged.until(lambda d: d["selected"] == ["res_1.batchnorm2d_2"])
    expect(staged.node("batchnorm2d_2")).to_be_focused()


def test_a_block_takes_the_colour_of_its_worst_layer_and_names_it(staged: Canvas) -> None:
    page = staged.page
    page.get_by_label("Feed").fill("run-b")
    page.get_by_label("Feed").press("Enter")
    page.wait_for_function("window.__layerloomCanvas !== undefined")
    seen = {
        "res_1.0.conv2d_1": [0.5, "‖g‖ 1"],
        "res_1.1.conv2d_1": [0.0, "‖g‖ 1e-9"],
        "res_1.1.conv2d_2": [0.6, "‖g‖ 2"],
    }
    nodes = {id: {"c": c, "t": t} for id, (c, t) in seen.items()}
    page.evaluate(
        """(nodes) => {
          const detail = {run: "run-b", nodes};
          (globalThis.__layerloomLive ??= {})["run-b"] = detail;
          window.dispatchEvent(new CustomEvent("layerloom:live", {detail}));
        }""",
        nodes,
    )
    expect(staged.node("res_1").locator(".layer")).to_have_css("border-top-color", "rgb(0, 114, 178)")
    expect(staged.node("res_1")).to_contain_text("1.conv2d_1: ‖g‖ 1e-9")
    page.get_by_role("button", name="Open Stage").click()
    expect(staged.node("conv2d_1")).to_contain_text("‖g‖ 1e-9")
    expect(staged.node("conv2d_2")).to_contain_text("‖g‖ 2")
    page.get_by_label("Feed").fill("")
    page.get_by_label("Feed").press("Enter")
    expect(staged.node("conv2d_1")).not_to_contain_text("‖g‖")


# ---- the list, the finger


def test_the_list_shows_blocks_and_what_is_in_them(staged: Canvas) -> None:
    page = staged.page
    staged.tool("Stack").click()
    rows = page.get_by_role("list", name="Layers in the order of the flow").get_by_role("listitem")
    expect(rows).to_have_count(5)
    expect(rows.nth(1)).to_contain_text("Stage × 2")
    rows.nth(1).get_by_role("button", name="Open Stage").click()
    expect(rows.nth(1)).to_contain_text("conv2d_1")
    where(staged).get_by_role("button", name="Network").click()
    expect(rows).to_have_count(5)
    staged.tool("Stack").click()


def test_a_finger_that_rests_on_a_layer_can_group_it(phone: Page, url: str) -> None:
    phone.goto(f"{url}/?drawing=cnn")
    there = Canvas(phone)
    expect(there.node("conv2d_1")).to_be_visible(timeout=60_000)
    there.rest()
    box = there.head("conv2d_1").bounding_box()
    assert box
    send = phone.context.new_cdp_session(phone).send
    at = [{"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}]
    send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": at})
    acts = there.editor.get_by_role("group", name="Selection")
    expect(acts).to_be_visible()
    send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    acts.get_by_role("button", name="Group").tap()
    name(there, "Stem")
    there.until(lambda d: "block_1" in ids(d))
    assert there.problems == []
