"""The reference: plain PyTorch, a batch at a time. Takes every network on every device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine import regularizers
from engine.lanes.lane import Lane
from engine.report import Tap

if TYPE_CHECKING:
    from engine.loop import Training


class Eager:
    name = "eager"

    def __init__(self, training: Training, reason: str, better: Callable[[], Lane | None] | None = None) -> None:
        self.training, self.reason, self.better = training, reason, better

    def reach(self, count: int) -> int:
        return 1

    def train(self, count: int, tap: Tap | None) -> None:
        """One step, from top to bottom. (Knobs are read afresh each time: a turned one is in effect from here on.)"""
        training = self.training
        knobs, gradient = training.tuning.values, training.flat.gradient
        if tap:
            training.report.begin()
        value = training.backward(tap)
        if tap:
            training.report.gradients()
        regularizers.clip(gradient, knobs)
        lr = training.lr(training.step)
        regularizers.decay(training.flat, lr, knobs)
        training.optimizer.step(gradient, lr, knobs["momentum"])
        training.step += 1
        training.report.batch(value)
