"""Training batches: data that stays on the device, drawn in an order that follows from (seed, epoch)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Batches:
    """An endless stream of batches from ``inputs`` and ``targets``, tensors (n, …) of the same examples; each epoch is
    a fresh permutation.

    The last batch of an epoch is smaller when the sizes do not divide, so that every example is seen once per
    epoch; a lone last example joins the batch before it, since batch norm cannot normalise one example.
    The batch size may change at any batch: the order of the examples does not.
    """

    def __init__(self, inputs: Sequence[Tensor], targets: Sequence[Tensor], seed: int) -> None:
        self.inputs, self.targets, self.seed = inputs, targets, seed
        different = list(
            {id(t): t for t in (*inputs, *targets)}.values()
        )  # what is a target and an input is taken once
        self._different = different
        self._places = [[i for t in some for i, d in enumerate(different) if d is t] for some in (inputs, targets)]
        self.n = len(inputs[0])
        self.epoch, self.position = 0, 0
        self._order = self._permutation()
        self.given = torch.zeros(0, dtype=torch.int64), np.zeros(1, np.int64)  # what ``rows`` gave last

    @property
    def x(self) -> Tensor:
        """What the first Input takes."""
        return self.inputs[0]

    @property
    def y(self) -> Tensor:
        """What the first Output that has a target is compared with."""
        return self.targets[0]

    def next(self, size: int) -> tuple[list[Tensor], list[Tensor]]:
        return self.at(self.rows(size, 1)[0])

    def at(self, rows: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Inputs and targets of the examples ``rows``."""
        taken = [t.index_select(0, rows) for t in self._different]
        inputs, targets = self._places
        return [taken[i] for i in inputs], [taken[i] for i in targets]

    def rows(self, size: int, count: int) -> tuple[Tensor, NDArray[np.int64]]:
        """Which examples make the next ``count`` batches: their numbers, end to end, and bounds (count + 1,):
        batch k has ``rows[bounds[k]:bounds[k + 1]]``."""
        parts: list[Tensor] = []
        bounds: list[NDArray[np.int64]] = []
        taken = 0
        while count:
            if self.position >= self.n:
                self.epoch, self.position = self.epoch + 1, 0
                self._order = self._permutation()
            here = _bounds(self.n - self.position, size, count)
            length = int(here[-1])
            parts.append(self._order[self.position : self.position + length])
            bounds.append(here[1:] + taken if bounds else here)
            taken, count, self.position = taken + length, count - len(here) + 1, self.position + length
        self.given = (parts[0], bounds[0]) if len(parts) == 1 else (torch.cat(parts), np.concatenate(bounds))
        return self.given

    def took(self, count: int) -> None:
        """Of the batches that ``rows`` gave last only the first ``count`` were taken, and training ends there."""
        rows, bounds = self.given
        self.given = rows[: int(bounds[count])], bounds[: count + 1]

    def _permutation(self) -> Tensor:
        # NumPy's generator takes the pair as its seed; drawing here leaves torch's stream to dropout and noise.
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n)
        return torch.from_numpy(order).to(self.x.device)

    def state(self) -> dict[str, int]:
        return {"epoch": self.epoch, "position": self.position}

    def restore(self, state: dict[str, int]) -> None:
        self.epoch, self.position = state["epoch"], state["position"]
        self._order = self._permutation()


@lru_cache(maxsize=64)  # of every epoch but the one at hand they are the same
def _bounds(left: int, size: int, count: int) -> NDArray[np.int64]:
    """Where each of the next batches begins, and the last ends: ``count``, or as many as ``left`` examples of this
    epoch make."""
    batches = -(-left // size)
    if batches > 1 and left % size == 1 < size:
        batches -= 1
    bounds = np.arange(min(count, batches) + 1, dtype=np.int64) * size
    if batches <= count:
        bounds[-1] = left
    bounds.flags.writeable = False
    return bounds


def resident(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """``array`` on ``device``; on the CPU without a copy."""
    return torch.from_numpy(array).to(device)
