"""Clicks, keystrokes and seconds to build three networks from an empty canvas: ``python benchmarks/building.py``.

A scripted user in a real browser, with nothing but what a user has: layers are searched and added with Enter, settings
are typed into the form beside the canvas. It never thinks and never errs; the seconds are what the app makes it wait.
Each network is checked: whole, and with as many parameters as it should have.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.browser import ROOT, chromium, serve


@dataclass
class User:
    """Hands on mouse and keyboard; counts what they do. A key held with another is one stroke."""

    page: Page
    clicks: int = 0
    keys: int = 0
    layers: int = 0

    def click(self, what: Locator) -> None:
        what.click()
        self.clicks += 1

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.keys += 1

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.keys += len(text)

    def search(self, words: str) -> None:
        box = self.page.get_by_role("searchbox", name="Search layers")
        if not box.evaluate("box => box === box.getRootNode().activeElement"):
            self.click(box)
        self.type(words)
        self.press("Enter")

    def add(self, words: str, **settings: object) -> None:
        """Searches for a layer, adds it behind the last one, and types its settings (words of the form → value)."""
        self.search(words)
        self._made(settings)

    def add_block(self, words: str, **settings: object) -> None:
        """The same for a built-in block, whose settings are asked first."""
        self.search(words)
        dialog = self.page.get_by_role("dialog")
        self.click(dialog.get_by_role("button", name="Insert"))
        expect(dialog).to_have_count(0)
        self._made(settings)

    def _made(self, settings: dict[str, object]) -> None:
        self.layers += 1
        expect(self.page.locator(".react-flow__node")).to_have_count(self.layers)
        id = self.page.locator(".react-flow__node:has(.layer.sel)").get_attribute("data-id")
        for label, value in settings.items():
            self.set(str(id), label.replace("_", " "), value)

    def set(self, id: str, label: str, value: object) -> None:
        expect(self.page.get_by_text(f"{id} ·")).to_be_visible()
        box = self.page.get_by_label(re.compile(rf"^{label}( \S)?$", re.IGNORECASE))
        self.click(box)
        if box.get_attribute("role") == "combobox":
            self.type(str(value))
        else:
            self.press("Control+a")
            self.type(str(value))
        self.press("Enter")


def lenet5(user: User) -> int:
    """LeCun et al. (1998), with ReLU as it is built today."""
    user.add("input", Shape_of_one_example="1, 28, 28")
    user.add("conv2d", Filters=6, Kernel_size=5, Padding=2)
    user.add("relu")
    user.add("avgpool2d")
    user.add("conv2d", Kernel_size=5)
    user.add("relu")
    user.add("avgpool2d")
    user.add("flatten")
    for units in (120, 84):
        user.add("linear", Outputs=units)
        user.add("relu")
    user.add("linear", Outputs=10)
    user.add("output")
    return 61_706


def residual(user: User) -> int:
    """A stem, a stage of three residual blocks, a head."""
    user.add("input", Shape_of_one_example="1, 28, 28")
    user.add("conv2d", Padding=1)
    user.add("batchnorm2d")
    user.add("relu")
    user.add_block("residual block", Repeats=3)
    user.add("adaptiveavgpool2d")
    user.add("flatten")
    user.add("linear", Outputs=10)
    user.add("output")
    stem, block, head = 16 * 9 + 16 + 32, 2 * (16 * 16 * 9 + 32), 170
    return stem + 3 * block + head


def transformer(user: User) -> int:
    """Words, positions, two encoder blocks, their mean over time, two classes."""
    user.add("input", Shape_of_one_example="64", Type="int64")
    user.add("embedding")
    user.add("learned")
    user.add_block("transformer encoder block", Repeats=2)
    user.add("mean")
    user.add("linear", Outputs=2)
    user.add("output")
    d, hidden = 32, 128  # four times the features, as the block suggests
    block = 4 * d * d + 4 * d + 2 * d * hidden + hidden + d + 4 * d
    return 1000 * d + 64 * d + 2 * block + 2 * d + 2


NETWORKS: dict[str, Callable[[User], int]] = {
    "LeNet-5": lenet5,
    "residual net": residual,
    "small transformer": transformer,
}


def build(browser: Browser, url: str, name: str) -> tuple[User, float]:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(30_000)
    page.goto(url)
    editor = page.get_by_role("application", name="Network editor")
    expect(page.locator(".react-flow__node").first).to_be_visible(timeout=60_000)
    editor.focus()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    expect(page.locator(".react-flow__node")).to_have_count(0)
    user, start = User(page), time.perf_counter()
    params = NETWORKS[name](user)
    user.press("Escape")
    expect(page.get_by_text(re.compile(rf"^{params:,} parameters ·"))).to_be_visible(timeout=30_000)
    seconds = time.perf_counter() - start
    expect(editor.get_by_role("group", name="error:")).to_have_count(0)
    page.close()
    return user, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=NETWORKS)
    only = parser.parse_args().only
    with tempfile.TemporaryDirectory() as home, chromium() as browser, serve(ROOT / "app.py", Path(home)) as (url, _):
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"{'network':<18} {'layers':>6} {'clicks':>7} {'keys':>6} {'seconds':>8}")
        for name in [only] if only else NETWORKS:
            user, seconds = build(browser, url, name)
            print(f"{name:<18} {user.layers:>6} {user.clicks:>7} {user.keys:>6} {seconds:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
