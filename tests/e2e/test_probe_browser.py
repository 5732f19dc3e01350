"""Will it vanish? In a real browser: pictures and colours in the nodes, the verdict below, after every edit."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from builder import templates

HEAR = """window.previews = []; window.addEventListener("layerloom:preview", (e) => window.previews.push(e.detail));"""
PATIENCE = 60_000  # ms; the runner may still be loading torch, on a busy machine


@pytest.fixture
def design(page: Page, address: str) -> Page:
    page.add_init_script(HEAR)
    page.goto(address)
    expect(page.get_by_text("first batch: loss")).to_be_visible(timeout=PATIENCE)
    return page


def choose(page: Page, name: str) -> dict[str, Any]:
    """Opens a template; the first preview of it."""
    nodes = {n.id for n in templates.load(name).nodes}
    page.get_by_role("button", name="Templates").click()
    page.get_by_role("button", name=templates.BY_NAME[name].title, exact=True).click()
    return previewed(page, nodes)


def previewed(page: Page, nodes: set[str]) -> dict[str, Any]:
    same = "(ids) => window.previews.some((p) => JSON.stringify(Object.keys(p.nodes).sort()) === ids)"
    ids = json.dumps(sorted(nodes), separators=(",", ":"))
    page.wait_for_function(same, arg=ids, timeout=PATIENCE)
    found: dict[str, Any] = page.evaluate("window.previews.at(-1)")
    return found


SAYS = {
    "vanishing": "linear_1 gets 2e-9 of what linear_11 gets, and will hardly learn.",
    "exploding": "one step throws the weights far off.",
    "lenet5": "every layer learns.",
    "lstm": "every layer learns.",
}
WIDTHS = """async (nodes) => Promise.all(Object.values(nodes).map(async ({ img }) => {
    const picture = new Image();
    picture.src = img;
    await picture.decode();
    return picture.naturalWidth;
}))"""


def test_each_node_shows_its_picture_and_the_page_says_what_will_come(design: Page) -> None:
    for template, says in SAYS.items():
        found = choose(design, template)
        assert set(found["nodes"]) == {n.id for n in templates.load(template).nodes}
        expect(design.get_by_text(says)).to_be_visible(timeout=PATIENCE)
        assert found["feed"] in design.url
        assert design.evaluate("(feed) => globalThis.__layerloomPreview[feed]", found["feed"]) == found
        assert min(design.evaluate(WIDTHS, found["nodes"])) > 0
        expect(design.locator(".react-flow__node img").first).to_be_visible()


def test_a_cure_is_pressed_and_the_next_preview_is_healthy(design: Page) -> None:
    choose(design, "exploding")
    design.get_by_role("button", name="Start from Kaiming normal weights").click()
    expect(design.get_by_text("every layer learns.")).to_be_visible(timeout=PATIENCE)
    seen = "Object.values(window.previews.at(-1).nodes).map((node) => node.c ?? null).filter((c) => c !== null)"
    healthy = (
        f"(() => {{ const seen = {seen}; return seen.length === 7 && seen.every((c) => Math.abs(c - 0.5) < 1e-6); }})()"
    )
    design.wait_for_function(healthy, timeout=PATIENCE)


def test_switched_off_the_pictures_go_and_come_back_when_switched_on(design: Page) -> None:
    choose(design, "mlp")
    design.get_by_text("Preview on a real batch").click()
    design.wait_for_function("Object.keys(window.previews.at(-1).nodes).length === 0")
    expect(design.locator(".react-flow__node img")).to_have_count(0)
    expect(design.get_by_text("first batch: loss")).to_have_count(0)
    design.get_by_text("Preview on a real batch").click()
    previewed(design, {n.id for n in templates.load("mlp").nodes})
    expect(design.get_by_text("first batch: loss")).to_be_visible(timeout=PATIENCE)


def test_a_killed_process_is_told_and_nothing_else_is_affected(design: Page, home: Path) -> None:
    for pid in probes():
        os.kill(pid, signal.SIGSTOP)  # so that it is busy when it is killed
    design.get_by_role("button", name="Templates").click()
    design.get_by_role("button", name=templates.BY_NAME["iris_mlp"].title, exact=True).click()
    expect(design.get_by_text("Everything fits together.")).to_be_visible()
    for pid in probes():
        os.kill(pid, signal.SIGKILL)
    expect(design.get_by_text("The process that previews networks ended")).to_be_visible(timeout=PATIENCE)
    choose(design, "mlp")
    expect(design.get_by_text("first batch: loss")).to_be_visible(timeout=PATIENCE)


def probes() -> list[int]:
    """The probe process of the app under test: the child of its runner (there is no run)."""
    mine = os.getpid()
    parents = {int(p.name): parent(p) for p in Path("/proc").iterdir() if p.name.isdigit()}
    runners = [pid for pid, up in parents.items() if parents.get(up or 0) == mine and "engine.runner" in command(pid)]
    return [pid for pid, up in parents.items() if up in runners]


def parent(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has just ended
        return None


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
