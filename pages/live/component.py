"""The live panel as a Streamlit component: charts, knobs and buttons of one run.

Its scripts come from our own route, not from ``js=``, which would be sent again with every rerun: what stands there is
a stub that imports them. No rerun takes part in drawing; the panel follows the run by itself (see routes.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import streamlit as st

from builder.diagnostic import Refused
from builder.spec import Param
from engine.breakpoints import WORDS
from engine.data import BY_NAME, load, preview
from engine.home import home
from engine.knobs import DROPOUT_PARAM, KNOBS, WEIGHT_PARAM
from engine.store import RunFolder
from pages.live.assets import asset_url

GROUPS: dict[str, tuple[str, ...]] = {
    "Pace": ("speed",),
    "Step size": ("lr", "momentum", "batch_size"),
    "Penalties": ("l1", "l2", "elastic", "elastic_mix", "weight_decay"),
    "Noise": ("input_noise", "label_smoothing"),
    "Clipping": ("clip_norm", "clip_value"),
}
PARTS = ("time", "breakpoints")  # of the panel, that can be hidden beside the knobs
MOST_POINTS = 600
Point = tuple[float, float, float, bool]

_STUB = """
export default async function (component) {
  const { default: live } = await import(new URL(component.data.module, document.baseURI).href);
  return live(component);
}
"""
_PANEL = st.components.v2.component("layerloom_live", js=_STUB, isolate_styles=False)


def live_panel(
    run_id: str | None,
    *,
    key: str,
    points: Sequence[Point] | None = None,
    labels: Mapping[str, str] | None = None,
    knobs: Mapping[str, float] | None = None,
    hide: Collection[str] = (),
    parent: tuple[str, int] | None = None,
    foreign: bool = False,
    settings: str = "",
    breakpoints: Sequence[str] = (),
    on_over: Callable[[], None] | None = None,
) -> Any:
    """The panel of run ``run_id``, or before the first run an empty one that waits for it.

    ``points`` (x, y, class or value, held out) are drawn on the decision boundary and ``labels`` name the nodes; a run
    brings its own, so both count before it only. ``knobs`` are the values to start from: given them, the knobs can
    be turned before a run too, and the result's ``knobs`` is what they were turned to. The knobs and parts in
    ``hide`` are not shown. ``parent`` (run id, step) is drawn behind a run that goes on from it; the buttons of a
    ``foreign`` run have to be asked for; ``settings`` says what the form would change in the run. ``on_over`` is called
    when the run ends while it is watched. Result: ``knobs`` and ``breakpoints`` (for the next run, or None), and once
    each: ``over`` (the final state), ``hit`` (the step at which the run stopped by itself), ``fork`` (see types.ts).
    """
    own_labels, own_points = _of_run(run_id) if run_id else (dict(labels or {}), tuple(points or ()))
    data = {
        "run": run_id,
        "module": asset_url("live.js"),
        "plotly": asset_url("plotly-cartesian.min.js"),
        "groups": _groups(hide),
        "dropout": _knob(DROPOUT_PARAM),
        "weight": _knob(WEIGHT_PARAM),
        "values": None if knobs is None else dict(knobs),
        "parent": {"run": parent[0], "step": parent[1]} if parent else None,
        "foreign": foreign,
        "settings": settings,
        "breakpoints": list(breakpoints),
        "hide": [name for name in PARTS if name in hide],
        "stops": [[name, words.removeprefix("the ")] for name, words in WORDS.items()],
        "labels": own_labels,
        "points": _thin(own_points),
    }
    return _PANEL(
        key=key,
        data=data,
        on_knobs_change=_nothing,
        on_breakpoints_change=_nothing,
        on_over_change=on_over or _nothing,
        on_hit_change=_nothing,
        on_fork_change=_nothing,
    )


def _nothing() -> None:
    """Streamlit asks for a callback per value that a component returns."""


def _knob(param: Param) -> dict[str, Any]:
    fields = ("name", "kind", "low", "high", "default", "symbol", "help", "log")
    return {name: getattr(param, name) for name in fields} | {"label": param.title}


def _groups(hide: Collection[str]) -> list[dict[str, Any]]:
    by_name = {p.name: p for p in KNOBS if p.name not in hide}
    shown = {title: [by_name[n] for n in names if n in by_name] for title, names in GROUPS.items()}
    return [{"title": title, "knobs": [_knob(p) for p in knobs]} for title, knobs in shown.items() if knobs]


def _thin(points: Sequence[Point]) -> list[Point]:
    """At most MOST_POINTS of ``points``, evenly taken."""
    every = -(-len(points) // MOST_POINTS) or 1
    return list(points[::every])


@lru_cache(maxsize=32)
def _of_run(run_id: str) -> tuple[dict[str, str], tuple[Point, ...]]:
    """Labels and two-dimensional data of a run, which never change."""
    try:
        run = RunFolder.open(home(), run_id)
        labels = {node.id: node.label for node in run.graph.nodes if node.label}
        ref = run.config.data
        plane = ref.name in BY_NAME and BY_NAME[ref.name].kind == "points2d"
        points = preview(load(ref, run.config.seed)).points if plane else ()
    except Refused:  # the panel itself says that there is no such run
        return {}, ()
    return labels, tuple((p.x, p.y, p.value, p.held_out) for p in points)
