"""The gradient of each layer as measured, beside what mean-field theory expects."""

from __future__ import annotations

import math
from collections.abc import Mapping

import plotly.graph_objects as go

from engine.verdict import Verdict

MEASURED, EXPECTED = "#0072B2", "#D55E00"  # Okabe-Ito blue and vermillion, told apart by dashes too


def chart(found: Verdict, labels: Mapping[str, str]) -> go.Figure:
    """‖∂L/∂w‖ on a logarithmic axis over the layers, from input to output. Zeros cannot be drawn, and are left out."""
    places = list(range(len(found.layers)))
    figure = go.Figure()
    names = [labels.get(id, id) for id in found.layers]
    lines = {"mode": "lines+markers", "hovertemplate": "%{text}: %{y:.3g}", "text": names}
    figure.add_scatter(x=places, y=_drawable(found.norms), name="measured", marker={"color": MEASURED}, **lines)
    if found.expected:
        line = {"color": EXPECTED, "dash": "dash"}
        figure.add_scatter(
            x=places, y=_drawable(found.expected), name="expected", line=line, **{**lines, "mode": "lines"}
        )
    figure.update_xaxes(tickvals=places, ticktext=names, title=None)
    low, high = _decades(found)
    every = math.ceil((high - low) / 6)
    figure.update_yaxes(type="log", range=[low, high], dtick=every, exponentformat="power", title="‖gradient‖")
    legend = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}
    figure.update_layout(height=230, margin={"l": 8, "r": 36, "t": 8, "b": 8}, legend=legend)
    return figure


def _decades(found: Verdict) -> tuple[int, int]:
    """Whole powers of ten around all that is drawn, at least two: a gradient that keeps its size must look level."""
    logs = [math.log10(n) for n in (*found.norms, *(found.expected or ())) if n > 0] or [0.0]
    low, high = math.floor(min(logs) - 0.2), math.ceil(max(logs) + 0.2)
    return low, max(high, low + 2)


def _drawable(norms: tuple[float, ...]) -> list[float | None]:
    return [n if n > 0 else None for n in norms]
