"""The live panel in a real Chromium, watching a run of known numbers (apps/live_app.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from engine.knobs import BY_NAME, KNOBS
from tests.e2e.browser import serve

APP = Path(__file__).parent / "apps" / "live_app.py"
PANEL = ".ll"


@pytest.fixture(scope="module")
def panel_app(home: Path) -> Iterator[str]:
    with serve(APP, home) as (url, _server):
        yield url


@pytest.fixture
def running(page: Page, panel_app: str) -> Page:
    """A page whose run has drawn some steps."""
    page.goto(panel_app)
    expect(page.locator(".ll-card[data-chart=loss][data-drawn-at]")).to_be_visible()
    page.get_by_role("button", name="Train", exact=True).click()
    drawn(page, "loss", 50)
    return page


def drawn(page: Page, chart: str, step: int) -> None:
    """Waits until ``chart`` shows ``step``."""
    page.wait_for_function(
        "([c, s]) => Number(document.querySelector(`.ll-card[data-chart=${c}]`)?.dataset.step) >= s",
        arg=[chart, step],
    )


def now(page: Page) -> int:
    return int(page.locator(PANEL).get_attribute("data-step") or 0)


def state(page: Page, wanted: str) -> None:
    expect(page.locator(f"{PANEL}[data-state={wanted}]")).to_be_visible()


def module(page: Page, script: str, arg: Any = None) -> Any:
    """What ``script`` (of ``m``, the panel's module, and ``arg``) gives in the browser."""
    return page.evaluate(
        f"async (arg) => {{ const m = await import('/layerloom/assets/live.js'); return ({script})(m, arg); }}", arg
    )


def test_before_a_run_it_invites_and_then_draws_in_the_same_place(page: Page, panel_app: str) -> None:
    page.goto(panel_app)
    expect(page.get_by_text("Press Train to see the curves here.")).to_be_visible()
    expect(page.locator(".ll-card[data-chart=boundary][data-drawn-at]")).to_be_visible()
    page.evaluate("document.querySelectorAll('.ll-plot').forEach(p => p.mine = true)")
    page.get_by_role("button", name="Train", exact=True).click()
    for chart in ("loss", "metric", "boundary", "gradients"):
        drawn(page, chart, 30)
    assert page.evaluate("[...document.querySelectorAll('.ll-plot')].every(p => p.mine)")
    expect(page.locator(".ll-facts")).to_contain_text("of 5,000 · 830 steps/s · validation accuracy")


def test_a_reload_and_a_second_tab_find_the_run_with_its_history(running: Page) -> None:
    before, run = now(running), running.locator(PANEL).get_attribute("data-run")
    running.reload()
    drawn(running, "loss", before)
    browser = running.context.browser
    assert browser
    second = browser.new_page()
    second.goto(running.url)
    drawn(second, "loss", before)
    for page in (running, second):
        assert page.locator(PANEL).get_attribute("data-run") == run
        first = page.evaluate("document.querySelector('[data-chart=loss] .ll-plot').data[1].x[0]")
        assert first == 10
    second.close()


def test_zoom_and_hidden_lines_survive_new_points_and_the_picture_is_never_taken_away(running: Page) -> None:
    plot = running.locator("[data-chart=gradients] .ll-plot")
    plot.scroll_into_view_if_needed()
    running.evaluate("""() => {
      window.__removed = 0;
      const parts = ".main-svg, .svg-container";
      const seen = (list) => { for (const m of list) for (const n of m.removedNodes)
        if (n.nodeType === 1 && (n.matches(parts) || n.querySelector?.(".main-svg"))) window.__removed++; };
      new MutationObserver(seen).observe(document.querySelector(".ll"), { childList: true, subtree: true });
    }""")
    running.locator("[data-chart=gradients] .ll-entry", has_text="linear_12").click()
    box = plot.bounding_box()
    assert box
    running.mouse.move(box["x"] + 80, box["y"] + 40)
    running.mouse.down()
    running.mouse.move(box["x"] + 160, box["y"] + 120, steps=4)
    running.mouse.up()
    axes = (
        "(({ xaxis, yaxis }) => [...xaxis.range, ...yaxis.range])"
        "(document.querySelector('[data-chart=gradients] .ll-plot')._fullLayout)"
    )
    running.wait_for_function(f"{axes}[0] > 0")
    zoom = running.evaluate(axes)
    drawn(running, "gradients", now(running) + 300)
    assert running.evaluate(axes) == zoom
    expect(running.locator("[data-chart=gradients] .ll-entry", has_text="linear_12")).to_have_attribute(
        "aria-pressed", "false"
    )
    shown = running.evaluate("document.querySelector('[data-chart=gradients] .ll-plot').data.map(t => t.visible)")
    assert shown == [True] * 11 + [False]
    plot.dblclick(position={"x": 200, "y": 100})
    running.wait_for_function(f"{axes}[0] === 0")
    assert running.evaluate("window.__removed") == 0


def test_a_knob_acts_while_it_is_dragged_and_leaves_a_marker_on_every_chart_over_steps(running: Page) -> None:
    knob = running.locator("[data-knob=l2]")
    knob.scroll_into_view_if_needed()
    box = knob.locator("input[type=range]").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    running.mouse.move(box["x"] + 6, y)
    running.mouse.down()
    running.mouse.move(box["x"] + box["width"] * 0.7, y, steps=10)
    expect(knob.locator(".ll-ack")).to_contain_text("in effect from step")  # the button is still down
    running.mouse.up()
    expect(knob.locator(".ll-field")).not_to_have_value("0")
    running.locator("[data-chart=loss]").scroll_into_view_if_needed()
    for chart in ("loss", "metric", "gradients"):
        expect(running.locator(f"[data-chart={chart}] .annotation-text", has_text="L2 0 →")).to_be_attached()
    assert int(knob.get_attribute("data-acked") or 0) > 0


def test_an_exact_value_is_taken_and_one_out_of_range_is_told_and_put_back(running: Page) -> None:
    knob = running.locator("[data-knob='dropout:dropout_1']")
    expect(knob).to_contain_text("Dropout: after the input")
    field = knob.locator(".ll-field")
    field.fill("0.35")
    field.press("Enter")
    expect(knob.locator(".ll-ack")).to_contain_text("in effect from step")
    field.fill("3")
    field.press("Enter")
    expect(knob.locator(".ll-ack")).to_have_text("A number from 0 to 0.95, please.")
    expect(field).to_have_value("0.35")


def test_pause_step_resume_stop_and_continue_by_keyboard(running: Page) -> None:
    running.get_by_role("button", name="Pause training").press("Enter")
    state(running, "paused")
    expect(running.get_by_role("button", name="Resume training")).to_be_focused()
    running.wait_for_timeout(300)
    at = now(running)
    running.get_by_role("button", name="Train on one batch").press("Enter")
    running.wait_for_function("s => Number(document.querySelector('.ll').dataset.step) === s", arg=at + 1)
    running.get_by_role("button", name="Resume training").press("Space")
    state(running, "running")
    running.get_by_role("button", name="Stop training").press("Enter")
    state(running, "stopped")
    expect(running.get_by_text("over: stopped")).to_be_visible()
    running.get_by_role("button", name="Continue training").press("Enter")
    state(running, "running")


def test_a_failure_is_told_with_its_layer_and_what_to_do(running: Page) -> None:
    run = running.locator(PANEL).get_attribute("data-run")
    running.evaluate(
        "run => { const s = new WebSocket(`ws://${location.host}/layerloom/live/${run}`);"
        " s.onopen = () => s.send(JSON.stringify({do: 'fail'})); }",
        run,
    )
    state(running, "failed")
    expect(running.locator(".ll-message")).to_have_text(
        "The loss is not a number any more. Lower the learning rate. Layer: linear_2."
    )


def test_a_lost_connection_is_told_and_comes_back_without_a_gap(page: Page, panel_app: str) -> None:
    open_: list[WebSocketRoute] = []

    def through(socket: WebSocketRoute) -> None:
        open_.append(socket)
        socket.connect_to_server()

    page.route_web_socket("**/layerloom/live/**", through)
    page.goto(panel_app)
    page.get_by_role("button", name="Train", exact=True).click()
    drawn(page, "loss", 50)
    open_[-1].close(code=1012, reason="restart")
    expect(page.locator(".ll-message")).to_contain_text("The connection is lost.")
    expect(page.locator(f"{PANEL}[data-link=open]")).to_be_visible()
    drawn(page, "loss", now(page) + 100)
    x = page.evaluate("document.querySelector('[data-chart=loss] .ll-plot').data[1].x")
    assert all(b - a <= 10 for a, b in pairwise(x))


def test_an_unknown_run_is_told(page: Page, panel_app: str) -> None:
    page.goto(f"{panel_app}/?run={'x' * 16}")
    expect(page.locator(".ll-message")).to_have_text(
        "There is no run with this address. Choose one from the list of runs."
    )


def test_the_canvas_hears_of_every_layer(running: Page) -> None:
    flow = running.evaluate("new Promise(ok => addEventListener('layerloom:live', e => ok(e.detail), { once: true }))")
    assert flow["run"] == running.locator(PANEL).get_attribute("data-run")
    assert list(flow["nodes"]) == [f"linear_{i}" for i in range(1, 13)]
    assert all(0 <= n["c"] <= 1 and n["t"].startswith("‖g‖ ") for n in flow["nodes"].values())
    assert running.evaluate("run => run in globalThis.__layerloomLive", flow["run"])


def test_the_colour_of_a_layer_is_continuous_from_vanished_to_exploded(page: Page, panel_app: str) -> None:
    page.goto(panel_app)
    norms = [10 ** (k / 20) for k in range(-160, 101)]
    colours = module(page, "(m, norms) => norms.map((g) => m.health(g, g))", norms)
    assert (colours[0], colours[-1]) == (0, 1)
    assert [c for g, c in zip(norms, colours, strict=True) if 1e-3 <= g <= 10] == pytest.approx([0.5] * 81)
    assert all(0 <= b - a < 0.03 for a, b in pairwise(colours))
    assert module(page, "(m) => [m.health(1e-3, 10), m.health(1, 10), m.health(0, 1)]") == [0, 0.5, 0]


def test_every_slider_position_is_a_value_in_range_and_comes_back(page: Page, panel_app: str) -> None:
    page.goto(panel_app)
    knobs = [{k: v for k, v in asdict(p).items() if k not in ("choices", "optional")} for p in KNOBS]
    script = """(m, ks) => ks.map((k) => Array.from({ length: 241 }, (_, p) => m.toValue(k, p)).map((v) =>
      [v, m.toPosition(k, v)]))"""
    for param, pairs in zip(KNOBS, module(page, script, json.loads(json.dumps(knobs))), strict=True):
        values = [v for v, _ in pairs]
        assert (values[0], values[-1]) == (param.low, param.high)
        assert values == sorted(values)
        assert all(param.check(v) is None for v in values)
        coarse = param.kind == "int"
        assert all(coarse or abs(position - i) <= 2 for i, (_, position) in enumerate(pairs))


def test_a_long_run_stays_small_and_keeps_its_first_last_and_extreme_values(page: Page, panel_app: str) -> None:
    page.goto(panel_app)
    script = """(m) => {
      const s = new m.Series(2, 512);
      const a = (i) => (i === 77777 ? 50 : Math.sin(i / 99)), b = (i) => (i === 123456 ? -9 : i % 3 ? null : 1);
      for (let i = 1; i <= 200000; i++) s.push(i, [a(i), b(i)]);
      s.push(200000, [99, 99]);  // seen before
      return { n: s.n, lines: [s.line(0, 300), s.line(1, 300)], part: s.line(0, 300, 150000, 160000).x };
    }"""
    got = module(page, script)
    a, b = got["lines"]
    assert got["n"] <= 512
    for line in (a, b):
        assert len(line["x"]) <= 300
        assert line["x"] == sorted(line["x"])
        assert None not in line["y"]
    assert (a["x"][0], a["x"][-1], max(a["y"]), b["y"][0]) == (1, 200000, 50, 1)
    assert a["x"][a["y"].index(50)] == 77777
    assert b["x"][b["y"].index(-9)] == 123456
    assert len(got["part"]) > 8


def test_a_line_ends_where_it_was_last_measured_and_forgets_what_was_lost(page: Page, panel_app: str) -> None:
    page.goto(panel_app)
    script = """(m) => {
      const s = new m.Series(2, 256);
      for (let i = 1; i <= 1000; i++) s.push(i, [i, i % 100 === 1 ? i : null]);
      const before = [s.line(0, 100), s.line(1, 100)];
      s.truncate(450);
      const after = [s.line(0, 100), s.line(1, 100)];
      s.push(451, [7, 8]);
      return [...before, ...after, s.line(0, 100)].map((l) => [l.x.at(-1), l.y.at(-1), Math.max(...l.y)]);
    }"""
    every, some, cut, cut_some, on = module(page, script)
    assert every == [1000, 1000, 1000]
    assert some == [901, 901, 901]
    assert cut[0] <= 450
    assert cut[2] <= 450
    assert cut_some == [401, 401, 401]
    assert on[:2] == [451, 7]


MOVING = """async (m) => {
  const plot = document.createElement("div");
  plot.style.cssText = "width:400px;height:300px";
  document.body.append(plot);
  const line = (j, k) => ({ type: "scatter", mode: "lines", x: [1, 2, 3, 4], y: [1, 20, 3 * k, 40].map((v) => v / j) });
  const around = { x: [1, 2, 3, 4, 4, 1], fill: "toself", line: { width: 0 } };
  const area = (k) => ({ ...line(1, k), ...around, y: [1, 20, 3 * k, 40, 30, 0.5] });
  const dots = (k) => ({ ...line(3, k), mode: "lines+markers" }), set = { ...line(4, 2), mode: "markers" };
  const lines = (k) => [area(k), line(1, k), line(2, k), dots(k), set];
  const layout = { xaxis: { range: [0, 5] }, yaxis: { type: "log", range: [-2, 3] } };
  const at = (p, share) => p.getPointAtLength(share * p.getTotalLength());
  const sample = (p) => [0, 0.2, 0.4, 0.6, 0.8, 1].map((s) => at(p, s)).flatMap((q) => [q.x, q.y]);
  const seen = "path.js-fill, .trace:not(:first-child) path.js-line"; // there is no line around the area
  const where = (p) => [p.getCTM().e, p.getCTM().f];
  const spots = () => [...plot.querySelectorAll("path.point")].flatMap(where);
  const paths = () => [...[...plot.querySelectorAll(seen)].flatMap(sample), ...spots()];
  await Plotly.newPlot(plot, lines(1), layout);
  const before = paths(), done = m.move(plot, lines(7), false), moved = paths();
  await Plotly.react(plot, lines(7), layout);
  const drawn = paths();
  const back = m.move(plot, lines(1), false) && paths(), none = dots(1);
  none.y[1] = null;
  const nothing = m.move(plot, [...lines(1).slice(0, 3), none, set], false);
  const beyond = m.move(plot, lines(700000), false);
  return { points: spots().length / 2, before, done, moved, back, nothing, drawn, beyond };
}"""  # fmt: skip


def test_moving_lines_areas_and_points_gives_what_plotly_would_draw(page: Page, panel_app: str) -> None:
    page.goto(panel_app)
    page.wait_for_function("globalThis.Plotly")
    got = module(page, MOVING)
    assert got["done"] is True
    assert got["beyond"] is False  # what lies outside the axes is left to Plotly
    assert got["nothing"] is False  # and so is a gap
    assert got["points"] == 2 * 4
    assert got["before"] != pytest.approx(got["moved"], abs=5)
    assert got["back"] == pytest.approx(got["before"], abs=0.3)
    assert got["moved"] == pytest.approx(got["drawn"], abs=0.3)


def test_a_switch_to_dark_is_followed(running: Page) -> None:
    running.locator(PANEL).evaluate("p => p.style.setProperty('--st-background-color', '#0e1117')")
    expect(running.locator(f"{PANEL}[data-theme=dark]")).to_be_visible()
    running.wait_for_function(
        "document.querySelector('[data-chart=loss] .ll-plot')._fullLayout.font.color.includes('250')"
    )


def test_it_fits_its_width_with_the_knobs_beside_the_charts_only_where_there_is_room(running: Page) -> None:
    for width in (390, 768, 1280):
        running.set_viewport_size({"width": width, "height": 844})
        fits(running, beside=width == 1280)


def fits(running: Page, beside: bool) -> None:
    running.wait_for_timeout(300)
    assert running.evaluate("(p => p.scrollWidth <= p.clientWidth)(document.querySelector('.ll'))")
    charts, knobs = (running.locator(s).bounding_box() for s in (".ll-grid", ".ll-knobs"))
    assert charts
    assert knobs
    assert beside == (knobs["x"] > charts["x"] + charts["width"] - 1)
    script = "ps => ps.map(p => [p.clientWidth, p.querySelector('.main-svg')?.clientWidth])"
    plots = running.locator(".ll-plot").evaluate_all(script)
    assert all(svg is None or abs(svg - box) <= 1 for box, svg in plots[:2])


def test_every_control_has_a_name_and_every_knob_its_help(running: Page) -> None:
    names = running.evaluate("""[...document.querySelectorAll('.ll button, .ll input')].map(e =>
      (e.getAttribute('aria-label') || e.textContent || (e.labels && e.labels[0]?.textContent) || '').trim())""")
    assert all(names)
    knobs = running.locator(".ll-knob")
    assert knobs.count() == len(KNOBS) + 1
    help_ = running.locator("[data-knob=l1] .ll-help")
    help_.focus()
    expect(running.locator("[data-knob=l1] [role=tooltip]")).to_be_visible()
    expect(running.locator("[data-knob=l1] [role=tooltip]")).to_contain_text(BY_NAME["l1"].help)
