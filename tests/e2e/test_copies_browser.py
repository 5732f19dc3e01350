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


def choose(page: Page, name: str) -> None:
    """A list that is open closes when the page is drawn again, as it is after each setting before it."""
    for _ in range(10):
        page.get_by_role("combobox", name=re.compile("What differs")).click()
        with suppress(TimeoutError):
            page.get_by_role("option", name=name).click(timeout=3000)
            return
    raise AssertionError(f"{name} could not be chosen")


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
    run = re.search(r"run=([\w-]{16})", page.url)
    assert run
    config = json.loads((home / "runs" / run[1] / "run.json").read_text())["config"]
    assert (config["copies"], config["vary"]) == (COPIES, {"lr": spread("lr", 0.001, 0.1, COPIES)})
    page.reload()
    page.locator("[data-chart=copies]").scroll_into_view_if_needed()
    page.wait_for_function(EACH, arg=COPIES)
    page.get_by_role("button", name="Stop training").click()
    expect(page.locator(".ll[data-state=stopped]")).to_be_visible()
