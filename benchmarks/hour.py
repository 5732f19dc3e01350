"""A run watched for an hour (or --minutes): memory of app process, worker and page, every few minutes.

Targets: the app process stays under 300 MB; the worker and the page stop growing after the first minutes; the page is
still quick at the end (how late the newest point is drawn).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import Page

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.e2e.browser import chromium, serve  # noqa: E402

LATE = """() => { const d = document.querySelector('[data-chart="loss"]').dataset; return d.drawnAt - d.time; }"""
HEAP = "() => performance.memory.usedJSHeapSize / 1e6"


def megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


def own(process: psutil.Process) -> float:
    return float(process.memory_full_info().uss) / 1e6


def workers(app: psutil.Process) -> list[psutil.Process]:
    """The children of the runner, which is the app's only child."""
    return [worker for runner in app.children() for worker in runner.children()]


def report(page: Page, app: psutil.Process, minutes: float) -> None:
    worker = ", ".join(f"{own(w):.0f}" for w in workers(app))
    late = page.evaluate(LATE) * 1000
    step = page.get_by_role("progressbar", name="Steps done").get_attribute("aria-valuenow")
    heap = page.evaluate(HEAP)
    memory = f"app {megabytes(app):4.0f} MB  worker's own {worker} MB  page heap {heap:4.0f} MB"
    print(f"{minutes:5.1f} min  {memory}  newest point {late:4.0f} ms late  step {step}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    minutes = parser.parse_args().minutes
    with (
        tempfile.TemporaryDirectory() as home,
        serve(ROOT / "app.py", Path(home)) as (url, server),
        chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(f"{url}/train")
        for name, value in (("Steps", "10000000"), ("Time limit", "86400")):
            if name != "Steps":
                page.get_by_text("More settings").click()
            field = page.get_by_role("spinbutton", name=name)
            field.fill(value)
            field.press("Enter")
            page.wait_for_timeout(1_000)
        page.get_by_role("button", name="Train", exact=True).click()
        page.locator('[data-state="running"]').first.wait_for()
        began, app = time.monotonic(), psutil.Process(server.pid)
        marks = [m for m in (0.2, 1, 2, 5, 10, 20, 30, 40, 50, 60) if m < minutes] + [minutes]
        for mark in marks:
            page.wait_for_timeout(max(0.0, began + mark * 60 - time.monotonic()) * 1000)
            report(page, app, (time.monotonic() - began) / 60)


if __name__ == "__main__":
    main()
