"""Training batches: data that stays on the device, drawn in an order that follows from (seed, epoch)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Batches:
    """An endless stream of batches from ``x`` (n, …) and ``y`` (n, …); each epoch is a fresh permutation.

    The last batch of an epoch is smaller when the sizes do not divide, so that every example is seen once per
    epoch; a lone last example joins the batch before it, since batch norm cannot normalise one example.
    The batch size may change at any batch: the order of the examples does not.
    """

    def __init__(self, x: Tensor, y: Tensor, seed: int) -> None:
        self.x, self.y, self.seed = x, y, seed
        self.epoch, self.position = 0, 0
        self._order = self._permutation()

    def next(self, size: int) -> tuple[Tensor, Tensor]:
        n = len(self._order)
        if self.position >= n:
            self.epoch, self.position = self.epoch + 1, 0
            self._order = self._permutation()
        stop = min(self.position + size, n)
        if n - stop == 1 and size > 1:
            stop = n
        rows = self._order[self.position : stop]
        self.position = stop
        return self.x.index_select(0, rows), self.y.index_select(0, rows)

    def _permutation(self) -> Tensor:
        # NumPy's generator takes the pair as its seed; drawing here leaves torch's stream to dropout and noise.
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.x))
        return torch.from_numpy(order).to(self.x.device)

    def state(self) -> dict[str, int]:
        return {"epoch": self.epoch, "position": self.position}

    def restore(self, state: dict[str, int]) -> None:
        self.epoch, self.position = state["epoch"], state["position"]
        self._order = self._permutation()


def resident(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """``array`` on ``device``; on the CPU without a copy."""
    return torch.from_numpy(array).to(device)
