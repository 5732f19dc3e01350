"""Building at speed on the canvas, in a real browser: what comes next, pasted text, notes, the list, pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.canvas_page import Canvas, canvas, cnn, ids, in_view, middle, place, tab, url, wires

__all__ = ["canvas", "cnn", "tab", "url"]  # fixtures


def choose(canvas: Canvas, text: str = "") -> None:
    field = canvas.editor.get_by_role("combobox")
    expect(field).to_be_focused()
    field.fill(text)
    field.press("Enter")


# ---- what comes next


def test_a_wire_let_go_in_the_open_asks_what_comes_next_and_offers_only_what_fits(cnn: Canvas) -> None:
    x, y = middle(cnn.port("conv2d_1", "out"))
    cnn.drag_to(cnn.port("conv2d_1", "out"), x + 20, y + 190)
    offered = cnn.editor.get_by_role("option")
    expect(offered.first).to_contain_text("BatchNorm2d")
    expect(offered.filter(has_text=re.compile("^MaxPool2d"))).to_have_count(1)
    expect(offered.filter(has_text=re.compile("^(Conv1d|Embedding|Input)"))).to_have_count(0)
    choose(cnn, "maxpool2")
    drawing = cnn.until(lambda d: "maxpool2d_2" in ids(d))
    assert ("conv2d_1", "maxpool2d_2", 0) in wires(drawing)
    assert ("conv2d_1", "relu_1", 0) in wires(drawing)


def test_a_network_grows_from_the_keyboard_alone(canvas: Canvas) -> None:
    canvas.load("empty")
    canvas.page.get_by_role("searchbox", name="Search layers").fill("input")
    canvas.page.keyboard.press("Enter")
    canvas.page.get_by_role("searchbox", name="Search layers").fill("")
    canvas.node("input_1").focus()
    for letters, id in (("linear", "linear_1"), ("", "relu_1"), ("output", "output_1")):
        canvas.page.keyboard.press("a")
        choose(canvas, letters)
        canvas.until(lambda d, id=id: id in ids(d))  # type: ignore[misc]
        expect(canvas.node(id)).to_be_focused()
    canvas.until(
        lambda d: wires(d) == {("input_1", "linear_1", 0), ("linear_1", "relu_1", 0), ("relu_1", "output_1", 0)}
    )


def test_escape_leaves_the_menu_and_the_keyboard_in_the_editor(cnn: Canvas) -> None:
    cnn.node("relu_1").focus()
    cnn.page.keyboard.press("a")
    cnn.editor.get_by_role("combobox").press("Escape")
    expect(cnn.editor.get_by_role("combobox")).to_have_count(0)
    expect(cnn.editor).to_be_focused()
    assert len(ids(cnn.drawing())) == 7


def test_the_end_of_a_wire_is_led_to_another_layer(cnn: Canvas) -> None:
    x, y = middle(cnn.port("linear_1", "in0"))
    mouse, to = cnn.page.mouse, middle(cnn.port("output_1", "in0"))
    mouse.move(x - 24, y)
    mouse.down()
    mouse.move(to[0] - 20, to[1] - 10, steps=6)
    mouse.move(*to, steps=3)
    mouse.up()
    drawing = cnn.until(lambda d: ("flatten_1", "output_1", 0) in wires(d))
    assert ("flatten_1", "linear_1", 0) not in wires(drawing)
    cnn.tool("Undo").click()
    cnn.until(lambda d: ("flatten_1", "linear_1", 0) in wires(d))


def test_a_connection_that_nothing_can_cure_is_refused_and_says_why(cnn: Canvas) -> None:
    before, (x, y) = wires(cnn.drawing()), middle(cnn.node("output_1"))
    cnn.drag_to(cnn.page.get_by_role("button", name="Add Conv1d", exact=True), x + 60, y + 130)
    cnn.until(lambda d: "conv1d_1" in ids(d))
    cnn.node("maxpool2d_1").focus()
    cnn.page.keyboard.press("c")
    cnn.node("conv1d_1").focus()
    cnn.page.keyboard.press("Enter")
    expect(cnn.page.get_by_role("status")).to_contain_text("conv1d_1 cannot take 16 × 13 × 13 from maxpool2d_1.")
    assert wires(cnn.drawing()) == before


# ---- text


def test_layers_are_copied_into_another_tab_as_text(cnn: Canvas, browser: Browser, url: str) -> None:
    cnn.head("conv2d_1").click()
    cnn.page.keyboard.down("Control")
    cnn.head("relu_1").click()
    cnn.page.keyboard.press("c")
    cnn.page.keyboard.up("Control")
    other = browser.new_page(viewport={"width": 1280, "height": 900})
    other.set_default_timeout(20_000)
    other.goto(f"{url}/?drawing=empty")
    there = Canvas(other)
    expect(there.editor).to_be_visible(timeout=60_000)
    there.editor.focus()
    other.keyboard.press("Control+v")
    drawing = there.until(lambda d: len(ids(d)) == 2)
    assert wires(drawing) == {("conv2d_1", "relu_1", 0)}
    assert set(drawing["selected"]) == {"conv2d_1", "relu_1"}
    for node in ("conv2d_1", "relu_1"):  # Python may have them before they are drawn
        expect(there.node(node).locator(".layer.sel")).to_be_visible()
    other.keyboard.press("Control+x")
    there.until(lambda d: ids(d) == [])
    other.keyboard.press("Control+z")
    there.until(lambda d: len(ids(d)) == 2)
    other.close()


def test_text_that_is_no_network_is_refused_with_a_reason(cnn: Canvas) -> None:
    field = cnn.page.get_by_label("Feed")
    field.fill('{"format": "layerloom", "version": 1, "nodes": [{"id": "a", "type": "Evil"}], "edges": []}')
    field.press("Control+a")
    field.press("Control+x")
    cnn.editor.focus()
    cnn.page.keyboard.press("Control+v")
    expect(cnn.page.get_by_role("status")).to_contain_text("must name a layer type; it is 'Evil'")
    assert len(ids(cnn.drawing())) == 7


# ---- several at once


def test_a_box_selects_and_the_selection_is_brought_into_line(cnn: Canvas) -> None:
    page = cnn.page
    (x0, y0), (x1, y1) = middle(cnn.node("flatten_1")), middle(cnn.node("output_1"))
    cnn.tool("Select by box").click()
    page.mouse.move(x1 + 90, y1 + 60)
    page.mouse.down()
    page.mouse.move(x0 - 10, y0 - 40, steps=6)
    page.mouse.up()
    chosen = {"flatten_1", "linear_1", "output_1"}
    cnn.until(lambda d: set(d["selected"]) == chosen)
    cnn.tool("Select by box").click()
    before = cnn.drawing()
    cnn.tool("Align left").click()
    lined = cnn.until(lambda d: len({place(d, id)[0] for id in chosen}) == 1)
    assert place(lined, "input_1") == place(before, "input_1")
    cnn.tool("Undo").click()
    cnn.until(lambda d: place(d, "output_1") == place(before, "output_1"))
    cnn.page.keyboard.press("Escape")


def test_search_finds_a_layer_on_the_canvas_and_goes_there(cnn: Canvas) -> None:
    cnn.editor.focus()
    cnn.page.keyboard.press("Control+f")
    choose(cnn, "linear")
    cnn.until(lambda d: d["selected"] == ["linear_1"])
    expect(cnn.node("linear_1")).to_be_focused()
    cnn.page.keyboard.press("/")
    cnn.editor.get_by_role("combobox").fill("no such thing")
    expect(cnn.page.get_by_text("Nothing on the canvas is called that.")).to_be_visible()
    cnn.page.keyboard.press("Escape")


def test_the_sheet_of_shortcuts_opens_by_key_and_closes(cnn: Canvas) -> None:
    cnn.editor.focus()
    cnn.page.keyboard.press("?")
    sheet = cnn.page.get_by_role("dialog", name="Shortcuts")
    expect(sheet).to_contain_text("add what comes after the layer in focus")
    cnn.page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    expect(cnn.editor).to_be_focused()


# ---- notes


def test_a_note_is_written_kept_and_undone(cnn: Canvas) -> None:
    cnn.editor.focus()
    cnn.page.keyboard.press("n")
    text = cnn.page.get_by_role("textbox", name="Text of the note")
    expect(text).to_be_focused()
    text.fill("Deleted by\nnobody")
    text.press("Escape")
    cnn.until(lambda d: [n["text"] for n in d.get("notes", [])] == ["Deleted by\nnobody"])
    assert len(ids(cnn.drawing())) == 7
    cnn.page.get_by_role("link", name="Other").click()
    expect(cnn.page.get_by_text("Another page")).to_be_visible()
    cnn.page.get_by_role("link", name="Design").click()
    expect(text).to_have_value("Deleted by\nnobody")
    cnn.page.locator(".sticky .grip").click()
    cnn.page.keyboard.press("Delete")
    cnn.until(lambda d: not d.get("notes"))


# ---- the list


def test_the_same_network_is_edited_as_a_list(cnn: Canvas) -> None:
    page = cnn.page
    cnn.tool("Stack").click()
    rows = page.get_by_role("list", name="Layers in the order of the flow").get_by_role("listitem")
    expect(rows).to_have_count(7)
    expect(rows.nth(1)).to_contain_text("16 × 26 × 26 · 160 params")
    page.get_by_role("button", name="Move relu_1 down").click()
    cnn.until(
        lambda d: {("conv2d_1", "maxpool2d_1", 0), ("maxpool2d_1", "relu_1", 0), ("relu_1", "flatten_1", 0)} < wires(d)
    )
    expect(rows.nth(3)).to_contain_text("relu_1")
    page.get_by_role("button", name="Add after relu_1").click()
    choose(cnn, "dropout")
    cnn.until(lambda d: {("relu_1", "dropout_1", 0), ("dropout_1", "flatten_1", 0)} < wires(d))
    page.get_by_role("button", name="Delete maxpool2d_1").click()
    cnn.until(lambda d: ("conv2d_1", "relu_1", 0) in wires(d))
    expect(page.get_by_role("button", name="Move input_1 up")).to_be_disabled()
    cnn.tool("Undo").click()
    cnn.until(lambda d: "maxpool2d_1" in ids(d))
    cnn.tool("Stack").click()
    expect(cnn.node("dropout_1")).to_be_visible()


def test_a_list_shows_branches_as_such_and_does_not_move_them(canvas: Canvas) -> None:
    canvas.load("ten")
    canvas.tool("Stack").click()
    expect(canvas.page.get_by_text("This network branches.")).to_be_visible()
    add = canvas.page.get_by_role("listitem").filter(has_text="add_1").first
    expect(add).to_contain_text("from relu_1 and conv2d_1")
    expect(canvas.page.get_by_role("button", name="Move add_1 up")).to_be_disabled()
    canvas.tool("Stack").click()


# ---- what is seen first


def test_a_drawing_is_first_seen_whole_or_from_its_beginning(canvas: Canvas) -> None:
    canvas.load("cnn")
    assert all(in_view(canvas, id) for id in ids(canvas.drawing()))
    canvas.load("fifty")
    assert in_view(canvas, "input_1")
    box, pane = canvas.node("input_1").bounding_box(), canvas.page.locator(".react-flow").bounding_box()
    assert box
    assert pane
    assert box["x"] - pane["x"] < 60


def test_a_drawing_that_can_only_be_looked_at_is_seen_whole(canvas: Canvas) -> None:
    canvas.load("fifty")
    switch = canvas.page.get_by_text("Read only")
    switch.click()
    expect(canvas.tool("Undo")).to_have_count(0)
    canvas.rest()
    assert in_view(canvas, "input_1")
    assert in_view(canvas, "output_1")
    switch.click()
    expect(canvas.tool("Undo")).to_be_visible()


# ---- pictures


DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5Er"
    "kJggg=="
)
SHOW = """([feed, img, c]) => {
  const detail = {feed, nodes: {conv2d_1: {img, alt: "16 maps", c, t: "‖g‖ 0.02"}}};
  (globalThis.__layerloomPreview ??= {})[feed] = detail;
  window.dispatchEvent(new CustomEvent("layerloom:preview", {detail}));
}"""


@pytest.fixture
def previewed(browser: Browser, url: str) -> Iterator[Canvas]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(20_000)
    page.goto(f"{url}/?drawing=cnn&preview=look")
    canvas = Canvas(page)
    expect(canvas.node("conv2d_1")).to_be_visible(timeout=60_000)
    yield canvas
    page.close()


def test_a_node_shows_the_picture_of_its_preview_and_of_no_other(previewed: Canvas) -> None:
    page, node = previewed.page, previewed.node("conv2d_1")
    page.evaluate(SHOW, ["elsewhere", DOT, 0.0])
    expect(node.locator("img")).to_have_count(0)
    page.evaluate(SHOW, ["look", DOT, 0.0])
    expect(node.get_by_role("img", name="16 maps")).to_be_visible()
    expect(node).to_contain_text("‖g‖ 0.02")
    expect(node.locator(".layer")).to_have_css("border-top-color", "rgb(0, 114, 178)")
    page.evaluate(SHOW, ["look", DOT, None])
    expect(node.locator(".layer")).not_to_have_css("border-top-color", "rgb(0, 114, 178)")
    page.evaluate(SHOW, ["look", "https://example.org/spy.png", None])  # nothing is fetched
    expect(node.locator("img")).to_have_count(0)
    assert previewed.problems == []
