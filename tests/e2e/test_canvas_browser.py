"""The canvas in a real browser: mouse, keyboard and touch. ``drawing`` is what Python knows of it."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.canvas_page import Canvas, canvas, cnn, ids, middle, phone, place, tab, url, wires

__all__ = ["canvas", "cnn", "phone", "tab", "url"]  # fixtures


# ---- what is shown


def test_every_node_tells_its_output_and_its_parameters(cnn: Canvas) -> None:
    expect(cnn.page.get_by_role("group", name="Conv2d conv2d_1, output 16 × 26 × 26, 160 parameters")).to_be_visible()
    expect(cnn.page.get_by_role("group", name="Linear linear_1, output 10, 27,050 parameters")).to_be_visible()
    expect(cnn.node("conv2d_1")).to_contain_text("16 filters of 3")


def test_a_broken_node_says_why_and_one_click_cures_it(canvas: Canvas) -> None:
    canvas.load("broken")
    page = canvas.page
    broken = page.get_by_role(
        "group", name="MaxPool2d maxpool2d_1, error: A 40 × 40 kernel does not fit a 26 × 26 input."
    )
    expect(broken).to_be_visible()
    expect(canvas.node("relu_1").locator(".layer")).to_have_class("layer grey")
    expect(canvas.node("relu_1").locator(".why")).to_have_count(0)
    canvas.node("maxpool2d_1").get_by_role("button", name="Fix: ").click()
    expect(page.get_by_role("group", name="MaxPool2d maxpool2d_1, output")).to_be_visible()
    canvas.tool("Undo").click()
    expect(broken).to_be_visible()


def test_advice_is_shown_without_making_the_node_broken(cnn: Canvas) -> None:
    cnn.page.get_by_role("button", name="Widen").click()
    told = "Conv2d conv2d_1, output 32 × 26 × 26, 320 parameters, warning: This layer is very wide. Use fewer filters."
    expect(cnn.page.get_by_role("group", name=told)).to_be_visible()


def test_a_read_only_canvas_can_be_looked_at_but_not_changed(cnn: Canvas) -> None:
    switch, before = cnn.page.get_by_text("Read only"), cnn.drawing()
    switch.click()
    expect(cnn.page.get_by_role("button", name="Add Linear", exact=True)).to_have_count(0)
    expect(cnn.tool("Undo")).to_have_count(0)
    cnn.head("relu_1").click()
    cnn.page.keyboard.press("Delete")
    cnn.until(lambda d: d["selected"] == ["relu_1"])
    assert wires(cnn.drawing()) == wires(before)
    switch.click()
    expect(cnn.tool("Undo")).to_be_visible()


# ---- adding


def test_a_network_is_built_by_clicking_layers(canvas: Canvas) -> None:
    canvas.load("empty")
    page = canvas.page
    expect(page.get_by_text("Click a layer on the left to begin, or load a template")).to_be_visible()
    for layer in ("Input", "Linear", "ReLU", "Output"):
        canvas.add(layer)
    want = {("input_1", "linear_1", 0), ("linear_1", "relu_1", 0), ("relu_1", "output_1", 0)}
    canvas.until(lambda d: wires(d) == want)
    expect(page.get_by_text("Click a layer on the left")).to_have_count(0)
    canvas.tool("Fit view").click()
    canvas.rest()
    canvas.head("linear_1").click()
    canvas.add("Dropout")  # goes into the wire that leaves the selected layer
    canvas.until(lambda d: {("linear_1", "dropout_1", 0), ("dropout_1", "relu_1", 0)} < wires(d))


def test_search_finds_a_layer_by_its_keywords_and_enter_adds_it(cnn: Canvas) -> None:
    box = cnn.page.get_by_role("searchbox", name="Search layers")
    box.fill("swish")
    expect(cnn.page.get_by_role("button", name="Add SiLU")).to_be_visible()
    expect(cnn.page.get_by_role("button", name="Add Linear", exact=True)).to_have_count(0)
    box.press("Enter")
    cnn.until(lambda d: ("linear_1", "silu_1", 0) in wires(d))  # nothing is selected: before the output
    box.fill("no such thing")
    expect(cnn.page.get_by_text("No layer is called “no such thing”.")).to_be_visible()
    box.fill("")


def test_a_layer_is_dragged_to_a_free_place_or_onto_a_wire(cnn: Canvas) -> None:
    x, y = middle(cnn.node("output_1"))
    cnn.drag_to(cnn.page.get_by_role("button", name="Add Sigmoid", exact=True), x + 60, y + 130)
    drawing = cnn.until(lambda d: "sigmoid_1" in ids(d))
    assert all("sigmoid_1" not in w for w in wires(drawing))
    (x0, y0), (x1, _) = middle(cnn.port("input_1", "out")), middle(cnn.port("conv2d_1", "in0"))
    cnn.drag_to(cnn.page.get_by_role("button", name="Add Dropout", exact=True), (x0 + x1) / 2, y0)
    drawing = cnn.until(lambda d: "dropout_1" in ids(d))
    assert {("input_1", "dropout_1", 0), ("dropout_1", "conv2d_1", 0)} < wires(drawing)
    assert ("input_1", "conv2d_1", 0) not in wires(drawing)


# ---- connecting


def test_a_skip_is_drawn_by_dragging_from_port_to_port(cnn: Canvas) -> None:
    cnn.head("conv2d_1").click()
    cnn.add("Add")
    cnn.until(lambda d: ("conv2d_1", "add_1", 0) in wires(d))
    cnn.tool("Fit view").click()
    cnn.rest()
    cnn.drag(cnn.port("input_1", "out"), cnn.port("add_1", "in1"))
    cnn.until(lambda d: ("input_1", "add_1", 1) in wires(d))
    expect(cnn.port("add_1", "in2")).to_be_visible()  # a free input is always left


def test_a_wire_that_would_close_a_loop_is_refused_with_the_reason(cnn: Canvas) -> None:
    before = wires(cnn.drawing())
    cnn.drag(cnn.port("relu_1", "out"), cnn.port("conv2d_1", "in0"))
    told = cnn.page.get_by_role("status").filter(has_text="this wire would close a loop")
    expect(told).to_be_visible()
    expect(told).to_contain_text("conv2d_1 already leads to relu_1")
    assert wires(cnn.drawing()) == before


def test_two_clicks_connect_and_say_what_was_replaced(cnn: Canvas) -> None:
    cnn.port("input_1", "out").click()
    cnn.port("relu_1", "in0").click()
    cnn.until(lambda d: ("input_1", "relu_1", 0) in wires(d) and ("conv2d_1", "relu_1", 0) not in wires(d))
    expect(cnn.page.get_by_role("status").first).to_have_text("input_1 feeds relu_1, in the place of conv2d_1")


def test_the_keyboard_alone_connects_moves_and_deletes(cnn: Canvas) -> None:
    cnn.node("input_1").focus()
    cnn.page.keyboard.press("c")
    cnn.node("relu_1").focus()
    cnn.page.keyboard.press("Enter")
    drawing = cnn.until(lambda d: ("input_1", "relu_1", 0) in wires(d))
    x = place(drawing, "relu_1")[0]
    cnn.page.keyboard.press("Enter")
    cnn.page.keyboard.press("ArrowRight")
    cnn.until(lambda d: place(d, "relu_1")[0] > x)
    cnn.page.keyboard.press("Delete")
    cnn.until(lambda d: "relu_1" not in ids(d) and ("input_1", "maxpool2d_1", 0) in wires(d))
    cnn.page.keyboard.press("Control+z")
    cnn.until(lambda d: "relu_1" in ids(d))


def test_a_wire_is_deleted_on_its_own(cnn: Canvas) -> None:
    (x0, y0), (x1, _) = middle(cnn.port("input_1", "out")), middle(cnn.port("conv2d_1", "in0"))
    cnn.page.mouse.click((x0 + x1) / 2, y0)
    cnn.tool("Delete").click()
    drawing = cnn.until(lambda d: ("input_1", "conv2d_1", 0) not in wires(d))
    assert len(ids(drawing)) == 7


# ---- changing


def test_deleting_heals_the_chain_and_undo_and_redo_go_both_ways(cnn: Canvas) -> None:
    first = cnn.drawing()
    cnn.head("relu_1").click()
    cnn.tool("Delete").click()
    cnn.until(lambda d: ("conv2d_1", "maxpool2d_1", 0) in wires(d))
    cnn.tool("Undo").click()
    cnn.until(lambda d: wires(d) == wires(first) and ids(d) == ids(first))
    cnn.tool("Redo").click()
    cnn.until(lambda d: "relu_1" not in ids(d))
    cnn.page.keyboard.press("Control+z")
    cnn.page.keyboard.press("Control+y")
    cnn.page.keyboard.press("Control+z")
    cnn.until(lambda d: d["nodes"] == first["nodes"])


def test_several_nodes_are_selected_moved_and_duplicated_together(cnn: Canvas) -> None:
    before = cnn.drawing()
    cnn.head("conv2d_1").click()
    cnn.head("relu_1").click(modifiers=["Control"])
    cnn.until(lambda d: sorted(d["selected"]) == ["conv2d_1", "relu_1"])
    x, y = middle(cnn.head("relu_1"))
    cnn.drag_to(cnn.head("relu_1"), x + 40, y + 160)
    moved = cnn.until(lambda d: place(d, "relu_1") != place(before, "relu_1"))
    step = [a - b for a, b in zip(place(moved, "relu_1"), place(before, "relu_1"), strict=True)]
    assert [a - b for a, b in zip(place(moved, "conv2d_1"), place(before, "conv2d_1"), strict=True)] == step
    cnn.page.keyboard.press("Control+d")
    copied = cnn.until(lambda d: len(ids(d)) == 9)
    assert ("conv2d_2", "relu_2", 0) in wires(copied)
    assert sorted(copied["selected"]) == ["conv2d_2", "relu_2"]


def test_auto_layout_puts_layers_in_the_order_of_the_flow(cnn: Canvas) -> None:
    cnn.tool("Lay out downwards").click()
    drawing = cnn.until(lambda d: place(d, "output_1")[1] > place(d, "flatten_1")[1])
    heights = [place(drawing, id)[1] for id in ids(drawing)]
    assert heights == sorted(heights)
    assert len(set(heights)) == 7


def test_keys_typed_elsewhere_do_not_touch_the_drawing(cnn: Canvas) -> None:
    cnn.head("relu_1").click()
    cnn.until(lambda d: d["selected"] == ["relu_1"])
    field = cnn.page.get_by_label("Feed")
    field.fill("ab")
    for key in ("Backspace", "Delete", "c", "l", "Enter"):
        field.press(key)
    field.fill("")
    cnn.page.wait_for_timeout(300)
    assert "relu_1" in ids(cnn.drawing())


# ---- Python and the browser


def test_edits_from_python_arrive_and_are_undone_one_by_one(cnn: Canvas) -> None:
    cnn.page.get_by_role("button", name="Widen").click()
    expect(cnn.page.get_by_role("group", name="Conv2d conv2d_1, output 32 × 26 × 26")).to_be_visible()
    cnn.page.get_by_role("button", name="Prolong").click()
    expect(cnn.node("dropout_1")).to_be_visible()
    cnn.tool("Undo").click()
    cnn.until(lambda d: "dropout_1" not in ids(d) and ("linear_1", "output_1", 0) in wires(d))
    expect(cnn.page.get_by_role("group", name="Conv2d conv2d_1, output 32 × 26 × 26")).to_be_visible()
    cnn.tool("Undo").click()
    expect(cnn.page.get_by_role("group", name="Conv2d conv2d_1, output 16 × 26 × 26")).to_be_visible()


def test_both_sides_make_the_same_of_the_same_edits(cnn: Canvas) -> None:
    cnn.page.get_by_role("button", name="Several").click()
    meant = cnn.until(lambda d: len(ids(d)) > 7 or len(wires(d)) != 6 or any(n.get("label") for n in d["nodes"]))
    cnn.until(lambda d: d["rev"] >= 12)  # now it is what the browser reported
    told = cnn.drawing()
    assert wires(told) == wires(meant)
    assert [(n["id"], n.get("label"), n.get("params")) for n in told["nodes"]] == [
        (n["id"], n.get("label"), n.get("params")) for n in meant["nodes"]
    ]
    for _ in range(12):
        cnn.tool("Undo").click()
    expect(cnn.tool("Undo")).to_be_disabled()
    cnn.until(lambda d: len(ids(d)) == 7 and len(wires(d)) == 6)


def test_an_edit_from_python_during_a_drag_is_a_step_of_its_own(cnn: Canvas) -> None:
    before, mouse = cnn.drawing(), cnn.page.mouse
    x, y = middle(cnn.head("output_1"))
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 30, y + 60, steps=4)
    cnn.page.get_by_role("button", name="Widen").dispatch_event("click")
    expect(cnn.page.get_by_role("group", name="Conv2d conv2d_1, output 32 × 26 × 26")).to_be_visible()
    mouse.move(x + 60, y + 120, steps=4)
    mouse.up()
    cnn.until(lambda d: place(d, "output_1") != place(before, "output_1"))
    cnn.tool("Undo").click()
    cnn.until(lambda d: place(d, "output_1") == place(before, "output_1"))
    expect(cnn.page.get_by_role("group", name="Conv2d conv2d_1, output 32 × 26 × 26")).to_be_visible()


def test_python_selects_arranges_and_replaces_the_drawing(cnn: Canvas) -> None:
    cnn.page.get_by_role("button", name="Pick conv").click()
    expect(cnn.node("conv2d_1").locator(".layer")).to_have_class("layer sel")
    cnn.page.get_by_role("button", name="Arrange").click()
    cnn.until(lambda d: d["rev"] > 0)
    cnn.page.get_by_role("button", name="Load broken").click()
    expect(cnn.node("linear_1")).to_have_count(0)
    expect(cnn.tool("Undo")).to_be_disabled()
    cnn.head("relu_1").click()
    cnn.tool("Delete").click()
    cnn.until(lambda d: ids(d) == ["input_1", "conv2d_1", "maxpool2d_1", "output_1"])


def test_the_drawing_is_still_there_after_a_visit_to_another_page(cnn: Canvas) -> None:
    cnn.head("relu_1").click()
    cnn.tool("Delete").click()
    cnn.until(lambda d: "relu_1" not in ids(d))
    cnn.page.get_by_role("link", name="Other").click()
    expect(cnn.page.get_by_text("Another page")).to_be_visible()
    cnn.page.get_by_role("link", name="Design").click()
    expect(cnn.node("maxpool2d_1")).to_be_visible()
    expect(cnn.node("relu_1")).to_have_count(0)
    cnn.add("GELU")  # and is still listened to
    cnn.until(lambda d: "gelu_1" in ids(d))


# ---- live colours


PUBLISH = """([run, c]) => {
  const detail = {run, nodes: {conv2d_1: {c, t: "‖g‖ 1.2e-3"}}, edges: {}};
  (globalThis.__layerloomLive ??= {})[run] = detail;
  window.dispatchEvent(new CustomEvent("layerloom:live", {detail}));
}"""


def test_nodes_are_coloured_by_the_run_they_follow_and_by_no_other(cnn: Canvas) -> None:
    page = cnn.page
    page.get_by_label("Feed").fill("run-a")
    page.get_by_label("Feed").press("Enter")
    node, legend = cnn.node("conv2d_1").locator(".layer"), page.get_by_text("gradient: vanishing")
    page.wait_for_timeout(500)
    expect(legend).to_be_hidden()
    page.evaluate(PUBLISH, ["run-b", 0.0])
    expect(legend).to_be_hidden()
    page.evaluate(PUBLISH, ["run-a", 0.0])
    expect(node).to_have_css("border-top-color", "rgb(0, 114, 178)")
    expect(node).to_contain_text("‖g‖ 1.2e-3")
    expect(legend).to_be_visible()
    page.evaluate(PUBLISH, ["run-a", 1.0])
    expect(node).to_have_css("border-top-color", "rgb(213, 94, 0)")
    page.get_by_label("Feed").fill("")
    page.get_by_label("Feed").press("Enter")
    expect(legend).to_be_hidden()
    expect(node).not_to_contain_text("‖g‖")


# ---- narrow screens and touch


def touch(page: Page, *points: tuple[float, float]) -> None:
    """One finger from point to point."""
    send = page.context.new_cdp_session(page).send
    for kind, at in [("touchStart", points[0]), *(("touchMove", p) for p in points[1:])]:
        send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at[0], "y": at[1]}]})
        page.wait_for_timeout(30)
    send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_on_a_phone_the_palette_is_a_drawer_and_fingers_build(phone: Page, url: str) -> None:
    phone.goto(f"{url}/?drawing=empty")
    canvas = Canvas(phone)
    expect(canvas.editor).to_be_visible(timeout=60_000)
    expect(phone.get_by_text("Open Layers to begin, or load a template")).to_be_visible()
    layer = phone.get_by_role("button", name="Add Input")
    expect(layer).to_be_hidden()
    canvas.tool("Layers").tap()
    for name in ("Input", "Linear"):
        phone.get_by_role("button", name=f"Add {name}", exact=True).tap()
    canvas.until(lambda d: wires(d) == {("input_1", "linear_1", 0)})
    phone.wait_for_timeout(300)
    x, y = middle(phone.get_by_role("button", name="Add Embedding"))
    touch(phone, (x, y), (x + 20, y + 2), (x + 90, y + 60), (280, 560))
    canvas.until(lambda d: "embedding_1" in ids(d))
    expect(layer).to_be_hidden()  # the drawer makes room
    touch(phone, middle(canvas.head("embedding_1")), (240, 500), (200, 460), (180, 420))
    canvas.until(lambda d: place(d, "embedding_1")[1] != 0)
    width = phone.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
