"""A table of one's own in a real browser: read elsewhere, used until it is removed, found again after another page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import ROOT, serve
from tests.e2e.test_bad_input import NUMBERS, READ, choose_own_table, upload

GROWTH = 60 * 2**20  # bytes; a 20 MB table costs a process that parses it some 300 MB


@pytest.fixture(scope="module")
def app(home: Path) -> Iterator[tuple[str, psutil.Process]]:
    with serve(ROOT / "app.py", home) as (url, server):
        yield url, psutil.Process(server.pid)


def read(page: Page, words: str) -> None:
    expect(page.get_by_text(words)).to_be_visible(timeout=READ)
    expect(page.get_by_role("combobox", name="Column to predict")).to_be_visible(timeout=READ)
    expect(page.get_by_role("button", name="Look at the data")).to_be_visible(timeout=READ)


def test_a_table_is_in_use_until_it_is_removed(page: Page, app: tuple[str, psutil.Process]) -> None:
    choose_own_table(page, app[0])
    upload(page, NUMBERS.encode())
    read(page, "200 rows, 3 columns")
    page.get_by_role("button", name=re.compile("Remove table.csv|Delete|Remove file")).click()
    expect(page.get_by_text("It stays on this machine.")).to_be_visible(timeout=READ)
    expect(page.get_by_text("200 rows, 3 columns")).to_have_count(0, timeout=READ)
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled(timeout=READ)


def test_a_table_is_found_again_after_another_page_and_can_be_removed_there(
    page: Page, app: tuple[str, psutil.Process]
) -> None:
    choose_own_table(page, app[0])
    upload(page, NUMBERS.encode())
    read(page, "200 rows, 3 columns")
    page.get_by_role("link", name="Design").click()
    expect(page.locator('.react-flow__node[data-id="linear_1"]')).to_be_visible(timeout=READ)
    page.get_by_role("link", name="Train").click()
    read(page, "200 rows, 3 columns")
    page.get_by_role("button", name="Remove table.csv").click()
    expect(page.get_by_text("It stays on this machine.")).to_be_visible(timeout=READ)


def test_a_large_table_leaves_the_app_small(page: Page, app: tuple[str, psutil.Process], home: Path) -> None:
    address, process = app
    lines = [f"{i * 37 % 9973 / 10},{i * 61 % 99991 / 7:.9f},{i % 1013 / 3:.9f},{'ab'[i % 2]}" for i in range(250_000)]
    large = home / "large.csv"
    large.write_text("\n".join(["x,y,z,kind", *lines]))
    choose_own_table(page, address)
    before = process.memory_info().rss
    page.locator("input[type=file]").first.set_input_files(large)
    read(page, "250,000 rows, 4 columns")
    assert process.memory_info().rss - before < GROWTH
