"""One copy among several: told when to look, with a random stream of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch

from builder.diagnostic import Diagnostic
from engine import device as devices
from engine.checkpoint import Checkpoint
from engine.events import Event
from engine.faults import RunFault
from engine.loop import Training
from engine.pace import NOTHING
from engine.resume import restore

Start = Callable[["Script"], Training]


class Copy(Protocol):
    """``begin`` sets it going and ``end`` waits for what it says: so copies in processes of their own go at once."""

    fault: RunFault | None

    @property
    def step(self) -> int: ...

    @property
    def over(self) -> bool: ...

    def begin(self, step: int, looks: frozenset[str]) -> None:
        """Trains up to ``step``, the last batch of which is looked at as ``looks`` says."""
        ...

    def end(self) -> tuple[Event, ...]: ...

    def free(self) -> int:
        """How many batches may be trained in one go."""
        ...

    def set(self, name: str, value: object) -> Event | Diagnostic: ...

    def started(self) -> Event: ...

    def checkpoint(self) -> Checkpoint: ...

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes on from ``checkpoint``."""
        ...

    def best(self) -> Checkpoint | None: ...

    def close(self) -> None: ...


@dataclass
class Script:
    """A Pace (see pace.py) that looks when it is told to."""

    step: int = 0
    looks: frozenset[str] = NOTHING
    costs: list[tuple[str, float]] = field(default_factory=list)

    def due(self, step: int, now: float) -> frozenset[str]:
        return self.looks if step == self.step else NOTHING

    def free(self, step: int) -> int:
        return self.step - step + (not self.looks)

    def paid(self, look: str, now: float, cost: float) -> None:
        self.costs.append((look, cost))

    def idle(self, seconds: float) -> None:
        """Who tells it when to look has taken that into account."""


@dataclass
class Ration:
    """A Stride (see lanes/stride.py) of exactly so many batches."""

    count: int = 1
    seconds: float = 0.0
    most: int = 1

    def done(self, steps: int, seconds: float) -> None:
        """The group keeps the time."""


class Local:
    """A copy in this process. torch has one random stream per process; here it is changed over with each turn."""

    def __init__(self, start: Start) -> None:
        outside = torch.get_rng_state()
        self.script, self.ration = Script(), Ration()
        self.training = start(self.script)
        self.training.stride = self.ration  # type: ignore[assignment]
        self.device = self.training.device
        self.fault: RunFault | None = None
        self._run = self.training.run()
        self._random = devices.generators(self.device)
        torch.set_rng_state(outside)

    @property
    def step(self) -> int:
        return self.training.step

    @property
    def over(self) -> bool:
        return self.training.over or self.fault is not None or self.step >= self.training.config.steps

    def begin(self, step: int, looks: frozenset[str]) -> None:
        self.script.step, self.script.looks = step, looks

    def end(self) -> tuple[Event, ...]:
        found: list[Event] = []
        # A copy that ends before the others undoes what it set up for all (see devices.tuned).
        with devices.tuned(), devices.drawing_from(self.device, self._random):
            try:
                while self.step < self.script.step and not self.over:
                    self.ration.count = self.script.step - self.step
                    found += next(self._run)
            except RunFault as fault:
                self.fault = fault
        return tuple(found)

    def free(self) -> int:
        return self.training.stopping.free(self.step)

    def set(self, name: str, value: object) -> Event | Diagnostic:
        return self.training.set(name, value)

    def started(self) -> Event:
        return self.training.started()

    def checkpoint(self) -> Checkpoint:
        with devices.drawing_from(self.device, self._random):
            return self.training.checkpoint()

    def restore(self, checkpoint: Checkpoint) -> None:
        with devices.drawing_from(self.device, self._random):
            restore(self.training, checkpoint)

    def best(self) -> Checkpoint | None:
        return self.training.best

    def close(self) -> None:
        """Nothing is open that would outlive it."""
