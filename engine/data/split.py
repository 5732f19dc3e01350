"""Training and validation parts without leakage, and the arrays made from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builder.spec import TensorSpec
from engine.data.spec import Array, Dataset, Kind, Scaler, Task


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


def split(x: Array, y: Array, test_share: float, seed: int, stratify: bool) -> Parts:
    """Holds out ``test_share`` of the rows, of each class alike with ``stratify``.

    Rows with equal ``x`` go to the same part as one group, so that nothing in the validation part was trained on.
    """
    rng = np.random.default_rng([seed, 1])
    _, first, group, sizes = np.unique(fingerprints(x), return_index=True, return_inverse=True, return_counts=True)
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


def classification(
    name: str,
    kind: Kind,
    x: Array,
    y: Array,
    parts: Parts,
    classes: tuple[str, ...],
    features: tuple[str, ...],
    axes: tuple[str, ...] = ("feature",),
) -> Dataset:
    """From raw ``x`` (example, …) and class numbers ``y`` (example,)."""
    scaler = Scaler.fit(x[parts.train], pooled=kind == "image")
    y_train, y_val = (np.ascontiguousarray(y[rows], dtype=np.int64) for rows in (parts.train, parts.val))
    commonest = np.bincount(y_train).argmax()
    return Dataset(
        name,
        kind,
        "classification",
        scaler.apply(x[parts.train]),
        y_train,
        scaler.apply(x[parts.val]),
        y_val,
        TensorSpec(x.shape[1:], axes=axes),
        len(classes),
        features,
        scaler,
        baseline=float((y_val == commonest).mean()),
        classes=classes,
        target="class",
    )


def regression(
    name: str, kind: Kind, x: Array, y: Array, parts: Parts, features: tuple[str, ...], target: str
) -> Dataset:
    """From raw ``x`` (example, feature) and values ``y`` (example,)."""
    scaler, target_scaler = Scaler.fit(x[parts.train]), Scaler.fit(y[parts.train, None])
    task: Task = "regression"
    return Dataset(
        name,
        kind,
        task,
        scaler.apply(x[parts.train]),
        target_scaler.apply(y[parts.train, None]),
        scaler.apply(x[parts.val]),
        target_scaler.apply(y[parts.val, None]),
        TensorSpec(x.shape[1:], axes=("feature",)),
        1,
        features,
        scaler,
        baseline=0.0,
        target=target,
        target_scaler=target_scaler,
    )
