"""Forecasting: a window of past values, the next one as target."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from builder.spec import TensorSpec
from engine.data.spec import Array, Baseline, Dataset, DatasetSpec, Field, Options, Scaler, share

FILES = Path(__file__).parent / "files"
WINDOW = 24  # steps: two years of months, or two cycles of the sun of about 11 years
INPUT = TensorSpec((WINDOW, 1), axes=("time", "feature"))
YEAR = 12
PUBLIC = "public domain, as shipped by statsmodels 0.15.0."


def windows(values: Array) -> tuple[Array, Array]:
    """``values`` (time,) -> x (n, WINDOW, 1) and the value that follows each window, y (n, 1); n = time − WINDOW."""
    x = np.lib.stride_tricks.sliding_window_view(values[:-1], WINDOW)
    return np.ascontiguousarray(x[:, :, None]), np.ascontiguousarray(values[WINDOW:, None])


def r2(prediction: Array, y: Array) -> float:
    """1 − Σ(y − prediction)² / Σ(y − mean y)²."""
    return float(1 - ((y - prediction) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def _column(file: str, column: int) -> Array:
    return np.loadtxt(FILES / file, delimiter=",", skiprows=1, usecols=column)


def sunspots() -> Array:
    return _column("sunspots.csv", 1)


def airline() -> Array:
    """The change from month to month in percent, 100·(log after − log before): the series itself only grows, so that
    its end looks like nothing before it."""
    change: Array = 100 * np.diff(np.log(_column("airline.csv", 1)))
    return change


def co2() -> Array:
    """The change of the monthly means in ppm, from the last month without a measurement (April 1964) on."""
    weeks: dict[str, list[float]] = defaultdict(list)
    with (FILES / "co2.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["co2"]:
                weeks[row["date"][:6]].append(float(row["co2"]))
    return np.diff([np.mean(weeks[month]) for month in sorted(weeks) if month > "196404"])


def elnino() -> Array:
    """Month after month: each line of the file is a year."""
    return np.loadtxt(FILES / "elnino.csv", delimiter=",", skiprows=1)[:, 1:].ravel()


def _series(
    name: str, title: str, about: str, source: str, read: Callable[[], Array], unit: str, period: int, examples: int
) -> DatasetSpec:
    """The baseline is the better of "like the last value" and "like ``period`` steps ago"."""

    def load(options: Options, _seed: int, _folder: Path | None) -> Dataset:
        """Cut once in time: no value of a validation window, and none of its targets, occurs in the training part."""
        values = read()
        cut = len(values) - round(options["test_share"] * len(values))
        scaler = Scaler.fit(values[:cut, None])
        x_train, y_train = windows(scaler.apply(values[:cut, None])[:, 0])
        x_val, y_val = windows(scaler.apply(values[cut:, None])[:, 0])
        past = Field("past", INPUT, x_train, x_val, scaler=scaler)
        following = Field("value", TensorSpec((1,)), y_train, y_val, scaler=scaler, label=f"next {unit}")
        score, steps = max((r2(x_val[:, -steps], y_val), steps) for steps in (1, period))
        baseline = Baseline(score, f"giving the value of {steps} step{'s' * (steps > 1)} before")
        return Dataset(name, "series", (past,), (following,), (unit,), baseline)

    return DatasetSpec(
        name,
        title,
        about,
        "series",
        "regression",
        load,
        source,
        (share(0.3),),
        input=INPUT,
        outputs=1,
        examples=examples,
        group="Time series",
        fixed=True,
    )


SERIES: tuple[DatasetSpec, ...] = (
    _series(
        "sunspots",
        "Sunspots",
        "Sunspots counted each year from 1700 to 2008. From 24 years, predict the next one.",
        f"US National Geophysical Data Center, {PUBLIC}",
        sunspots,
        "sunspots",
        1,
        309,
    ),
    _series(
        "airline",
        "Airline passengers",
        "Passengers of 1949 to 1960: from the changes of 24 months in percent, predict the next. Only 19 months "
        "are held out, too few to tell good from very good.",
        "Box & Jenkins (1976), series G, as shipped by aeon 1.6.0 (BSD-3-Clause).",
        airline,
        "change in percent",
        YEAR,
        143,
    ),
    _series(
        "co2",
        "Carbon dioxide",
        "Measured on Mauna Loa from 1964 to 2001: from the changes of 24 months in parts per million, predict the "
        "next. Plants breathe with the seasons.",
        f"Keeling & Whorf, Scripps Institution of Oceanography, {PUBLIC}",
        co2,
        "change in ppm",
        YEAR,
        451,
    ),
    _series(
        "elnino",
        "El Niño",
        "Temperature of the eastern Pacific from 1950 to 2010. From 24 months, predict the next one. A straight line "
        "does as well as a network.",
        f"US National Oceanic and Atmospheric Administration, {PUBLIC}",
        elnino,
        "°C",
        YEAR,
        732,
    ),
)
