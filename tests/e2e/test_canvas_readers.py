"""The canvas for every reader and every hand, in a real browser; and undo that outlives the page."""

from __future__ import annotations

import json

from playwright.sync_api import Browser, Page, expect

from tests.e2e.canvas_page import Canvas, canvas, cnn, ids, in_view, middle, phone, tab, url

__all__ = ["canvas", "cnn", "phone", "tab", "url"]  # fixtures


# ---- every reader


def test_tab_meets_the_search_the_layers_the_tools_and_then_the_drawing(cnn: Canvas) -> None:
    page = cnn.page
    cnn.editor.focus()
    for role, name in (("searchbox", "Search layers"), ("button", "Add Input"), ("button", "Undo")):
        page.keyboard.press("Tab")
        expect(page.get_by_role(role, name=name, exact=True)).to_be_focused()  # type: ignore[arg-type]
    page.keyboard.press("Shift+Tab")
    for name in ("Add Output", "Add Linear"):
        page.keyboard.press("ArrowDown")
        expect(page.get_by_role("button", name=name, exact=True)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("button", name="Add Output", exact=True)).to_be_focused()


SEEN = """view => {
    window.seen = [];
    new MutationObserver(() => window.seen.push(view.getAttribute("style")))
        .observe(view, {attributes: true, attributeFilter: ["style"]});
}"""


def test_nothing_glides_for_those_who_asked_for_less_motion(cnn: Canvas) -> None:
    cnn.page.emulate_media(reduced_motion="reduce")
    cnn.page.get_by_role("button", name="Zoom In").click()
    cnn.rest()
    cnn.page.locator(".react-flow__viewport").evaluate(SEEN)
    cnn.tool("Fit view").click()
    cnn.page.wait_for_function("window.seen.length > 0")
    cnn.page.wait_for_timeout(400)  # as long as a glide would take
    assert len(set(cnn.page.evaluate("window.seen"))) == 1
    cnn.page.emulate_media(reduced_motion="no-preference")


