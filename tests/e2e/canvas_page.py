"""The canvas as a user has it before them, for the browser tests. ``drawing`` is what Python knows of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.browser import ROOT, serve

APP = Path(__file__).parent / "apps" / "canvas_app.py"
Wires = set[tuple[str, str, int]]
ARTIFACTS = ROOT / "test-artifacts"


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    with serve(APP, home) as (address, _server):
        yield address


@pytest.fixture(scope="module")
def tab(browser: Browser, url: str) -> Iterator[Page]:
    """One tab for all tests, which load their drawing into it: a page load takes longer than a test."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(20_000)
    page.goto(url)
    expect(page.get_by_role("application", name="Network editor")).to_be_visible(timeout=60_000)
    yield page
    page.close()


class Canvas:
    """The editor as a user has it before them."""

    def __init__(self, page: Page) -> None:
        self.page, self.problems = page, list[str]()
        page.on("pageerror", lambda e: self.problems.append(str(e)))
        self.editor = page.get_by_role("application", name="Network editor")

    def load(self, drawing: str) -> None:
        old = self.drawing()["epoch"]
        self.page.get_by_role("button", name=f"Load {drawing}").click()
        loaded = self.until(lambda d: d["epoch"] != old)
        expect(self.page.locator(".react-flow__node")).to_have_count(len(ids(loaded)))
        expect(self.tool("Undo")).to_be_disabled()
        self.rest()

    def rest(self) -> None:
        """Waits until the view has stopped moving."""
        view, seen = self.page.locator(".react-flow__viewport"), list[str | None]()
        while len(seen) < 4 or len(set(seen[-4:])) > 1:
            seen.append(view.get_attribute("style"))
            self.page.wait_for_timeout(80)

    def node(self, id: str) -> Locator:
        return self.page.locator(f'.react-flow__node[data-id="{id}"]')

    def head(self, id: str) -> Locator:
        return self.node(id).locator(".head")

    def port(self, id: str, name: str) -> Locator:
        return self.node(id).locator(f'.react-flow__handle[data-handleid="{name}"]')

    def add(self, layer: str) -> None:
        self.page.get_by_role("button", name=f"Add {layer}", exact=True).click()

    def tool(self, name: str) -> Locator:
        return self.editor.get_by_role("button", name=name, exact=True)

    def drag(self, start: Locator, end: Locator) -> None:
        self.drag_to(start, *middle(end))

    def drag_to(self, start: Locator, x: float, y: float) -> None:
        mouse = self.page.mouse
        start.scroll_into_view_if_needed()
        mouse.move(*middle(start))
        mouse.down()
        mouse.move(x - 12, y - 8, steps=4)
        mouse.move(x, y, steps=3)
        mouse.up()

    def drawing(self) -> dict[str, Any]:
        return dict(json.loads(self.page.get_by_test_id("stCode").inner_text()))

    def until(self, holds: Callable[[dict[str, Any]], bool], seconds: float = 10) -> dict[str, Any]:
        """Python's drawing, as soon as ``holds`` is true of it."""
        end = time.monotonic() + seconds
        while not holds(seen := self.drawing()):
            assert time.monotonic() < end, f"Python still has {seen}"
            self.page.wait_for_timeout(40)
        return seen


def middle(box: Locator) -> tuple[float, float]:
    b = box.bounding_box()
    assert b is not None
    return b["x"] + b["width"] / 2, b["y"] + b["height"] / 2


def wires(drawing: dict[str, Any]) -> Wires:
    return {(e["source"], e["target"], e["port"]) for e in drawing["edges"]}


def ids(drawing: dict[str, Any]) -> list[str]:
    return [n["id"] for n in drawing["nodes"]]


def place(drawing: dict[str, Any], id: str) -> list[float]:
    return next(list(n["position"]) for n in drawing["nodes"] if n["id"] == id)


def in_view(canvas: Canvas, id: str) -> bool:
    pane, node = canvas.page.locator(".react-flow").bounding_box(), canvas.node(id).bounding_box()
    assert pane
    return bool(node) and all(
        pane[k] <= node[k] and node[k] + node[size] <= pane[k] + pane[size]  # type: ignore[index, literal-required]
        for k, size in (("x", "width"), ("y", "height"))
    )


@pytest.fixture
def canvas(tab: Page, request: pytest.FixtureRequest) -> Iterator[Canvas]:
    canvas = Canvas(tab)
    yield canvas
    if getattr(request.node, "report_call", None) is None or request.node.report_call.failed:
        ARTIFACTS.mkdir(exist_ok=True)
        tab.screenshot(path=ARTIFACTS / f"{request.node.name}.png", full_page=True)
    assert canvas.problems == []


@pytest.fixture
def cnn(canvas: Canvas) -> Canvas:
    canvas.load("cnn")
    return canvas


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()
