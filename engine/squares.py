"""Sums of squares of many short stretches of memory: most of what is told of a step comes down to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Stretch = NDArray[Any]  # (n,), side by side in memory
BLOCK = 4096  # values whose squares are summed up in single precision: longer sums lose the sixth digit
LEAST = 1e-28  # a sum of BLOCK squares, a million times the smallest number of single precision


class Squares:
    """Σx² over each of ``groups`` of one stretch or more, as they are when it is asked for.

    Single precision takes a fraction of the time, and is exact to 1e-6 over a BLOCK; but squares vanish in it below
    1e-19, which is where gradients get interesting, and overflow beyond 1e19. Double precision takes over there.
    """

    def __init__(self, groups: Sequence[Sequence[Stretch]]) -> None:
        each = [[block for stretch in group for block in _blocks(stretch)] for group in groups]
        self._blocks = [block for blocks in each for block in blocks]
        self._starts = np.cumsum([0, *map(len, each)])[:-1]

    @np.errstate(over="ignore", invalid="ignore")
    def __call__(self) -> NDArray[np.float64]:
        """(group,)"""
        if not self._blocks:
            return np.zeros(0)
        sums = [s if LEAST < (s := float(b.dot(b))) < math.inf else _exact(b) for b in self._blocks]
        return np.add.reduceat(np.array(sums), self._starts)


def _blocks(stretch: Stretch) -> list[Stretch]:
    return np.split(stretch, range(BLOCK, stretch.size, BLOCK))


def _exact(block: Stretch) -> float:
    return float(np.square(block, dtype=np.float64).sum())
