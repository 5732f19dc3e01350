"""How good the network is now: losses and metrics on fixed examples, in evaluation mode, without a trace."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from engine.batches import resident
from engine.data.spec import Dataset
from engine.losses import Loss, align, prepare

CHUNK = 1024  # examples per forward pass: bounds memory


@dataclass(frozen=True)
class Score:
    """``loss`` is the data loss without smoothing and penalties; ``metric`` is accuracy or R². None if not finite."""

    loss: float | None
    metric: float | None


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Dropout off and batch norm on its running averages, no gradients; back to training mode afterwards."""
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train()


class Evaluator:
    """Scores the validation part, and a fixed random subset of the training part of the same size.

    ``cost`` is the CPU time in seconds that the latest score of each took together.
    """

    def __init__(self, model: nn.Module, loss: Loss, data: Dataset, seed: int, device: torch.device) -> None:
        self.model, self.loss, self.outputs = model, loss, data.outputs
        self.classes = data.task == "classification"
        rows = np.sort(np.random.default_rng([seed, 2**32 - 1]).permutation(data.n_train)[: data.n_val])
        self.train = resident(data.x_train[rows], device), resident(data.y_train[rows], device)
        self.val = resident(data.x_val, device), resident(data.y_val, device)

        self._costs = {"train": 0.0, "val": 0.0}

    @property
    def cost(self) -> float:
        return sum(self._costs.values())

    def on_training(self) -> Score:
        return self._score("train", *self.train)

    def on_validation(self) -> Score:
        return self._score("val", *self.val)

    def _score(self, part: str, x: Tensor, y: Tensor) -> Score:
        began = time.process_time()
        with evaluation_mode(self.model):
            output = align(torch.cat([self.model(some) for some in torch.split(x, CHUNK)]), self.outputs)
            loss = float(self.loss.compute(output, prepare(y, self.loss, self.outputs), 0.0))
            metric = accuracy(output, y) if self.classes else r2(output, y)
        self._costs[part] = time.process_time() - began
        return Score(finite(loss), finite(metric))


def accuracy(output: Tensor, labels: Tensor) -> float:
    """Share of the examples whose largest output is that of their class."""
    return float((output.argmax(1) == labels).double().mean())


def r2(output: Tensor, target: Tensor) -> float:
    """1 − Σ(y − ŷ)² / Σ(y − ȳ)², averaged over the targets: 1 is perfect, 0 is no better than the mean ȳ."""
    target = target.reshape(output.shape).double()
    residual = (target - output.double()).square().sum(0)
    total = (target - target.mean(0)).square().sum(0)
    return float((1 - residual / total).mean())


def finite(value: float) -> float | None:
    """``value`` to 7 significant digits, as JSON can hold it: None for NaN and infinity."""
    return float(f"{value:.7g}") if math.isfinite(value) else None
