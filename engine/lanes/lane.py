"""What a lane is: one way to compute training steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from engine.report import Tap

Wanted = Literal["auto", "eager", "lean", "native"]


class Lane(Protocol):
    """``name`` and ``reason`` (plain words: why this lane runs) are shown beside the run.

    Weights, gradients, optimizer state, order of the batches and random streams belong to the Training and stay the
    same tensors whatever lane runs, so that one lane can take over from another between two batches.
    """

    name: str
    reason: str
    better: Callable[[], Lane | None] | None
    """Asked between batches: the lane that takes over from here, or None while it is not ready."""

    def reach(self, count: int) -> int:
        """How many of ``count`` batches it can train in one go, with the knobs as they are."""
        ...

    def train(self, count: int, tap: Tap | None) -> None:
        """Trains ``count`` batches, all within reach, and counts them in ``training``. With a ``tap`` the last is seen
        by it and by ``training.report``, which hears of its begin and of its gradients.

        Ends early with a batch whose loss is beyond ``training.stride.bound``. Raises RunFault before the first step
        whose loss or gradient is not finite.
        """
        ...
