"""Sees every step of a training, for breakpoints: its loss, and on request how each layer fares in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from engine.loop import Training
from engine.moved import Moved

MOST_ROWS = 4096  # of the batch that is told


class Within:
    """``training.report`` hands it the gradients of a step before they are clipped, in every lane."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self._moved: Moved | None = None

    def watch(self, layers: bool) -> None:
        """Whether the layers are to be looked at in each step from here on."""
        self.training.report.guard = self if layers else None

    def tap(self, node: str, output: Tensor) -> None:
        """Nothing: that a tap is there has a lane hand over the gradients."""

    def gradients(self) -> None:
        self._moved = self._moved or Moved(self.training.flat)
        self._moved.begin()

    def values(self) -> Mapping[str, Sequence[float]]:
        """Of the newest step: "batch_loss" alone in its list and, where they were looked at, "grad_norm" and
        "update_ratio" (layer,). These are told once."""
        found = {"batch_loss": [self.training.report.newest]}
        lengths = self._moved.end() if self._moved else None
        if lengths is None:
            return found
        gradient, weights, update = lengths
        ratio = np.divide(update, weights, out=np.zeros_like(weights), where=weights > 0)
        return {**found, "grad_norm": gradient.tolist(), "update_ratio": ratio.tolist()}

    def rows(self, batch: int) -> list[int]:
        """The numbers of the training examples in batch ``batch`` of those that were drawn last, else in the newest."""
        rows, bounds = self.training.batches.given
        if len(bounds) < 2:  # nothing has been drawn yet
            return []
        place = batch if 0 <= batch < len(bounds) - 1 else len(bounds) - 2
        found: list[int] = rows[int(bounds[place]) : int(bounds[place + 1])].tolist()
        return found[:MOST_ROWS]
