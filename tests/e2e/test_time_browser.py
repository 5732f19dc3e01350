"""Back in time in a real browser: look back, go on from there, stop at a breakpoint, cure, and leave others alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

PANEL = ".ll"
RUN_ID = re.compile(r"run=([\w-]{16})")


def state(page: Page, wanted: str) -> None:
    expect(page.locator(f"{PANEL}[data-state={wanted}]")).to_be_visible()


def reach(page: Page, step: int) -> None:
    page.wait_for_function("s => Number(document.querySelector('.ll')?.dataset.step) >= s", arg=step)


def run_of(page: Page) -> str:
    found = RUN_ID.search(page.url)
    assert found
    return found[1]


def kept(page: Page, home: Path) -> list[int]:
    return sorted(int(p.stem) for p in (home / "runs" / run_of(page) / "kept").glob("*.safetensors"))


def turn(page: Page, name: str, value: str) -> None:
    field = page.get_by_role("spinbutton", name=re.compile(f"{name}.*exact"))
    field.fill(value)
    field.press("Enter")


def another_run(page: Page, before: str) -> None:
    page.wait_for_function("run => document.querySelector('.ll')?.dataset.run !== run", arg=before)
    page.wait_for_url(re.compile("run=(?!" + re.escape(before) + ")"))


def looking_back_shows_curves_pictures_and_knobs_of_then(page: Page, address: str, home: Path) -> None:
    page.goto(f"{address}/train")
    page.get_by_role("button", name="Train", exact=True).click()
    reach(page, 1500)
    turn(page, "L2 penalty", "0.001")
    expect(page.locator(".ll-knob[data-knob=l2]")).to_contain_text("in effect from step")
    reach(page, 3000)
    page.get_by_role("button", name="Pause training").click()
    state(page, "paused")
    slider = page.get_by_label("Look back")
    expect(slider).to_be_visible()
    slider.focus()
    slider.press("Home")
    expect(page.locator(f"{PANEL}[data-past='0']")).to_be_visible()
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    page.wait_for_function("Number(document.querySelector('.ll').dataset.past) > 0")
    step = int(page.locator(PANEL).get_attribute("data-past") or 0)
    assert step in kept(page, home)
    expect(page.get_by_text(f"This is the run after step {step:,}.")).to_be_visible()
    expect(page.get_by_role("spinbutton", name=re.compile("L2 penalty.*exact"))).to_have_value("0")
    page.wait_for_function(
        """step => {
            const drawn = document.querySelector('[data-chart=loss] .ll-plot')?.data ?? [];
            return drawn.some((line) => line.x.length) && drawn.every((line) => Math.max(...line.x) <= step);
        }""",
        arg=step,
    )
    page.get_by_role("button", name="Back to now").click()
    expect(page.locator(f"{PANEL}[data-past='']")).to_be_visible()
    expect(page.get_by_role("spinbutton", name=re.compile("L2 penalty.*exact"))).to_have_value("0.001")


def going_on_from_there_is_another_run_with_the_first_behind_it(page: Page, home: Path) -> None:
    before = run_of(page)
    page.get_by_label("Look back").press("Home")
    page.get_by_label("Look back").press("ArrowRight")
    page.wait_for_function("Number(document.querySelector('.ll').dataset.past) > 0")
    step = int(page.locator(PANEL).get_attribute("data-past") or 0)
    turn(page, "Learning rate", "0.02")
    expect(page.get_by_text("with 1 knob turned")).to_be_visible()
    page.get_by_role("button", name="Go on from here").click()
    another_run(page, before)
    expect(page.get_by_text(f"From step {step:,}: learning rate 0.02")).to_be_visible()
    expect(page.locator("[data-chart=loss]").get_by_role("button", name="run before")).to_be_visible()
    origin = json.loads((home / "runs" / run_of(page) / "run.json").read_text())["origin"]
    assert (origin["parent"], origin["forked_at"]) == (before, step)
    assert [t["name"] for t in origin["turns"]] == ["lr", "l2"]
    reach(page, step + 200)
    page.get_by_role("button", name="Stop training").click()
    state(page, "stopped")


def a_repetition_ends_with_the_same_weights(page: Page) -> None:
    page.get_by_text("Repeat and compare").click()
    page.get_by_role("button", name="Repeat this run").click()
    expect(page.get_by_text("The same to the bit after")).to_be_visible(timeout=90_000)


def a_breakpoint_stops_at_its_step_and_shows_the_batch(page: Page, home: Path) -> None:
    before = run_of(page)
    page.get_by_role("button", name="Leave this run").click()
    state(page, "none")
    page.get_by_role("combobox", name=re.compile("Optimizer")).click()
    page.get_by_role("option", name="SGD", exact=True).click()
    page.get_by_label("Pause when").select_option("step")
    page.get_by_label("Value", exact=True).fill("1700")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("step = 1700")).to_be_visible()
    page.get_by_role("button", name="Train", exact=True).click()
    another_run(page, before)
    state(page, "paused")
    expect(page.get_by_text("Stopped at step 1,700, as was asked for.").first).to_be_visible()
    expect(page.locator(PANEL)).to_have_attribute("data-step", "1700")
    page.get_by_text("The batch that stopped it: 32 examples").click()
    expect(page.get_by_text("Numbers of the training examples:")).to_be_visible()
    assert 1700 in kept(page, home)
    page.get_by_role("button", name="Remove step=1700").click()
    expect(page.get_by_text("step = 1700")).to_have_count(0)
    page.get_by_role("button", name="Resume training").click()
    reach(page, 1800)


def what_broke_is_cured_with_one_click(page: Page) -> None:
    turn(page, "Learning rate", "10")
    turn(page, "L2 penalty", "1")
    state(page, "failed")
    before = run_of(page)
    cure = page.get_by_role("button", name=re.compile("^Go back to step .* learning rate"))
    expect(cure).to_be_visible()
    cure.click()
    another_run(page, before)
    expect(page.get_by_text("From step").first).to_be_visible()
    state(page, "running")


def another_browser_neither_lists_nor_steers_it_by_accident(page: Page, browser: Browser, address: str) -> None:
    other = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    other.set_default_timeout(30_000)
    other.goto(page.url)
    expect(other.get_by_text("This run was started in another browser.")).to_be_visible()
    expect(other.get_by_role("button", name=re.compile("^(Stop|Pause|Continue) training"))).to_have_count(0)
    expect(other.get_by_role("spinbutton", name=re.compile("Learning rate.*exact"))).to_be_disabled()
    other.get_by_role("button", name="Steer it all the same").click()
    expect(other.get_by_role("button", name=re.compile("^(Stop|Pause|Continue) training")).first).to_be_visible()
    other.goto(f"{address}/runs")
    expect(other.get_by_text(re.compile(r"All on this machine \(\d+\)"))).to_be_visible()
    other.get_by_text(re.compile(r"Yours \(0\)")).click()
    expect(other.get_by_role("button", name="Open")).to_have_count(0)
    other.context.close()


def a_link_hides_looking_back_breakpoints_and_repeating(page: Page, address: str) -> None:
    run = run_of(page)
    fresh = page.context.browser.new_page() if page.context.browser else page
    fresh.goto(f"{address}/train?run={run}&hide=time,breakpoints,repeat")
    expect(fresh.locator(".ll-facts")).to_contain_text("lane")
    expect(fresh.get_by_label("Look back")).to_be_hidden()
    expect(fresh.get_by_label("Pause when")).to_be_hidden()
    expect(fresh.get_by_text("Repeat and compare")).to_have_count(0)
    fresh.close()


def test_there_and_back_in_time(page: Page, browser: Browser, address: str, home: Path) -> None:
    """One test, since each step goes on where the one before it stopped."""
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.set_default_timeout(30_000)
    looking_back_shows_curves_pictures_and_knobs_of_then(page, address, home)
    going_on_from_there_is_another_run_with_the_first_behind_it(page, home)
    a_repetition_ends_with_the_same_weights(page)
    a_breakpoint_stops_at_its_step_and_shows_the_batch(page, home)
    what_broke_is_cured_with_one_click(page)
    another_browser_neither_lists_nor_steers_it_by_accident(page, browser, address)
    a_link_hides_looking_back_breakpoints_and_repeating(page, address)
