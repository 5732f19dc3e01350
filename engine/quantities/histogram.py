"""Distributions: of what a node puts out, and of the gradient and the last step of each layer's weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.quantities.activations import NEEDS, activations
from engine.quantities.directions import vectors
from engine.quantities.quantity import SAMPLE, Array, Quantity, Reading, Seen, numbers
from engine.quantities.vectors import Layout, Vector

BINS = 32
Histogram = dict[str, Any]  # {"lo", "hi", "counts"}


class ActivationHistogram(Quantity):
    """BINS equal bins from the smallest value to the largest, counted for all nodes in one pass.

    Two humps at the ends of a tanh say saturation; one spike at 0 of a ReLU says dead units.
    """

    name = "hist"
    needs = NEEDS
    cost = 3

    def measure(self, seen: Seen) -> list[Histogram | None]:
        """One per node; None where a value is not finite."""
        a = activations(seen)
        return histograms(a.values, a.starts, a.counts, a.room.scratch)


class GradientHistogram(Reading):
    """The values of ∂L/∂w of each layer, before clipping. A lone value far out is what clipping by value is for."""

    name = "grad_hist"
    needs = frozenset({"vectors"})
    cost = 3

    def read(self, seen: Seen) -> dict[str, Any]:
        v = vectors(seen)
        return of_layers(v.layout, v.gradient)


class UpdateHistogram(Reading):
    """The values of Δw of each layer in this step. The same size everywhere is the mark of Adam's first steps."""

    name = "update_hist"
    needs = frozenset({"vectors"})
    cost = 3

    def read(self, seen: Seen) -> dict[str, Any]:
        v = vectors(seen)
        return of_layers(v.layout, v.update)


def of_layers(layout: Layout, vector: Vector) -> dict[str, Histogram]:
    """A histogram for each layer's part of ``vector`` (P,). Of a large layer every k-th value is counted."""
    parts = [part[:: -(-part.size // SAMPLE)] for part in layout.parts(vector)]
    if not parts:
        return {}
    counts = np.array([part.size for part in parts])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp)
    found = histograms(np.concatenate(parts), starts, counts)
    return {layer: h for layer, h in zip(layout.layers, found, strict=True) if h}


def histograms(
    values: Array, starts: NDArray[np.intp], counts: NDArray[np.intp], scratch: Array | None = None
) -> list[Histogram | None]:
    """One histogram for each part of ``values`` (n,): it begins at ``starts`` and has ``counts`` values. None where a
    value is not finite. Equal values all count in bin 0. ``scratch`` (n,) is overwritten."""
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    with np.errstate(over="ignore", invalid="ignore"):
        span = high - low
    usable = np.isfinite(span)
    if not usable.all():
        values = np.where(np.repeat(usable, counts), values, 0)
        low, span = np.where(usable, low, 0), np.where(usable, span, 0)
    share = np.subtract(values, np.repeat(low, counts), out=scratch)
    share /= np.repeat(np.where(span > 0, span, np.inf).astype(values.dtype), counts)
    share *= BINS
    index = np.minimum(share, BINS - 1, out=share).astype(np.int32)  # the largest value belongs to the last bin
    index += np.repeat(np.arange(len(counts), dtype=np.int32) * BINS, counts)
    found = np.bincount(index, minlength=len(counts) * BINS).reshape(-1, BINS)
    ends = zip(numbers(low), numbers(high), found.tolist(), usable, strict=True)
    return [{"lo": lo, "hi": hi, "counts": row} if ok else None for lo, hi, row, ok in ends]
