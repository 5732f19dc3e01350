"""Further measurements on the Train page, in a real browser: chosen, measured, drawn, and what watching costs."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

KINDS = (
    "sharpness",
    "noise",
    "cosine",
    "penalty",
    "gain",
    "rank",
    "duplicates",
    "grad_hist",
    "update_hist",
    "examples",
)


@pytest.fixture
def training(page: Page, address: str) -> Page:
    """A page whose run trains, with the list of measurements open."""
    page.goto(f"{address}/train")
    button = page.get_by_role("button", name="Train", exact=True)
    expect(button).to_be_enabled()
    button.click()
    expect(page.locator(".ll[data-state=running], .ll[data-state=finished]")).to_be_visible()
    page.get_by_text("More measurements").click()
    return page


def card(page: Page, kind: str) -> Locator:
    return page.locator(f".ll-card[data-chart={kind}]")


def box(page: Page, kind: str) -> Locator:
    return page.locator(f".ll-measures input[value={kind}]")


def drawn(page: Page, kind: str) -> None:
    """Waits until the chart shows something that was measured."""
    card(page, kind).scroll_into_view_if_needed()
    expect(card(page, kind).locator(".ll-note")).to_be_hidden()
    expect(card(page, kind).locator(".plotly .trace, .plotly .hm").first).to_be_attached()


def test_measurements_are_off_until_they_are_chosen_and_then_drawn(training: Page):
    for kind in KINDS:
        expect(card(training, kind)).to_be_hidden()
        expect(box(training, kind)).not_to_be_checked()
    for kind in ("sharpness", "rank", "examples", "grad_hist"):
        box(training, kind).check()
    for kind in ("sharpness", "rank", "examples", "grad_hist"):
        drawn(training, kind)
    box(training, "rank").uncheck()
    expect(card(training, "rank")).to_be_hidden()


def test_the_page_says_what_watching_costs(training: Page):
    training.get_by_text("What watching costs").click()
    expect(training.locator(".ll-costs")).to_contain_text("Losses and metrics on fixed examples")
    box(training, "gain").check()
    expect(training.locator(".ll-costs")).to_contain_text("How much each layer stretches")


def test_a_reload_shows_again_what_the_run_is_asked_for(training: Page):
    box(training, "cosine").check()
    drawn(training, "cosine")
    training.reload()
    expect(card(training, "cosine")).to_be_visible()


def test_a_run_that_is_over_can_be_measured(training: Page):
    stop = training.get_by_role("button", name="Stop training and keep the result")
    stop.or_(training.locator(".ll[data-state=finished]")).first.wait_for()
    if stop.is_visible():
        stop.click()
    expect(training.locator(".ll[data-state=stopped], .ll[data-state=finished]")).to_be_visible()
    box(training, "noise").check()
    box(training, "penalty").check()
    drawn(training, "penalty")
    expect(card(training, "noise").get_by_text("Being measured")).to_be_hidden()
