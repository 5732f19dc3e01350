"""The distribution of a node's output."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.quantities.activations import NEEDS, activations
from engine.quantities.quantity import Quantity, Seen

BINS = 32


class ActivationHistogram(Quantity):
    """BINS equal bins from the smallest value to the largest, counted for all nodes in one pass.

    Two humps at the ends of a tanh say saturation; one spike at 0 of a ReLU says dead units.
    """

    name = "hist"
    needs = NEEDS
    cost = 3

    def measure(self, seen: Seen) -> list[dict[str, Any] | None]:
        """``{"lo", "hi", "counts"}`` per node; None where a value is not finite. Equal values all count in bin 0."""
        a = activations(seen)
        low, high = np.minimum.reduceat(a.values, a.starts), np.maximum.reduceat(a.values, a.starts)
        usable = np.isfinite(low) & np.isfinite(high)
        width = np.where(usable & (high > low), (high.astype(np.float64) - low) / BINS, np.inf)
        values = a.values if usable.all() else np.where(np.repeat(usable, a.counts), a.values, 0)
        index = (values - np.repeat(np.where(usable, low, 0), a.counts)) / np.repeat(width, a.counts)
        index = np.minimum(index, BINS - 1).astype(np.intp)  # the largest value belongs to the last bin
        index += np.repeat(np.arange(len(a.nodes)) * BINS, a.counts)
        counts = np.bincount(index, minlength=len(a.nodes) * BINS).reshape(-1, BINS)
        return [
            {"lo": float(f"{lo:.6g}"), "hi": float(f"{hi:.6g}"), "counts": row.tolist()} if ok else None
            for lo, hi, row, ok in zip(low, high, counts, usable, strict=True)
        ]
