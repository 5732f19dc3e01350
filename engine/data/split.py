"""Training and validation parts without leakage, and the arrays made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from builder.spec import TensorSpec
from engine.data.baseline import MEAN, commonest
from engine.data.spec import Array, Dataset, Field, Kind, Scaler


@dataclass(frozen=True, eq=False)
class Parts:
    """Row numbers of the two parts, each in random order."""

    train: Array
    val: Array


def fingerprints(x: Array) -> Array:
    """One uint64 per example, equal for equal examples (SplitMix64's finaliser chained over the features).

    Two different examples that collide merely stay on the same side of a split.
    """
    bits = (np.ascontiguousarray(x.reshape(len(x), -1), dtype=np.float64) + 0.0).view(np.uint64)
    keys = np.zeros(len(x), dtype=np.uint64)
    for column in bits.T:
        keys = _mix(keys + np.uint64(0x9E3779B97F4A7C15) ^ column)
    return keys


def _mix(z: Array) -> Array:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = z ^ (z >> np.uint64(31))
    return mixed


def split(
    x: Array, y: Array, test_share: float, seed: int, stratify: bool, groups: Sequence[Any] | Array | None = None
) -> Parts:
    """Holds out ``test_share`` of the rows, of each class alike with ``stratify``.

    Rows with equal ``x`` go to the same part as one group, so that nothing in the validation part was trained on. Where
    that is not enough, rows that are equal in ``groups`` do: the clips of one voice, the forms of one molecule.
    """
    rng = np.random.default_rng([seed, 1])
    keys = fingerprints(x) if groups is None else np.asarray(groups)
    _, first, group, sizes = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    strata = y[first] if stratify else np.zeros(len(first))
    held_out = np.zeros(len(first), dtype=bool)
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        held_out[_take(members, sizes[members], test_share)] = True
    order = rng.permutation(len(x))
    in_val = held_out[group][order]
    return Parts(order[~in_val], order[in_val])


def _take(groups: Array, sizes: Array, test_share: float) -> Array:
    """The leading ``groups`` that together hold at most the share; those that are too large alone come last."""
    room = round(test_share * int(sizes.sum()))
    order = np.argsort(sizes > room, kind="stable")
    return groups[order][np.cumsum(sizes[order]) <= room]


def repeats(x: Array) -> int:
    """How many rows equal an earlier row."""
    return len(x) - len(np.unique(fingerprints(x)))


NAMES: dict[Kind, str] = {"points2d": "point", "curve": "x", "table": "features", "image": "image", "series": "past"}


def classification(
    name: str,
    kind: Kind,
    x: Array,
    y: Array,
    parts: Parts,
    classes: tuple[str, ...],
    features: tuple[str, ...],
    axes: tuple[str, ...] = ("feature",),
    target: str = "",
) -> Dataset:
    """From raw ``x`` (example, …) and class numbers ``y`` (example,)."""
    target_field = labels("class", y, parts, classes, label=target)
    inputs = (numbers(NAMES[kind], x, parts, axes, pooled=kind == "image"),)
    return Dataset(name, kind, inputs, (target_field,), features, commonest(target_field))


def regression(
    name: str, kind: Kind, x: Array, y: Array, parts: Parts, features: tuple[str, ...], target: str
) -> Dataset:
    """From raw ``x`` (example, feature) and values ``y`` (example,)."""
    inputs = (numbers(NAMES[kind], x, parts, ("feature",)),)
    return Dataset(name, kind, inputs, (numbers("value", y[:, None], parts, label=target),), features, MEAN)


def numbers(
    name: str, raw: Array, parts: Parts, axes: tuple[str, ...] = (), *, pooled: bool = False, label: str = ""
) -> Field:
    """From ``raw`` (example, …), standardised by the training part; ``pooled`` as for ``Scaler.fit``."""
    scaler = Scaler.fit(raw[parts.train], pooled)
    train, val = (scaler.apply(raw[rows]) for rows in (parts.train, parts.val))
    return Field(name, TensorSpec(raw.shape[1:], axes=axes), train, val, scaler=scaler, label=label)


AXES: dict[int, tuple[str, ...]] = {0: (), 1: ("time",), 2: ("height", "width")}


def labels(
    name: str, raw: Array, parts: Parts, words: tuple[str, ...], *, ignore: int | None = None, label: str = ""
) -> Field:
    """From class numbers ``raw`` (example,), (example, time) or (example, height, width), one of ``words`` each."""
    train, val = (np.ascontiguousarray(raw[rows], dtype=np.int64) for rows in (parts.train, parts.val))
    spec = TensorSpec(raw.shape[1:], "int64", AXES[raw.ndim - 1])
    return Field(name, spec, train, val, kinds=len(words), words=words, ignore=ignore, label=label)
