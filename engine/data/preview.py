"""A look at a data set as plain values, in the units of its source: what a page draws before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from engine.data.spec import Array, Dataset, Field, Kind

MAX_POINTS, MAX_ROWS, MAX_IMAGES = 1000, 8, 24
LONGEST = 160  # characters of a text that is shown
# Nothing, the colours of Okabe and Ito (2008), told apart by every eye, and for the last of ten classes two more.
PALETTE = np.array(
    [
        (240, 240, 240),
        (0, 114, 178),
        (230, 159, 0),
        (0, 158, 115),
        (204, 121, 167),
        (86, 180, 233),
        (213, 94, 0),
        (240, 228, 66),
        (0, 0, 0),
        (120, 120, 120),
        (110, 60, 20),
    ],
    dtype=np.uint8,
)


class Point(NamedTuple):
    """``value`` is the class number or the target; on a curve ``y`` is the target too."""

    x: float
    y: float
    value: float
    held_out: bool


@dataclass(frozen=True, eq=False)
class Preview:
    """Only the fields of the data set's ``kind`` are filled.

    ``rows`` follow ``columns``, the targets last (a class by its name, text as text). ``images`` are (label, uint8
    (height, width, 3)); what belongs together, such as a picture and its mask, stands side by side. ``series`` is the
    whole series; from ``series_cut`` on it is held out. ``legend`` names the colours of a mask ("#0072b2").
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
    legend: tuple[tuple[str, str], ...] = ()


def preview(data: Dataset) -> Preview:
    columns, rows = _table(data) if data.kind in ("points2d", "curve", "table") else ((), ())
    if data.kind == "text":
        columns, rows = _texts(data)
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
        images=tuple(_images(data)) if data.kind in ("image", "mask", "pair", "sequence") else (),
        series=series,
        series_cut=cut,
        legend=tuple(_legend(data)) if data.kind == "mask" else (),
    )


def _raw_targets(data: Dataset, y: Array) -> Array:
    """(example,): class numbers, or values in the units of the source."""
    return data.target_scaler.inverse(y)[:, 0] if data.target_scaler else y


def _counts(data: Dataset) -> dict[str, int]:
    """How many examples there are of each class, where an example has one."""
    target = data.targets[0]
    if target.task == "regression" or target.spec.shape:
        return {}
    y = np.concatenate((target.train, target.val))
    return dict(zip(target.words, np.bincount(y, minlength=target.kinds).tolist(), strict=True))


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


def _texts(data: Dataset) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    fields = (*data.inputs, *data.targets)
    rows = zip(*([text(f, value) for value in f.train[:MAX_ROWS]] for f in fields), strict=True)
    return tuple(f.title.replace("_", " ") for f in fields), tuple(rows)


def text(of: Field, value: Array) -> str:
    """One example of a field, (*spec.shape), as a person reads it: words, characters without gaps, or numbers."""
    if of.words:
        words = [of.words[i] for i in np.atleast_1d(value).ravel()]
        joint = "" if max(map(len, of.words)) == 1 else " "
        said = joint.join(word for word in words if word)
    else:
        raw = np.round(of.scaler.inverse(value) if of.scaler else value, 6) + 0.0  # what float32 and back leaves of 0
        said = " ".join(",".join(f"{v:.3g}" for v in np.atleast_1d(step)) for step in raw)
    said = said.replace("\n", "⏎")
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"


def _images(data: Dataset) -> Iterator[tuple[str, Array]]:
    """What an example shows, side by side, and its class, where it has one."""
    named = next((f for f in data.targets if f.words and not f.spec.shape), None)
    drawn = [*data.inputs, *(f for f in data.targets if data.kind == "mask")]
    columns = [pictures(f, data.kind) for f in drawn]
    for row, side_by_side in enumerate(zip(*columns, strict=True)):
        yield text(named, named.train[row]) if named else "", np.hstack(side_by_side)


def pictures(of: Field, kind: Kind) -> list[Array]:
    """The first examples as (height, width, 3) uint8: classes in colours, the stones of two players in two, one channel
    in greys (ink is dark, except where there are masks), a sequence with time from left to right and
    the first feature, of speech the lowest band, at the bottom."""
    some = of.train[:MAX_IMAGES]
    if of.kinds:
        return list(PALETTE[some])
    raw = of.scaler.inverse(some) if of.scaler else some
    if raw.ndim == 3:
        raw = (raw.swapaxes(1, 2)[:, ::-1] if kind == "sequence" else raw)[:, None]
    if raw.shape[1] == 2:
        stones = np.rint(raw).astype(np.int64)
        return list(PALETTE[stones[:, 0] + 2 * stones[:, 1]])
    low, high = raw.min(), raw.max()
    grey = np.rint((raw[:, 0] - low) / (high - low) * 255).astype(np.uint8)
    return list(np.repeat((grey if kind == "mask" else 255 - grey)[..., None], 3, axis=3))


def _legend(data: Dataset) -> Iterator[tuple[str, str]]:
    for word, colour in zip(data.classes, PALETTE, strict=False):
        yield word, "#" + bytes(colour).hex()


def _series(data: Dataset) -> tuple[tuple[float, ...], int]:
    """The windows put together again: the first one and every target, for each part."""
    parts = [np.concatenate((x[0], y)) for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val))]
    values = data.scaler.inverse(np.concatenate(parts))[:, 0]
    return tuple(float(f"{v:.6g}") for v in values), len(parts[0])
