"""Ten sessions train at once on this machine, each with its own page open: what every page still gets.

Targets: at least 2 updates/s on every page; nothing fails; with fewer slots than sessions, those who wait see their
place. The pages run here too, on the same cores as the ten trainings: harder than a class with its own laptops.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.e2e.browser import chromium, serve  # noqa: E402

SECONDS, WARM_UP = 15, 5
# Counts the frames in which the loss chart was drawn anew.
COUNT = """() => { window.updates = 0; window.began = performance.now(); let last = '';
  const look = () => { const now = document.querySelector('[data-chart="loss"]')?.dataset.drawnAt ?? '';
    if (now !== last) { last = now; window.updates += 1; } requestAnimationFrame(look); };
  look(); }"""
RATE = "window.updates * 1000 / (performance.now() - window.began)"


def session(browser: Browser, url: str, steps: int) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(90_000)
    page.goto(f"{url}/train")
    field = page.get_by_role("spinbutton", name="Steps")
    field.fill(str(steps))
    field.press("Enter")
    return page


def begin(pages: list[Page]) -> None:
    """All press Train, one after the other, as soon as all have the page before them."""
    pages[0].wait_for_timeout(2_000)
    for page in pages:
        page.get_by_role("button", name="Train", exact=True).click()


def words(page: Page) -> str:
    return page.locator(".ll-words").first.inner_text().replace("\n", " ")


def ten_at_once(browser: Browser, sessions: int) -> None:
    with tempfile.TemporaryDirectory() as home, serve(ROOT / "app.py", Path(home)) as (url, _):
        pages = [session(browser, url, 10_000_000) for _ in range(sessions)]
        begin(pages)
        for page in pages:
            page.locator('[data-state="running"]').first.wait_for()
        pages[0].wait_for_timeout(WARM_UP * 1000)
        for page in pages:
            page.evaluate(COUNT)
        pages[0].wait_for_timeout(SECONDS * 1000)
        rates = sorted(page.evaluate(RATE) for page in pages)
        running = sum(page.locator('[data-state="running"]').count() > 0 for page in pages)
        shown = ", ".join(f"{r:.1f}" for r in rates)
        print(f"{sessions} sessions at once: updates/s per page {shown}; still running: {running}")
        for page in pages:
            page.context.close()


def with_a_queue(browser: Browser, sessions: int, slots: int) -> None:
    os.environ["LAYERLOOM_SLOTS"] = str(slots)
    with tempfile.TemporaryDirectory() as home, serve(ROOT / "app.py", Path(home)) as (url, _):
        pages = [session(browser, url, 10_000_000) for _ in range(sessions)]
        begin(pages)
        pages[0].wait_for_timeout(3_000)
        print(f"{sessions} sessions on {slots} slots:")
        for page in pages:
            print("  ", words(page), "|", page.locator(".ll-message").first.inner_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--slots", type=int, default=8, help="0 leaves the queue out")
    args = parser.parse_args()
    with chromium() as browser:
        ten_at_once(browser, args.sessions)
        if args.slots:
            with_a_queue(browser, args.sessions, args.slots)


if __name__ == "__main__":
    main()
