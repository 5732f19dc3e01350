"""Blocks in the app itself: a built-in one is asked for, inserted, repeated and kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, TimeoutError, expect

from builder import document
from tests.e2e.canvas_page import Canvas


@pytest.fixture
def design(browser: Browser, address: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(20_000)
    page.goto(address)
    expect(page.get_by_role("application", name="Network editor")).to_be_visible(timeout=60_000)
    yield page
    page.close()


def kept(home: Path) -> str:
    """The newest document on disk."""
    files = sorted((home / "nets").glob("*.json"), key=lambda f: f.stat().st_mtime)
    return files[-1].read_text(encoding="utf-8") if files else ""


def asked(canvas: Canvas, block: str) -> Locator:
    """The dialog that asks for the settings of ``block``; a press while the page is drawn may have to be repeated."""
    dialog = canvas.page.get_by_role("dialog")
    for _ in range(3):
        canvas.add(block)
        with suppress(TimeoutError):
            dialog.wait_for(timeout=10_000)
            break
    return dialog


def test_a_built_in_block_is_asked_for_inserted_repeated_and_there_after_a_reload(design: Page, home: Path) -> None:
    canvas = Canvas(design)
    canvas.head("tanh_1").click()
    dialog = asked(canvas, "Residual block")
    expect(dialog).to_contain_text("tanh_1 gives 16")
    design.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(canvas.node("residual_1")).to_have_count(0)

    canvas.head("input_1").click()
    design.get_by_role("searchbox", name="Search layers").fill("dense block")
    asked(canvas, "Dense block")
    dialog.get_by_role("spinbutton", name="Growth").fill("7")
    dialog.get_by_role("button", name="Insert").click()
    expect(dialog).to_have_count(0)
    expect(canvas.node("dense_1")).to_be_visible()

    repeats = design.get_by_role("spinbutton", name="Repeats")
    repeats.fill("3")
    repeats.press("Enter")
    expect(canvas.node("dense_1")).to_contain_text("Dense block × 3")
    design.reload()
    expect(canvas.node("dense_1")).to_contain_text("Dense block × 3", timeout=60_000)
    node = document.loads(kept(home)).by_id["dense_1"]
    assert node.params == {"repeat": 3}
    assert node.inner is not None
    assert any(n.params.get("out_channels") == 7 for n in node.inner.nodes)

    design.get_by_role("button", name="Open Dense block").click()
    expect(design.get_by_role("navigation", name="Open blocks")).to_contain_text("Dense block × 3")
    canvas.tool("Undo").click()
    expect(canvas.node("dense_1")).to_contain_text("Dense block")
    expect(canvas.node("dense_1")).not_to_contain_text("× 3")
    assert canvas.problems == []


def test_a_block_can_be_looked_into_where_it_trains(design: Page) -> None:
    canvas = Canvas(design)
    canvas.head("input_1").click()
    design.get_by_role("searchbox", name="Search layers").fill("dense block")
    asked(canvas, "Dense block")
    design.get_by_role("dialog").get_by_role("button", name="Insert").click()
    expect(canvas.node("dense_1")).to_be_visible()
    design.get_by_role("link", name="Train").click()
    expect(canvas.tool("Fit view")).to_be_visible()
    expect(canvas.tool("Undo")).to_have_count(0)
    design.get_by_role("button", name="Open Dense block").click()
    expect(design.get_by_role("navigation", name="Open blocks")).to_contain_text("Dense block")
    expect(canvas.node("concat_1")).to_be_visible()
    canvas.head("concat_1").click()
    expect(canvas.node("concat_1").locator(".layer.sel")).to_be_visible()
    expect(design.get_by_text("Something in Layerloom itself went wrong.")).to_have_count(0)
    design.get_by_role("link", name="Design").click()
    expect(canvas.node("dense_1")).to_be_visible()
    assert canvas.problems == []
