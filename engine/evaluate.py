"""How good the network is now: losses and metrics on fixed examples, in evaluation mode, without a trace."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.batches import resident
from engine.objective import Objective

CHUNK = 1024  # examples per forward pass: bounds memory


@dataclass(frozen=True)
class Score:
    """``loss`` is the data loss without smoothing and penalties, ``metric`` accuracy, IoU or R² of the first Output
    that has a target; ``each`` has both of every Output, by id. None if not finite, or where there is no metric."""

    loss: float | None
    metric: float | None
    each: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)


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

    ``knobs()`` are the knobs as they are now, for the weights of the terms. ``cost`` is the CPU time in seconds that
    the latest score of each part took together.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        knobs: Callable[[], Mapping[str, float]],
        rows: NDArray[np.int64],
        device: torch.device,
    ) -> None:
        """``rows`` are the training examples to score."""
        self.model, self.objective, self.knobs = model, objective, knobs
        train = {name: resident(f.train[rows], device) for name, f in objective.ends.fields.items()}
        val = {name: resident(f.val, device) for name, f in objective.ends.fields.items()}
        self.parts = {
            part: (objective.inputs(of), objective.targets(of)) for part, of in (("train", train), ("val", val))
        }
        self._costs = {"train": 0.0, "val": 0.0}

    @property
    def cost(self) -> float:
        return sum(self._costs.values())

    def on_training(self) -> Score:
        return self._score("train")

    def on_validation(self) -> Score:
        return self._score("val")

    def _score(self, part: str) -> Score:
        began, objective = time.process_time(), self.objective
        inputs, targets = self.parts[part]
        with evaluation_mode(self.model):
            outputs = self._outputs(inputs)
            compared = objective.spread(targets, outputs)
            found = [t.value(o, t.prepare(y), 0.0) for t, o, y in zip(objective.terms, outputs, compared, strict=True)]
            total = finite(float(objective.total(found, self.knobs())))
            metrics = [t.metric(o, y) for t, o, y in zip(objective.terms, outputs, compared, strict=True)]
        each = {
            t.node: (finite(float(loss)), None if m is None else finite(m))
            for t, loss, m in zip(objective.terms, found, metrics, strict=True)
        }
        self._costs[part] = time.process_time() - began
        return Score(total, each[objective.first.node][1], each)

    def _outputs(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What each Output gives for all examples, CHUNK at a time."""
        pieces = [self.model(*some) for some in zip(*(torch.split(x, CHUNK) for x in inputs), strict=True)]
        if isinstance(pieces[0], Tensor):
            return (torch.cat(pieces),)
        return tuple(torch.cat(each) for each in zip(*pieces, strict=True))


def subset(n: int, size: int, seed: int) -> NDArray[np.int64]:
    """Which of ``n`` training examples are scored: ``size`` of them, the same for the same seed."""
    return np.sort(np.random.default_rng([seed, 2**32 - 1]).permutation(n)[:size])


def finite(value: float) -> float | None:
    """``value`` to 7 significant digits, as JSON can hold it: None for NaN and infinity."""
    return float(f"{value:.7g}") if math.isfinite(value) else None
