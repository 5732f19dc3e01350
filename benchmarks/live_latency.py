"""How soon what a training measures is on screen, and how soon a knob is in effect. Prints one JSON object.

python benchmarks/live_latency.py [--seconds 20]. A 12-layer network trains on a core of its own while a real Chromium
watches. For every value the log holds, the time from its record to the first picture that shows it (or a later one),
with four charts on screen and with the loss alone; how often they change; from a click on Train to
the first point; and from a turned knob to its record.
Drawing is stamped by the panel after the frame is painted, on the clock that also stamps the log.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from bisect import bisect_left
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from engine.log import Record
from engine.store import RunFolder
from tests.e2e.browser import ROOT, chromium, serve

FOUR = {"loss": "point", "metric": "point", "boundary": "boundary", "gradients": "layers"}
WATCH = """names => {
  window.__drawn = {};
  for (const card of document.querySelectorAll(".ll-card")) if (names.includes(card.dataset.chart)) {
    const list = window.__drawn[card.dataset.chart] = [];
    new MutationObserver(() => list.push([Number(card.dataset.time), Number(card.dataset.drawnAt)]))
      .observe(card, { attributes: true, attributeFilter: ["data-drawn-at"] });
  }
}"""
TURN = """([name, value]) => {
  const field = document.querySelector(`[data-knob="${name}"] .ll-field`);
  field.value = value;
  field.dispatchEvent(new Event("change"));
  return (performance.timeOrigin + performance.now()) / 1000;
}"""


def spread(seconds: list[float]) -> dict[str, float]:
    """Median and 95th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "median_ms": round(1000 * statistics.median(ordered), 1),
        "p95_ms": round(1000 * ordered[int(0.95 * (len(ordered) - 1))], 1),
    }


def latencies(values: list[float], drawn: list[tuple[float, float]]) -> list[float]:
    """For each time in ``values``, how long until ``drawn`` (newest value, painted at) showed it or a later one."""
    newest = [value for value, _ in drawn]
    first = [(value, bisect_left(newest, value)) for value in values]
    return [drawn[i][1] - value for value, i in first if i < len(drawn)]


def watch(page: Page, run: RunFolder, charts: dict[str, str], seconds: float) -> dict[str, Any]:
    """``charts`` maps each chart to the kind of record that changes it."""
    page.evaluate(WATCH, list(charts))
    began = time.time()
    page.wait_for_timeout(1000 * seconds)
    ended = time.time()
    drawn = {chart: [(a, b) for a, b in pairs] for chart, pairs in page.evaluate("window.__drawn").items()}
    records = told(run)
    out, all_late = {}, []
    for chart, kind in charts.items():
        # Of pictures the log keeps the newest only: there, what was drawn is all that is known.
        times = (
            {r.time for r in records if r.kind == kind} if kind in ("point", "layers") else {t for t, _ in drawn[chart]}
        )
        values = sorted(t for t in times if began < t < ended - 1)
        late = latencies(values, drawn[chart])
        all_late += late
        out[chart] = {**spread(late), "values_per_s": round(len(values) / (ended - began - 1), 1),
                      "updates_per_s": round(len({t for t, _ in drawn[chart]}) / seconds, 1)}  # fmt: skip
    return {"all": spread(all_late), **out}


def told(run: RunFolder) -> list[Record]:
    newest = run.log.newest()
    return run.log.after(max(0, newest - 5000), 5000)


def knobs(page: Page, run: RunFolder, times: int = 20) -> dict[str, float]:
    out = []
    for i in range(times):
        value = round(1e-5 * (i + 1), 6)
        turned = page.evaluate(TURN, ["l2", value])
        page.wait_for_timeout(250)
        out += [r.time - turned for r in told(run) if r.kind == "knob" and r.body["new"] == value][-1:]
    return spread(out)


CLICK = """() => new Promise((done) => {
  const button = [...document.querySelectorAll("button")].find((b) => b.textContent.trim() === "Train");
  const card = document.querySelector(".ll-card[data-chart=loss]");
  const began = (performance.timeOrigin + performance.now()) / 1000;
  const seen = new MutationObserver(() => {
    if (Number(card.dataset.time) < began) return;
    seen.disconnect();
    done(Number(card.dataset.drawnAt) - began);
  });
  seen.observe(card, { attributes: true, attributeFilter: ["data-drawn-at"] });
  button.click();
})"""


def first_points(url: str, page: Page, times: int = 10) -> dict[str, float]:
    """From the click on Train to the first point on screen, each time with a fresh page and a warm runner."""
    out = []
    for _ in range(times):
        page.goto(url)
        page.wait_for_selector(".ll-card[data-chart=loss][data-drawn-at]")
        page.wait_for_timeout(500)
        out.append(page.evaluate(CLICK))
        page.get_by_role("button", name="Stop training").click()
        page.wait_for_selector(".ll[data-state=stopped]")
    return spread(out)


def measure(url: str, home: Path, page: Page, seconds: float) -> dict[str, Any]:
    page.goto(url)
    page.wait_for_selector(".ll .js-plotly-plot")
    page.wait_for_timeout(4000)  # the runner loads torch
    first = first_points(url, page)
    page.goto(url)
    page.wait_for_selector(".ll .js-plotly-plot")
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_selector(".ll[data-state=running]")
    page.wait_for_timeout(3000)
    run = RunFolder.open(home, page.locator(".ll").get_attribute("data-run") or "")
    four = watch(page, run, FOUR, seconds)
    turned = knobs(page, run)
    page.add_style_tag(content=".ll-card:not([data-chart=loss]) { display: none !important }")
    alone = watch(page, run, {"loss": "point"}, seconds / 2)
    page.get_by_role("button", name="Stop training").click()
    page.wait_for_selector(".ll[data-state=stopped]")
    return {"train_to_first_point": first, "four_charts": four, "knob_to_effect": turned, "loss_alone": alone}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    seconds = parser.parse_args().seconds
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(ROOT / "benchmarks/live_app.py", Path(folder)) as (url, _server),
        chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        result = measure(url, Path(folder), page, seconds)
    print(json.dumps({"load": os.getloadavg()[0], **result}, indent=2))


if __name__ == "__main__":
    main()
