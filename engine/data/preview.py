"""A look at a data set as plain values, in the units of its source: what a page draws before training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from engine.data.spec import Array, Dataset, Kind

MAX_POINTS, MAX_ROWS, MAX_IMAGES = 1000, 8, 24


class Point(NamedTuple):
    """``value`` is the class number or the target; on a curve ``y`` is the target too."""

    x: float
    y: float
    value: float
    held_out: bool


@dataclass(frozen=True, eq=False)
class Preview:
    """Only the fields of the data set's ``kind`` are filled; a table's are filled for every kind but images.

    ``rows`` follow ``columns``, the target last (a class by its name). ``images`` are (label, uint8
    (height, width)), 0 empty and 255 ink. ``series`` is the whole series; from ``series_cut`` on it is held out.
    """

    kind: Kind
    n_train: int
    n_val: int
    counts: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    points: tuple[Point, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[float | str, ...], ...] = ()
    images: tuple[tuple[str, Array], ...] = ()
    series: tuple[float, ...] = ()
    series_cut: int = 0


def preview(data: Dataset) -> Preview:
    columns, rows = _table(data) if data.kind in ("points2d", "curve", "table") else ((), ())
    series, cut = _series(data) if data.kind == "series" else ((), 0)
    return Preview(
        data.kind,
        data.n_train,
        data.n_val,
        counts=_counts(data),
        missing=data.missing,
        notes=data.notes,
        points=_points(data) if data.kind in ("points2d", "curve") else (),
        columns=columns,
        rows=rows,
        images=_images(data) if data.kind == "image" else (),
        series=series,
        series_cut=cut,
    )


def _raw_targets(data: Dataset, y: Array) -> Array:
    """(example,): class numbers, or values in the units of the source."""
    return data.target_scaler.inverse(y)[:, 0] if data.target_scaler else y


def _counts(data: Dataset) -> dict[str, int]:
    if data.task == "regression":
        return {}
    y = np.concatenate((data.y_train, data.y_val))
    return dict(zip(data.classes, np.bincount(y, minlength=len(data.classes)).tolist(), strict=True))


def _points(data: Dataset) -> tuple[Point, ...]:
    """Both parts, thinned alike to at most MAX_POINTS."""
    thin = -(-(data.n_train + data.n_val) // MAX_POINTS)
    points: list[Point] = []
    for x, y, held_out in ((data.x_train, data.y_train, False), (data.x_val, data.y_val, True)):
        raw, values = data.scaler.inverse(x[: len(x) // thin]), _raw_targets(data, y)
        heights = values if data.kind == "curve" else raw[:, -1]
        points += [
            Point(float(p[0]), float(h), float(v), held_out) for p, h, v in zip(raw, heights, values, strict=False)
        ]
    return tuple(points)


def _table(data: Dataset) -> tuple[tuple[str, ...], tuple[tuple[float | str, ...], ...]]:
    # Six digits hide what float32 and back leaves of 5.1: 5.0999999.
    raw = [[float(f"{v:.6g}") for v in row] for row in data.scaler.inverse(data.x_train[:MAX_ROWS])]
    targets = _raw_targets(data, data.y_train[:MAX_ROWS])
    shown = [data.classes[v] if data.classes else float(f"{v:.6g}") for v in targets]
    return (*data.features, data.target), tuple((*row, target) for row, target in zip(raw, shown, strict=True))


def _images(data: Dataset) -> tuple[tuple[str, Array], ...]:
    ink = data.scaler.inverse(data.x_train[:MAX_IMAGES, 0])
    pixels = np.clip(np.rint(ink * 255), 0, 255).astype(np.uint8)
    return tuple((data.classes[y], image) for y, image in zip(data.y_train, pixels, strict=False))


def _series(data: Dataset) -> tuple[tuple[float, ...], int]:
    """The windows put together again: the first one and every target, for each part."""
    parts = [np.concatenate((x[0], y)) for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val))]
    values = data.scaler.inverse(np.concatenate(parts))[:, 0]
    return tuple(float(f"{v:.6g}") for v in values), len(parts[0])
