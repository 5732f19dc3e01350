"""Where the steps of a selected attention layer look, head by head."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from pages.forms import escape

COLUMNS = 4
SCALE = ["#f5f5f5", "#D55E00"]  # as the small pictures on the canvas (engine/pictures.py)
HELP = "Each row is a step that looks, each column a step that is seen. A row adds up to 1. First example of the batch."


def looks(found: Mapping[str, Mapping[str, Any]], selected: Mapping[str, str]) -> None:
    """A picture for each layer in ``found`` (see engine/attention.py) that is ``selected`` (id → name), or in a block
    that is."""
    for id, packed in found.items():
        name = next((name for chosen, name in selected.items() if f"{id}.".startswith(f"{chosen}.")), None)
        if name is not None:
            within = "" if id in selected else f" ({id})"
            st.markdown(f"**Where {escape(name + within)} looks**", help=HELP)
            st.plotly_chart(chart(packed), key=f"looks.{id}", config={"displayModeBar": False})


def chart(packed: Mapping[str, Any]) -> go.Figure:
    """One heat map per head, on one scale."""
    heads, queries, keys = packed["shape"]
    shares = np.frombuffer(base64.b64decode(packed["shares"]), np.uint8).reshape(heads, queries, keys)
    rows, columns = -(-heads // COLUMNS), min(heads, COLUMNS)
    names = [f"Head {i + 1}" for i in range(heads)]
    figure = make_subplots(rows, columns, subplot_titles=names, horizontal_spacing=0.04, vertical_spacing=0.12)
    for i, weights in enumerate(shares / 255 * packed["most"]):
        hover = "step %{y} takes %{z:.2f} from step %{x}<extra></extra>"
        picture = go.Heatmap(z=weights, coloraxis="coloraxis", hovertemplate=hover)
        figure.add_trace(picture, row=i // COLUMNS + 1, col=i % COLUMNS + 1)
    figure.update_yaxes(autorange="reversed", nticks=4)
    figure.update_xaxes(nticks=4)
    bar = {"title": "share", "thickness": 12}
    figure.update_layout(
        height=60 + 190 * rows,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        coloraxis={"colorscale": SCALE, "cmin": 0, "cmax": packed["most"], "colorbar": bar},
    )
    return figure
