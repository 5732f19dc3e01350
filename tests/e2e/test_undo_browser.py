"""One edit is one step back, and a step back is one forth: on the Design page, with the settings beside the drawing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.canvas_page import Canvas, middle

LAYERS = ["input_1", "linear_1", "tanh_1", "linear_2", "tanh_2", "linear_3", "output_1"]
WITHIN = ["input_1", "linear_2", "tanh_2", "output_1"]


@pytest.fixture(scope="module")
def page_of(browser: Browser, address: str) -> Iterator[Canvas]:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(20_000)
    page.goto(address)
    canvas = Canvas(page)
    expect(canvas.node("tanh_2")).to_be_visible(timeout=60_000)
    yield canvas
    page.close()


@pytest.fixture
def design(page_of: Canvas) -> Canvas:
    """The drawing as a new user finds it, with nothing to undo."""
    expect(page_of.tool("Undo")).to_be_disabled()
    layers(page_of, LAYERS)
    page_of.rest()
    page_of.page.locator(".react-flow__pane").click(position={"x": 600, "y": 560})
    heading(page_of, "The network")  # nothing is selected
    return page_of


def layers(canvas: Canvas, ids: list[str]) -> None:
    nodes = canvas.page.locator(".react-flow__node-layer")
    expect(nodes).to_have_count(len(ids))
    for id in ids:
        expect(canvas.node(id)).to_have_count(1)


def heading(canvas: Canvas, text: str) -> None:
    """The settings beside the drawing have followed."""
    expect(canvas.page.get_by_role("heading", level=5, name=text)).to_be_visible()


def undo(canvas: Canvas, ids: list[str], more: bool) -> None:
    canvas.page.keyboard.press("Control+z")
    layers(canvas, ids)
    (expect(canvas.tool("Undo")).to_be_enabled if more else expect(canvas.tool("Undo")).to_be_disabled)()
    expect(canvas.tool("Redo")).to_be_enabled()


@pytest.mark.parametrize("_again", range(3))
def test_two_edits_in_and_around_a_block_are_two_steps(design: Canvas, _again: int) -> None:
    press, grouped = design.page.keyboard.press, [*(i for i in LAYERS if i not in WITHIN[1:3]), "block_1"]
    design.head("linear_2").click()
    heading(design, "Linear")
    design.head("tanh_2").click(modifiers=["Control"])
    heading(design, "2 layers selected")
    press("Control+g")
    name = design.editor.get_by_role("textbox", name="Name of the block")
    name.fill("My pair")
    name.press("Enter")
    layers(design, grouped)
    heading(design, "Block")
    design.head("block_1").dblclick()
    layers(design, WITHIN)
    design.head("input_1").click()
    heading(design, "Input")
    press("Delete")
    layers(design, WITHIN[1:])
    undo(design, WITHIN, more=True)
    heading(design, "Input")  # what was selected then
    undo(design, LAYERS, more=False)
    heading(design, "2 layers selected")
    expect(design.tool("Redo")).to_be_enabled()


@pytest.mark.parametrize("far", [1, 2, 4])
def test_a_press_that_moves_a_layer_nowhere_is_no_step_and_undo_works_at_once(design: Canvas, far: int) -> None:
    design.head("tanh_2").click()
    heading(design, "Tanh")
    design.page.keyboard.press("Delete")
    rest = [i for i in LAYERS if i != "tanh_2"]
    layers(design, rest)
    design.rest()
    mouse, (x, y) = design.page.mouse, middle(design.head("linear_1"))
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + far, y)  # one event
    mouse.move(x, y)
    mouse.up()
    undo(design, LAYERS, more=False)
    heading(design, "Tanh")
    expect(design.tool("Redo")).to_be_enabled()
