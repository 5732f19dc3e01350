"""What a person may hand in by mistake or on purpose: each gets a clear message, and nothing is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from engine.config import DataRef, TrainConfig

NUMBERS = "x,y,kind\n" + "\n".join(f"{i * 37 % 199 / 10},{i * 61 % 101 / 7:.3f},{'ab'[i % 2]}" for i in range(200))
READ = 120_000  # ms for the process that reads a table, on a machine that has much else to do
TEXT = "a,b\n" + "\n".join(f"hello {i},world {i * 7} foo" for i in range(50))


def open_network(page: Page, address: str, content: bytes, name: str = "network.json") -> None:
    page.goto(address)
    page.get_by_role("button", name="Open").click()
    page.locator("input[type=file]").first.set_input_files(
        {"name": name, "mimeType": "application/json", "buffer": content}
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b"", "empty"),
        (b"not json", "JSON"),
        (b'{"format": "layerloom", "version": 99, "nodes": [], "edges": []}', "newer"),
        (
            b'{"format": "layerloom", "version": 1, "nodes": [{"id": "a", "type": "__import__"}], "edges": []}',
            "__import__",
        ),
    ],
    ids=["bomb", "empty", "text", "newer", "code"],
)
def test_a_broken_document_is_refused_with_the_reason_and_the_drawing_stays(
    page: Page, address: str, content: bytes, message: str
) -> None:
    open_network(page, address, content)
    expect(page.get_by_role("alert").filter(has_text=message).first).to_be_visible()
    expect(page.locator('.react-flow__node[data-id="linear_1"]')).to_be_visible()


def test_a_path_in_a_files_name_goes_nowhere(page: Page, address: str, home: Path) -> None:
    good = b'{"format": "layerloom", "version": 1, "nodes": [{"id": "a", "type": "Input"}], "edges": []}'
    open_network(page, address, good, "..%2f..%2fetc%2fpasswd.json")
    expect(page.locator('.react-flow__node[data-id="a"]')).to_be_visible()
    assert not [p for p in home.rglob("*") if "passwd" in p.name]


def upload(page: Page, content: bytes, name: str = "table.csv") -> None:
    page.locator("input[type=file]").first.set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})


def choose_own_table(page: Page, address: str) -> None:
    page.goto(f"{address}/train")
    page.get_by_role("combobox", name="Data set").fill(
        "Your own"
    )  # only what is in sight of a long list is in the page
    page.get_by_role("option", name="Your own table").click()
    expect(page.get_by_text("It stays on this machine.")).to_be_visible()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The file is empty"),
        (TEXT.encode(), "free text"),
        (b"PK\x03\x04" + bytes(2000), "table"),
        (b"a,b\n1,2\n", "rows"),
    ],
    ids=["empty", "text", "zip", "short"],
)
def test_a_table_that_cannot_be_learned_from_says_why(page: Page, address: str, content: bytes, message: str) -> None:
    choose_own_table(page, address)
    upload(page, content)
    expect(page.get_by_role("alert").filter(has_text=message).first).to_be_visible(timeout=READ)
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()


def test_a_table_over_the_limit_is_not_taken(page: Page, address: str, tmp_path: Path) -> None:
    choose_own_table(page, address)
    large = tmp_path / "large.csv"
    large.write_bytes(b"a,b\n" + b"1,2\n" * 14_000_000)
    page.locator("input[type=file]").first.set_input_files(large)
    expect(page.get_by_role("alert").filter(has_text="File must be 50.0MB or smaller")).to_have_count(1)
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()
    expect(page.get_by_text(re.compile("rows, .* columns"))).to_have_count(0)


def test_a_good_table_trains_once_the_network_fits_it(page: Page, address: str) -> None:
    choose_own_table(page, address)
    upload(page, NUMBERS.encode())
    expect(page.get_by_text("200 rows, 3 columns")).to_be_visible(timeout=READ)
    train = page.get_by_role("button", name="Train", exact=True)
    expect(page.get_by_role("button", name="Look at the data")).to_be_visible(timeout=READ)
    cure = page.get_by_role("button", name=re.compile("^(build )?(Set|Add) .*"))
    expect(cure.first).to_be_visible()  # the network on the page is for another data set: its cures fit it to this one
    for _ in range(3):
        if train.is_enabled() or not cure.count():
            break
        cure.first.click()
        page.wait_for_timeout(1_500)
    expect(train).to_be_enabled()
    train.click()
    expect(page.locator("[data-state]").first).to_have_attribute("data-state", re.compile("running|finished"))


def test_a_number_out_of_range_is_not_taken_and_says_so(page: Page, address: str) -> None:
    page.goto(f"{address}/train")
    steps = page.get_by_role("spinbutton", name="Steps")
    steps.fill("0")
    steps.press("Enter")
    expect(steps).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Train", exact=True).click()
    bar = page.get_by_role("progressbar", name="Steps done")
    expect(bar).to_have_attribute("aria-valuemax", str(TrainConfig(DataRef("spiral")).steps))


def test_an_empty_canvas_cannot_be_trained_and_says_how_to_begin(page: Page, address: str) -> None:
    open_network(page, address, b'{"format": "layerloom", "version": 1, "nodes": [], "edges": []}')
    expect(page.get_by_text(re.compile("empty", re.I)).first).to_be_visible()
    page.get_by_role("button", name="Train this network").click()
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()
    expect(page.get_by_role("alert").filter(has_text=re.compile("empty|Input", re.I)).first).to_be_visible()
