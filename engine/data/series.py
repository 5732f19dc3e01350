"""Forecasting: a window of past values, the next one as target."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from builder.spec import TensorSpec
from engine.data.spec import Array, Dataset, DatasetSpec, Field, Options, Scaler, share

FILES = Path(__file__).parent / "files"
WINDOW = 24  # years: two cycles of the sun of about 11
INPUT = TensorSpec((WINDOW, 1), axes=("time", "feature"))


def windows(values: Array) -> tuple[Array, Array]:
    """``values`` (time,) -> x (n, WINDOW, 1) and the value that follows each window, y (n, 1); n = time − WINDOW."""
    x = np.lib.stride_tricks.sliding_window_view(values[:-1], WINDOW)
    return np.ascontiguousarray(x[:, :, None]), np.ascontiguousarray(values[WINDOW:, None])


def r2(prediction: Array, y: Array) -> float:
    """1 − Σ(y − prediction)² / Σ(y − mean y)²."""
    return float(1 - ((y - prediction) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def sunspots(options: Options, _seed: int, _folder: Path | None) -> Dataset:
    """Cut once in time: no year of a validation window, and none of its targets, occurs in the training part."""
    values = np.loadtxt(FILES / "sunspots.csv", delimiter=",", skiprows=1, usecols=1)
    cut = len(values) - round(options["test_share"] * len(values))
    scaler = Scaler.fit(values[:cut, None])
    x_train, y_train = windows(scaler.apply(values[:cut, None])[:, 0])
    x_val, y_val = windows(scaler.apply(values[cut:, None])[:, 0])
    persistence = r2(x_val[:, -1], y_val)
    past = Field("past", INPUT, x_train, x_val, scaler=scaler)
    following = Field("value", TensorSpec((1,)), y_train, y_val, scaler=scaler, label="sunspots next year")
    return Dataset("sunspots", "series", (past,), (following,), ("sunspots",), baseline=persistence)


SERIES: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "sunspots",
        "Sunspots",
        "Sunspots counted each year from 1700 to 2008. From 24 years, predict the next one.",
        "series",
        "regression",
        sunspots,
        "US National Geophysical Data Center, public domain, as shipped by statsmodels 0.15.0.",
        (share(0.3),),
        input=INPUT,
        outputs=1,
        examples=309,
    ),
)
