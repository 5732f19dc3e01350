"""What a data set is: its description, and its arrays once loaded, split and standardised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from builder.spec import Param, TensorSpec

Array = NDArray[Any]
Task = Literal["classification", "regression"]
Kind = Literal["points2d", "curve", "table", "image", "series"]
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
class Dataset:
    """Arrays ready to train on, C-contiguous; they are shared between callers, so do not write into them.

    ``x_*`` (example, *input.shape) float32, standardised. ``y_*`` is (example,) int64 class numbers, or
    (example, target) float32, standardised by ``target_scaler``. ``outputs`` is the number of classes
    (2 for a yes-or-no question) or of targets. ``baseline`` is what needs no network: the accuracy of
    always saying the commonest class, or the R² of a constant (0) or of "next year is like this year".
    """

    name: str
    kind: Kind
    task: Task
    x_train: Array
    y_train: Array
    x_val: Array
    y_val: Array
    input: TensorSpec
    outputs: int
    features: tuple[str, ...]
    scaler: Scaler
    baseline: float
    classes: tuple[str, ...] = ()
    target: str = ""
    target_scaler: Scaler | None = None
    missing: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def n_train(self) -> int:
        return len(self.x_train)

    @property
    def n_val(self) -> int:
        return len(self.x_val)

    @property
    def nbytes(self) -> int:
        return sum(a.nbytes for a in (self.x_train, self.y_train, self.x_val, self.y_val))


@dataclass(frozen=True)
class DatasetSpec:
    """All that the app knows of a data set before it is loaded.

    ``load(options, seed, folder)`` gets every option checked and filled in. ``seed`` draws the points of a
    generator and the split. ``folder`` is where an uploaded file lies; ``text_options`` are options whose
    values are words of that file (a column name), which only the loader can check. ``task``, ``input``,
    ``outputs`` and ``examples`` are None where they depend on the file or, for ``examples``, on an option.
    """

    name: str
    title: str
    about: str
    kind: Kind
    task: Task | None
    load: Callable[[Options, int, Path | None], Dataset]
    source: str
    options: tuple[Param, ...] = ()
    text_options: tuple[str, ...] = ()
    input: TensorSpec | None = None
    outputs: int | None = None
    examples: int | None = None
