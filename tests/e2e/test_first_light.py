"""The whole way, as a new user goes it: draw, train on real data, watch, steer, come back, take the source away."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.e2e.browser import ROOT

RUN_ID = re.compile(r"run=([\w-]{16})")
# In a process of its own: the downloaded class against the compiled drawing, for the weights of the run.
COMPARE = """
import sys, torch
from pathlib import Path
from safetensors.torch import load_file
sys.path[:0] = [{root!r}, {folder!r}]
from builder import document
from builder.compile import compile_graph
from engine.store import RunFolder
import model as downloaded
run = RunFolder(Path({run!r}))
weights = {{k: v for k, v in load_file(run.path / "last.safetensors").items() if "/" not in k}}
ours, theirs = compile_graph(run.graph), downloaded.Net()
ours.load_state_dict(weights), theirs.load_state_dict(weights)
x = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(1))
with torch.no_grad():
    a, b = ours.eval()(x), theirs.eval()(x)
assert a.shape == (16, 10) and a.abs().sum() > 0
print("equal" if torch.equal(a, b) else "different")
"""


def node(page: Page, id: str) -> Locator:
    return page.locator(f'.react-flow__node[data-id="{id}"]')


def connect_by_keyboard(page: Page, source: str, target: str) -> None:
    node(page, source).focus()
    page.keyboard.press("c")
    node(page, target).focus()
    page.keyboard.press("Enter")


def set_outputs(page: Page, id: str, outputs: int) -> None:
    node(page, id).locator(".head").click()
    field = page.get_by_role("spinbutton", name="Outputs")
    expect(page.get_by_text(f"{id} ·")).to_be_visible()
    field.fill(str(outputs))
    field.press("Enter")
    expect(node(page, id)).to_contain_text(f"{outputs} outputs")


def panel(page: Page) -> Locator:
    return page.locator("[data-state]").first


def state(page: Page, *allowed: str) -> None:
    expect(panel(page)).to_have_attribute("data-state", re.compile("|".join(allowed)), timeout=20_000)


def step(page: Page) -> int:
    bar = page.get_by_role("progressbar", name="Steps done")
    return int(bar.get_attribute("aria-valuenow") or 0)


def a_template_opens_whole_and_with_shapes(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Templates").click()
    page.get_by_role("button", name="MLP with dropout").click()
    expect(node(page, "linear_1")).to_contain_text("4,160")
    expect(page.get_by_text("Everything fits together.")).to_be_visible()


def a_changed_layer_shows_its_new_shape(page: Page) -> None:
    set_outputs(page, "linear_1", 96)
    expect(node(page, "linear_1")).to_contain_text("6,240")  # 64 · 96 + 96


def a_skip_that_does_not_fit_is_red_and_says_both_shapes(page: Page) -> None:
    node(page, "relu_2").locator(".head").click()
    page.get_by_role("button", name="Add Add", exact=True).click()
    connect_by_keyboard(page, "relu_1", "add_1")
    connect_by_keyboard(page, "add_1", "linear_3")
    expect(node(page, "add_1").locator(".layer.bad, .bad").first).to_be_visible()
    expect(node(page, "add_1")).to_contain_text("96")
    expect(node(page, "add_1")).to_contain_text("64")


def the_skip_fits_once_both_ways_are_as_wide(page: Page) -> None:
    page.get_by_role("button", name="Fit view").click()
    page.wait_for_timeout(500)  # the view glides
    set_outputs(page, "linear_2", 96)
    expect(page.locator(".layer.bad")).to_have_count(0)
    node(page, "add_1").locator(".head").click()
    expect(page.get_by_text("add_1 · output 96")).to_be_visible()


def the_source_is_current_and_can_be_downloaded(page: Page, home: Path) -> None:
    page.get_by_text("PyTorch source of this drawing").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download model.py").click()
    download.value.save_as(home / "away" / "model.py")
    text = (home / "away" / "model.py").read_text()
    assert "nn.Linear(64, 96)" in text
    assert "self.linear_2 = nn.Linear(96, 96)" in text


def training_on_digits_moves_the_curves(page: Page) -> None:
    page.get_by_role("button", name="Train this network").click()
    steps = page.get_by_role("spinbutton", name="Steps")
    expect(page.get_by_role("combobox", name=re.compile("Data set"))).to_be_visible()
    steps.fill("1000000")
    steps.press("Enter")
    page.get_by_role("button", name="Train", exact=True).click()
    state(page, "running")
    _wait(page, 50)
    assert RUN_ID.search(page.url)
    lines = page.locator('[data-chart="loss"] .scatterlayer path.js-line')
    before = lines.first.get_attribute("d") or ""
    _wait(page, step(page) + 200)
    expect(lines.first).not_to_have_attribute("d", before)


def _wait(page: Page, above: int, seconds: float = 20) -> None:
    for _ in range(int(seconds * 10)):
        if step(page) > above:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"still at step {step(page)}, not above {above}")


def a_knob_acts_while_it_trains_and_leaves_a_marker(page: Page, name: str, value: str, marker: str) -> None:
    field = page.get_by_role("spinbutton", name=re.compile(f"{name}.*exact"))
    field.fill(value)
    field.press("Enter")
    expect(page.locator(".ll-knob", has=field)).to_contain_text("in effect from step")
    expect(page.locator('[data-chart="loss"]')).to_contain_text(re.compile(f"{marker}.*{value}"))
    state(page, "running")


def pause_step_resume_and_stop_each_do_what_they_say(page: Page) -> None:
    page.get_by_role("button", name="Pause training").click()
    state(page, "paused")
    page.wait_for_timeout(300)
    held = step(page)
    page.get_by_role("button", name="Train on one batch, then pause").click()
    _wait(page, held)
    assert step(page) == held + 1
    page.get_by_role("button", name="Resume training").click()
    state(page, "running")
    _wait(page, held + 50)
    page.get_by_role("button", name="Stop training").click()
    state(page, "stopped")


def a_reload_finds_the_run_again_with_its_curves_and_markers(page: Page) -> None:
    reached = step(page)
    page.reload()
    state(page, "stopped")
    _wait(page, reached - 1)
    expect(page.locator('[data-chart="loss"]')).to_contain_text("L2")


def the_list_of_runs_leads_back_to_it(page: Page, address: str) -> None:
    run_id = RUN_ID.search(page.url)[1]  # type: ignore[index]
    page.goto(f"{address}/runs")
    expect(page.get_by_text("stopped").first).to_be_visible()
    page.get_by_role("button", name="Open").first.click()
    page.wait_for_url(re.compile(run_id))
    state(page, "stopped")


def the_downloaded_source_gives_the_same_output_for_the_same_weights(page: Page, home: Path) -> None:
    run_id = RUN_ID.search(page.url)[1]  # type: ignore[index]
    folder = home / "runs" / run_id
    script = COMPARE.format(root=str(ROOT), folder=str(home / "away"), run=str(folder))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "equal", done.stderr
    assert json.loads((folder / "run.json").read_text())["config"]["data"]["name"] == "digits"


def test_the_whole_way(page: Page, address: str, home: Path) -> None:
    """One test, since each step goes on where the one before it stopped."""
    page.set_viewport_size({"width": 1280, "height": 1000})
    a_template_opens_whole_and_with_shapes(page, address)
    a_changed_layer_shows_its_new_shape(page)
    a_skip_that_does_not_fit_is_red_and_says_both_shapes(page)
    the_skip_fits_once_both_ways_are_as_wide(page)
    the_source_is_current_and_can_be_downloaded(page, home)
    training_on_digits_moves_the_curves(page)
    a_knob_acts_while_it_trains_and_leaves_a_marker(page, "L2 penalty", "0.01", "L2")
    a_knob_acts_while_it_trains_and_leaves_a_marker(page, "Dropout", "0.6", "ropout")
    pause_step_resume_and_stop_each_do_what_they_say(page)
    a_reload_finds_the_run_again_with_its_curves_and_markers(page)
    the_list_of_runs_leads_back_to_it(page, address)
    the_downloaded_source_gives_the_same_output_for_the_same_weights(page, home)
