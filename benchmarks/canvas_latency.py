"""Edit → new shapes painted, frames while dragging, size of the bundle: ``python benchmarks/canvas_latency.py``.

Each edit undoes or redoes a change of filters, which changes the shapes of nearly all nodes. The clock starts in the
browser at the click and stops when the frame in which the new shapes stand is painted. An idle machine is meant.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, expect

from tests.e2e.browser import chromium, serve

APP = Path(__file__).parents[1] / "tests" / "e2e" / "apps" / "canvas_app.py"
BUNDLE = Path(__file__).parents[1] / "pages" / "canvas" / "assets" / "canvas.js"
MEASURE = """async (name) => {
  const roots = [...document.querySelectorAll("*")].map((e) => e.shadowRoot);
  const root = roots.find((s) => s?.querySelector(".editor"));
  const shapes = () => [...root.querySelectorAll(".shape")].map((e) => e.textContent).join();
  const after = (done) => { const c = new MessageChannel(); c.port1.onmessage = done; c.port2.postMessage(0); };
  const frame = () => new Promise((done) => requestAnimationFrame(() => after(done)));
  const before = shapes(), start = performance.now();
  root.querySelector(`button[aria-label=${name}]`).click();
  const sent = performance.now() - start;
  while (shapes() === before) await frame();
  await frame();
  return [performance.now() - start, sent];
}"""


def measure(browser: Browser, url: str, drawing: str, repeats: int) -> tuple[int, list[float], list[float]]:
    """(number of nodes, ms from the click to the paint, ms of that in the click itself) of each edit."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{url}/?drawing={drawing}")
    expect(page.locator(".react-flow__node").first).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Widen").click()
    expect(page.get_by_role("group", name="Conv2d conv2d_1, output 32")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(500)
    nodes, times = len(json.loads(page.get_by_test_id("stCode").inner_text())["nodes"]), []
    for i in range(repeats + 2):
        times.append(page.evaluate(MEASURE, ("Undo", "Redo")[i % 2]))
        page.wait_for_timeout(150)
    page.close()
    return nodes, [t for t, _ in times[2:]], [s for _, s in times[2:]]


FRAMES = """async (ms) => {
  const times = [], end = performance.now() + ms;
  await new Promise((done) => {
    const tick = (t) => { times.push(t); t < end ? requestAnimationFrame(tick) : done(); };
    requestAnimationFrame(tick);
  });
  return times.slice(1).map((t, i) => t - times[i]);
}"""


def drag(browser: Browser, url: str, seconds: float = 4) -> tuple[int, list[float]]:
    """(number of nodes, ms between frames) while one node of the largest drawing is dragged to and fro."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{url}/?drawing=many")
    expect(page.locator(".react-flow__node").first).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Fit view").click()
    page.wait_for_timeout(1500)
    box = page.locator(".react-flow__node").nth(100).locator(".head").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(f"globalThis.frames_ = ({FRAMES})({seconds * 1000})")
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        page.mouse.move(x + 120 * math.sin(4 * left), y + 60 * math.cos(4 * left))
    times = page.evaluate("frames_")
    page.mouse.up()
    nodes = page.locator(".react-flow__node").count()
    page.close()
    return nodes, list(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as home, serve(APP, Path(home)) as (url, _), chromium() as browser:
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {repeats} edits each")
        print(f"{'nodes':>6} {'min':>7} {'median':>7} {'p90':>7}   ms, click to painted ({'browser before sending':s})")
        for drawing in ("ten", "fifty", "many"):
            nodes, total, sent = measure(browser, url, drawing, repeats)
            p90 = statistics.quantiles(total, n=10)[-1]
            middle = statistics.median(total)
            print(f"{nodes:>6} {min(total):>7.0f} {middle:>7.0f} {p90:>7.0f}   ({statistics.median(sent):.0f})")
        nodes, times = drag(browser, url)
        rate = 1000 * len(times) / sum(times)
        slow = statistics.quantiles(times, n=20)[-1]
        print(f"drag: {nodes} nodes drawn, {rate:.0f} frames/s, 95 % of frames within {slow:.0f} ms")
    text = BUNDLE.read_bytes()
    print(f"bundle: {len(text) / 1000:.0f} kB, {len(gzip.compress(text)) / 1000:.0f} kB as it travels compressed")


if __name__ == "__main__":
    main()
