"""What a data set is: its description, and its arrays once loaded, split and standardised."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from builder.spec import Param, Shape, TensorSpec

Array = NDArray[Any]
Task = Literal["classification", "regression"]
Kind = Literal["points2d", "curve", "table", "image", "series", "text", "mask", "pair", "sequence"]
Group = Literal[
    "Toys", "Tables", "Vision", "Language", "Speech", "Time series", "Games", "Medicine", "Your own"
]  # in the order in which they are listed
Options = Mapping[str, Any]
LARGEST_Z = 1e6


def share(default: float, high: float = 0.5) -> Param:
    return Param(
        "test_share",
        "float",
        default,
        0.1,
        high,
        label="Share held out",
        help="This share of the examples is kept for validation and never trained on.",
    )


@dataclass(frozen=True, eq=False)
class Scaler:
    """Standardisation z = (x − mean) / std, fitted on the training part only.

    ``mean`` and ``std`` are float64 and broadcast against one example. A feature that never varies has std 1.
    """

    mean: Array
    std: Array

    @staticmethod
    def fit(x: Array, pooled: bool = False) -> Scaler:
        """From ``x`` (example, …): one mean per feature, or with ``pooled`` one for all (pixels, years)."""
        axes = tuple(range(x.ndim)) if pooled else (0,)
        mean = x.mean(axis=axes, dtype=np.float64, keepdims=pooled)
        std = x.std(axis=axes, dtype=np.float64, keepdims=pooled)
        # Rounding leaves a constant column of 0.1 with a std of about 1e-17, which must not be divided by.
        std = np.where(std > 1e-12 * np.abs(mean), std, 1.0)
        return Scaler(mean[0], std[0]) if pooled else Scaler(mean, std)

    def apply(self, x: Array) -> Array:
        """float32, at most ±LARGEST_Z: a held-out value a million deviations away must not become infinite."""
        with np.errstate(over="ignore"):
            z = (x - self.mean.astype(x.dtype)) / self.std.astype(x.dtype)
        return np.ascontiguousarray(np.clip(z, -LARGEST_Z, LARGEST_Z, out=z), dtype=np.float32)

    def inverse(self, z: Array) -> Array:
        """Back to the units of the source, float64."""
        return z * self.std + self.mean


@dataclass(frozen=True, eq=False)
class Field:
    """One named thing that every example has: an input, or a target that the network is compared with.

    ``train`` and ``val`` are (example, *spec.shape), C-contiguous: float32, standardised by ``scaler``; or int64, each
    one of ``kinds`` numbers (classes, vocabulary) whose names are ``words``. Positions that hold the number ``ignore``
    (padding) do not count in losses and metrics. ``name`` is an identifier, by which Input and Output choose the
    field; ``label`` says it in the words of the source. ``metric`` ("accuracy", "iou", "r2") overrides what fits the
    shape.
    """

    name: str
    spec: TensorSpec
    train: Array
    val: Array
    kinds: int = 0
    words: tuple[str, ...] = ()
    scaler: Scaler | None = None
    ignore: int | None = None
    metric: str = ""
    label: str = ""

    @property
    def title(self) -> str:
        return self.label or self.name

    @property
    def task(self) -> Task:
        return "classification" if self.spec.dtype == "int64" else "regression"

    @property
    def score(self) -> str:
        """The metric of a network that predicts this field."""
        by_shape = "iou" if len(self.spec.shape) > 1 else "accuracy"
        return self.metric or (by_shape if self.task == "classification" else "r2")

    @property
    def answer(self) -> Shape:
        """What a network gives that predicts this field: as many numbers, or a score for each class: (K,) for one
        class, (T, K) for a class at each of T positions, (K, H, W) for one at each pixel."""
        shape = self.spec.shape
        if self.task == "regression":
            return shape or (1,)
        return (*shape, self.kinds) if len(shape) < 2 else (self.kinds, *shape)

    @property
    def simple(self) -> bool:
        """Numbers, or one class per example: what a network may give in any shape with as many entries."""
        return self.task == "regression" or (not self.spec.shape and self.ignore is None)

    @property
    def nbytes(self) -> int:
        return self.train.nbytes + self.val.nbytes


@dataclass(frozen=True)
class Baseline:
    """What needs no network: the ``score`` in the metric of the first target, and what one does for it, as it goes on
    after "no better than": "always naming the commonest class"."""

    score: float
    guess: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Arrays ready to train on; they are shared between callers, so do not write into them.

    ``inputs`` and ``targets`` (at least one of each) hold the same examples in the same order. ``features`` names the
    entries of the first input's last axis. ``baseline`` is of the first target.

    Most data sets have one input and one target; the properties are about the first of each. ``outputs`` is the
    number of classes (2 for a yes-or-no question) or of numbers to predict.
    """

    name: str
    kind: Kind
    inputs: tuple[Field, ...]
    targets: tuple[Field, ...]
    features: tuple[str, ...]
    baseline: Baseline
    missing: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def x_train(self) -> Array:
        return self.inputs[0].train

    @property
    def y_train(self) -> Array:
        return self.targets[0].train

    @property
    def x_val(self) -> Array:
        return self.inputs[0].val

    @property
    def y_val(self) -> Array:
        return self.targets[0].val

    @property
    def input(self) -> TensorSpec:
        return self.inputs[0].spec

    @property
    def outputs(self) -> int:
        return self.targets[0].kinds or math.prod(self.targets[0].answer)

    @property
    def task(self) -> Task:
        return self.targets[0].task

    @property
    def classes(self) -> tuple[str, ...]:
        return self.targets[0].words

    @property
    def target(self) -> str:
        return self.targets[0].title

    @property
    def scaler(self) -> Scaler:
        """Of the first input; of one that is not standardised (tokens) that which changes nothing."""
        return self.inputs[0].scaler or Scaler(np.zeros(1), np.ones(1))

    @property
    def target_scaler(self) -> Scaler | None:
        return self.targets[0].scaler

    @property
    def fields(self) -> dict[str, Field]:
        """By name: everything that an Output can be compared with."""
        return {f.name: f for f in (*self.targets, *self.inputs)}

    @property
    def n_train(self) -> int:
        return len(self.inputs[0].train)

    @property
    def n_val(self) -> int:
        return len(self.inputs[0].val)

    @property
    def nbytes(self) -> int:
        return sum(f.nbytes for f in (*self.inputs, *self.targets))


Load = Callable[[Options, int, Path | None], Dataset]


@dataclass(frozen=True)
class DatasetSpec:
    """All that the app knows of a data set before it is loaded.

    ``load(options, seed, folder)`` gets every option checked and filled in. ``seed`` draws the points of a
    generator and the split. ``folder`` is where an uploaded file lies; ``text_options`` are options whose
    values are words of that file (a column name), which only the loader can check. ``task``, ``input``
    (the first one), ``outputs`` and ``examples`` are None where they depend on the file or, for ``examples``, on an
    option; what else depends on an option is that of its default. ``group`` is the application, by which the sets
    are listed. ``fixed`` where the seed does not change which examples are held out: the end of a series, or what the
    source holds out.
    """

    name: str
    title: str
    about: str
    kind: Kind
    task: Task | None
    load: Load
    source: str
    options: tuple[Param, ...] = ()
    text_options: tuple[str, ...] = ()
    input: TensorSpec | None = None
    outputs: int | None = None
    examples: int | None = None
    group: Group = field(kw_only=True)
    fixed: bool = False
