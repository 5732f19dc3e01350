"""One training step, parameter by parameter: what the norms of a "layers" event are the lengths of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]  # (P,), all parameters as engine/flat.py lays them out
PerLayer = NDArray[np.float64]  # (layer,)


@dataclass(frozen=True)
class Layout:
    """Which part of a vector (P,) belongs to which layer: ``starts`` (tensor,) where each tensor begins, ``layer_of``
    (tensor,) the place of its layer in ``layers`` (their ids). Penalties and decay act on ``[:decayed]``."""

    starts: NDArray[np.intp]
    layer_of: NDArray[np.intp]
    layers: tuple[str, ...]
    decayed: int

    def products(self, a: Vector, b: Vector) -> PerLayer:
        """Inner products of ``a`` and ``b`` layer by layer, in double precision."""
        if not self.layers:
            return np.zeros(0)
        parts = np.add.reduceat(np.multiply(a, b, dtype=np.float64), self.starts)
        return np.bincount(self.layer_of, weights=parts, minlength=len(self.layers)).astype(np.float64)

    def norms(self, vector: Vector) -> PerLayer:
        return np.sqrt(self.products(vector, vector))

    def parts(self, vector: Vector) -> list[Vector]:
        """The values of each layer, its tensors one after the other."""
        tensors = np.split(vector, self.starts[1:]) if self.layers else []
        return [
            np.concatenate([t for t, of in zip(tensors, self.layer_of, strict=True) if of == place])
            for place in range(len(self.layers))
        ]


@dataclass(frozen=True)
class Vectors:
    """``gradient`` is that of data loss plus penalties before clipping, taken at ``weights``; ``previous`` is that of
    the step before, as it was applied (after clipping); ``update`` is how the step moved the weights. ``l1`` and ``l2``
    are the strengths of the penalties, ``decay`` that of weight decay."""

    layout: Layout
    gradient: Vector
    previous: Vector
    weights: Vector
    update: Vector
    l1: float
    l2: float
    decay: float

    @cached_property
    def penalty(self) -> Vector:
        """∂/∂w of l1·Σ|w| + l2/2·Σw²: the part of the gradient that the penalties add."""
        w = self.weights[: self.layout.decayed]
        part = np.zeros_like(self.weights)
        part[: self.layout.decayed] = np.float32(self.l1) * np.sign(w) + np.float32(self.l2) * w
        return part

    @cached_property
    def data(self) -> Vector:
        """The gradient of the data loss alone: what is left of the gradient without the penalties."""
        return self.gradient - self.penalty

    @cached_property
    def decayed(self) -> Vector:
        """wd·w: weight decay moves the weights by −η times this, beside the gradient (Loshchilov & Hutter 2019)."""
        part = np.zeros_like(self.weights)
        part[: self.layout.decayed] = np.float32(self.decay) * self.weights[: self.layout.decayed]
        return part