def test_at_twice_the_size_nothing_is_cut_off_sideways(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport={"width": 640, "height": 450}, device_scale_factor=2)
    page.set_default_timeout(20_000)
    page.goto(f"{url}/?drawing=cnn")
    canvas = Canvas(page)
    expect(canvas.node("input_1")).to_be_visible(timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 640
    box = canvas.editor.bounding_box()
    assert box
    for name in ("Layers", "Undo", "Stack", "Shortcuts"):
        tool = canvas.tool(name).bounding_box()
        assert tool
        assert box["x"] <= tool["x"]
        assert tool["x"] + tool["width"] <= box["x"] + box["width"]
    page.close()


# ---- fingers


def test_two_fingers_zoom_the_drawing(phone: Page, url: str) -> None:
    phone.goto(f"{url}/?drawing=cnn")
    canvas = Canvas(phone)
    expect(canvas.node("conv2d_1")).to_be_visible(timeout=60_000)
    canvas.rest()
    before = canvas.node("input_1").bounding_box()
    send = phone.context.new_cdp_session(phone).send
    x, y = middle(canvas.editor)
    for kind, apart in [("touchStart", 30), *(("touchMove", d) for d in (45, 60, 75, 90))]:
        points = [{"x": x - apart, "y": y + 130, "id": 0}, {"x": x + apart, "y": y + 130, "id": 1}]
        send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        phone.wait_for_timeout(30)
    send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    canvas.rest()
    after = canvas.node("input_1").bounding_box()
    assert before
    assert after
    assert after["width"] > 1.5 * before["width"]


def test_a_finger_that_rests_on_a_layer_asks_what_comes_next(phone: Page, url: str) -> None:
    phone.goto(f"{url}/?drawing=cnn")
    canvas = Canvas(phone)
    expect(canvas.node("conv2d_1")).to_be_visible(timeout=60_000)
    canvas.rest()
    send = phone.context.new_cdp_session(phone).send
    x, y = middle(canvas.head("input_1"))
    send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    expect(canvas.editor.get_by_role("combobox")).to_be_visible()
    send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    canvas.editor.get_by_role("option").first.tap()
    canvas.until(lambda d: len(ids(d)) == 8)
    assert json.dumps(canvas.problems) == "[]"


# ---- nothing is lost


def test_undo_and_redo_outlive_the_page(browser: Browser, url: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{url}/?drawing=blocks&net=kept")
    canvas = Canvas(page)
    expect(canvas.node("res_1")).to_be_visible(timeout=60_000)
    first = canvas.drawing()
    page.get_by_role("button", name="Open Stage").click()
    for id in ("relu_1", "relu_2"):
        canvas.head(id).click()
        canvas.until(lambda d, id=id: d["selected"] == [f"res_1.{id}"])  # type: ignore[misc]
        page.keyboard.press("Delete")
        canvas.until(lambda d, id=id: f'"{id}"' not in json.dumps(d))  # type: ignore[misc]
    page.keyboard.press("Control+z")
    canvas.until(lambda d: '"relu_2"' in json.dumps(d))
    page.keyboard.press("Control+z")
    canvas.until(lambda d: d["nodes"] == first["nodes"])
    page.wait_for_timeout(1500)  # steps are written a moment after the last one
    page.reload()  # the server has the first drawing again, and all that was done to it is a redo away
    expect(canvas.node("res_1")).to_be_visible(timeout=60_000)
    expect(canvas.tool("Undo")).to_be_disabled()
    expect(canvas.tool("Redo")).to_be_enabled()
    for id in ("relu_1", "relu_2"):
        canvas.tool("Redo").click()
        canvas.until(lambda d, id=id: f'"{id}"' not in json.dumps(d))  # type: ignore[misc]
    expect(canvas.tool("Redo")).to_be_disabled()
    canvas.tool("Undo").click()
    canvas.tool("Undo").click()
    canvas.until(lambda d: d["nodes"] == first["nodes"])
    assert canvas.problems == []
    context.close()


def test_another_network_has_another_undo(browser: Browser, url: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    for net in ("one", "two"):
        page.goto(f"{url}/?drawing=cnn&net={net}")
        canvas = Canvas(page)
        expect(canvas.node("relu_1")).to_be_visible(timeout=60_000)
        expect(canvas.tool("Undo")).to_be_disabled()
        expect(canvas.tool("Redo")).to_be_disabled()
        canvas.head("relu_1").click()
        page.keyboard.press("Delete")
        canvas.until(lambda d: "relu_1" not in ids(d))
        page.keyboard.press("Control+z")
        canvas.until(lambda d: "relu_1" in ids(d))
    page.goto(f"{url}/?drawing=cnn&net=one")
    expect(canvas.tool("Redo")).to_be_enabled(timeout=60_000)
    context.close()


def test_on_a_phone_a_wide_drawing_opens_at_its_input_to_be_read_and_a_list_is_offered(phone: Page, url: str) -> None:
    phone.goto(f"{url}/?drawing=fifty")
    canvas = Canvas(phone)
    expect(canvas.node("input_1")).to_be_visible(timeout=60_000)
    canvas.rest()
    assert in_view(canvas, "input_1")
    read = canvas.node("input_1").bounding_box()
    assert read
    assert read["width"] > 90
    canvas.tool("Fit view").tap()
    canvas.rest()
    assert in_view(canvas, "output_1")
    phone.get_by_role("button", name="Show as a list").tap()
    rows = phone.get_by_role("list", name="Layers in the order of the flow").get_by_role("listitem")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    rows.first.get_by_role("button").first.tap()
    canvas.until(lambda d: d["selected"] == ["input_1"])
    canvas.tool("Copy").tap()
    canvas.tool("Paste").tap()
    drawing = canvas.until(lambda d: "input_2" in ids(d))
    assert drawing["selected"] == ["input_2"]
