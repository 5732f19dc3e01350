"""The best weights so far, and when to stop looking for better ones."""

from __future__ import annotations

import sys

from torch import Tensor, nn

from engine.checkpoint import is_finite, snapshot
from engine.config import TrainConfig


class EarlyStopping:
    """Keeps the weights of the lowest validation loss (Prechelt 1998).

    With early stopping on, only validations at fixed steps count, so that the run does not depend on the clock.
    """

    def __init__(self, model: nn.Module, config: TrainConfig) -> None:
        self.model = model
        self.on, self.patience = config.early_stopping, config.patience
        self.every = config.look_every
        self.loss: float | None = None
        self.step = 0
        self.weights: dict[str, Tensor] = {}

    def due(self, step: int) -> bool:
        return self.on and step % self.every == 0

    def free(self, step: int) -> int:
        """Steps after ``step`` up to the next one that is due, that one counted."""
        return self.every - step % self.every if self.on else sys.maxsize

    def record(self, step: int, loss: float | None) -> None:
        """Takes note of a validation loss after ``step`` steps; None, of a network that overflows, is never best."""
        if loss is None or (self.on and step % self.every) or (self.loss is not None and loss >= self.loss):
            return
        weights = snapshot(self.model)
        if is_finite(weights):
            self.loss, self.step, self.weights = loss, step, weights

    def exhausted(self, step: int) -> bool:
        return self.due(step) and step - self.step >= self.patience

    def put_back(self) -> None:
        self.model.load_state_dict(self.weights)
