"""Pictures of a data set, before anything is trained."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from engine.data import Preview
from pages.forms import escape

TRAIN, HELD_OUT = "#0072B2", "#D55E00"  # Okabe-Ito blue and vermillion: told apart by every eye
COLUMNS = 8


DRAWN = ("image", "mask", "pair", "sequence")
PAPER, WIDTH, GAP, ROWS = 255, 320, 3, 4  # a colour, pixels, pixels around each picture, rows of pictures
SWATCH = '<span style="white-space: nowrap; font-size: 0.875rem"><span style="color: {}">■</span> {}</span> &nbsp; '


def draw(look: Preview) -> None:
    drawers = {"points2d": _plane, "curve": _curve, "table": _table, "text": _texts, "series": _series}
    (_images if look.kind in DRAWN else drawers[look.kind])(look)
    if look.legend:
        st.html("".join(SWATCH.format(colour, html.escape(word)) for word, colour in look.legend))
    if look.counts:
        st.caption(" · ".join(f"{escape(name)}: {n:,}" for name, n in list(look.counts.items())[:12]))
    if look.missing:
        st.caption("Missing values: " + ", ".join(f"{escape(name)} {n:,}" for name, n in look.missing.items()))
    for note in look.notes:
        st.caption(escape(note))


def _plane(look: Preview) -> None:
    figure = go.Figure()
    for held_out, symbol, name in ((False, "circle", "to train"), (True, "diamond-open", "to validate")):
        points = [p for p in look.points if p.held_out == held_out]
        marker = {"symbol": symbol, "size": 6, "color": [p.value for p in points], "colorscale": "Cividis"}
        figure.add_scatter(x=[p.x for p in points], y=[p.y for p in points], mode="markers", name=name, marker=marker)
    figure.update_yaxes(scaleanchor="x")
    _show(figure, 320)


def _curve(look: Preview) -> None:
    figure = go.Figure()
    for held_out, color, name in ((False, TRAIN, "to train"), (True, HELD_OUT, "to validate")):
        points = [p for p in look.points if p.held_out == held_out]
        figure.add_scatter(
            x=[p.x for p in points], y=[p.y for p in points], mode="markers", name=name, marker={"color": color}
        )
    _show(figure, 260)


def _series(look: Preview) -> None:
    figure, cut = go.Figure(), look.series_cut
    figure.add_scatter(x=list(range(cut)), y=look.series[:cut], name="to train", line={"color": TRAIN})
    figure.add_scatter(
        x=list(range(cut, len(look.series))), y=look.series[cut:], name="to validate", line={"color": HELD_OUT}
    )
    _show(figure, 260)


def _table(look: Preview) -> None:
    st.dataframe(pd.DataFrame(list(look.rows), columns=list(look.columns)), hide_index=True)


def _texts(look: Preview) -> None:
    """A text may be long: each on lines of its own, instead of cut off in a cell."""
    for row in look.rows:
        parts = zip(look.columns, row, strict=True)
        st.caption("  \n".join(f"{escape(name)}: **{escape(str(value))}**" for name, value in parts if value))


def _images(look: Preview) -> None:
    """One picture of all samples in rows, as many side by side as are told apart, and their names below."""
    high, wide = look.images[0][1].shape[:2]
    columns = max(2, min(COLUMNS, COLUMNS * high // wide))
    times = max(1, (WIDTH // columns - 2 * GAP) // wide)
    some = look.images[: columns * min(ROWS, max(1, len(look.images) // columns))]
    grown = [image.repeat(times, axis=0).repeat(times, axis=1) for _, image in some]
    cells = [np.pad(image, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=PAPER) for image in grown]
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    labels = [label for label, _ in some]
    caption = (" · " if " " in "".join(labels) else " ").join(filter(None, labels))
    sheet = np.vstack(rows)
    st.image(sheet, width=min(WIDTH, sheet.shape[1]), caption=caption or None)  # whole pixels stay crisp


def _show(figure: go.Figure, height: int) -> None:
    figure.update_layout(height=height, margin={"l": 8, "r": 8, "t": 8, "b": 8}, legend={"orientation": "h"})
    st.plotly_chart(figure, config={"displayModeBar": False})
