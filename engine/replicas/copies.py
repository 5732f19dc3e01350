"""One copy among several: told when to look and what to measure, with a random stream of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch

from builder.diagnostic import Diagnostic
from engine import device as devices
from engine.checkpoint import Checkpoint
from engine.events import Event, Kind
from engine.faults import RunFault
from engine.loop import Training
from engine.measuring import Measuring
from engine.pace import NOTHING
from engine.resume import restore
from engine.within import Within

Start = Callable[["Script"], Training]


class Copy(Protocol):
    """What begins sets it going, and ``end`` waits for what it says: so copies in processes of their own go at once."""

    fault: RunFault | None
    apart: bool  # in a process of its own

    @property
    def step(self) -> int: ...

    @property
    def over(self) -> bool: ...

    @property
    def used(self) -> float:
        """CPU-seconds of its process."""
        ...

    @property
    def spent(self) -> tuple[float, float]:
        """CPU-seconds of all that it has read off its steps, and studied, when it was asked for that."""
        ...

    @property
    def entries(self) -> Mapping[str, Sequence[float]]:
        """What it has spent on each thing that is looked at (see Ledger)."""
        ...

    def begin(self, step: int, looks: frozenset[str], readings: Sequence[Kind] = ()) -> None:
        """Trains up to ``step``, the last batch of which is looked at as ``looks`` says; where they have READINGS,
        for ``readings``."""
        ...

    def begin_piece(self, kind: Kind, anew: bool) -> None:
        """A piece of a study of the weights as they are when it begins ``anew``."""
        ...

    def end(self) -> tuple[Event, ...]: ...

    def watch(self, layers: bool) -> None:
        """For breakpoints, as ``values`` and ``rows`` are (see within.py)."""
        ...

    def values(self) -> Mapping[str, Sequence[float]]: ...

    def rows(self, batch: int) -> list[int]: ...

    def free(self) -> int:
        """How many batches may be trained in one go."""
        ...

    def set(self, name: str, value: object) -> Event | Diagnostic: ...

    def started(self) -> Event: ...

    def checkpoint(self) -> Checkpoint: ...

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes on from ``checkpoint``, or stays ended where it had ended before the others."""
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
        return self.step - step + 1

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
    bound: float = math.inf

    def done(self, steps: int, seconds: float) -> None:
        """The group keeps the time."""


class Led(Measuring):
    """Measures when a group says so, and counts what that costs."""

    def looks(self, looks: frozenset[str], now: float) -> frozenset[str]:
        return looks

    def piece(self, kind: Kind, anew: bool) -> tuple[Event | None, float]:
        event, cost = super().piece(kind, anew)
        self.for_studies.paid(0.0, cost)
        return event, cost


class Local:
    """A copy in this process. torch has one random stream per process; here it is changed over with each turn."""

    apart = False

    def __init__(self, start: Start) -> None:
        outside = torch.get_rng_state()
        self.script, self.ration = Script(), Ration()
        self.training = start(self.script)
        self.training.stride = self.ration  # type: ignore[assignment]
        report = self.training.report
        self.measuring = Led(self.training, report.ledger) if report.measuring else None
        report.measuring = self.measuring
        self._next: tuple[Kind, bool] | None = None  # the piece of a study that is to be done
        within = Within(self.training)
        self.watch, self.values, self.rows = within.watch, within.values, within.rows
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

    @property
    def used(self) -> float:
        return self.training.report.ledger.used

    @property
    def spent(self) -> tuple[float, float]:
        measuring = self.measuring
        return (measuring.for_readings.spent, measuring.for_studies.spent) if measuring else (0.0, 0.0)

    @property
    def entries(self) -> Mapping[str, Sequence[float]]:
        return self.training.report.ledger.entries

    def begin(self, step: int, looks: frozenset[str], readings: Sequence[Kind] = ()) -> None:
        self.script.step, self.script.looks = step, looks
        if self.measuring:
            self.measuring.asked = dict.fromkeys(readings, False)

    def begin_piece(self, kind: Kind, anew: bool) -> None:
        self._next = kind, anew

    def end(self) -> tuple[Event, ...]:
        found: list[Event] = []
        # A copy that ends before the others undoes what it set up for all (see devices.tuned).
        with devices.tuned(), devices.drawing_from(self.device, self._random):
            try:
                while self.step < self.script.step and not self.over:
                    self.ration.count = self.script.step - self.step
                    found += next(self._run)
                found += self._piece()
            except RunFault as fault:
                self.fault = fault
        return tuple(found)

    def _piece(self) -> tuple[Event, ...]:
        if self._next is None or self.measuring is None:
            return ()
        event, _ = self.measuring.piece(*self._next)
        self._next = None
        return (event,) if event else ()

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
        self.training.over = bool(checkpoint.meta.get("ended"))

    def best(self) -> Checkpoint | None:
        return self.training.best

    def close(self) -> None:
        """Nothing is open that would outlive it."""


def apart(checkpoint: Checkpoint) -> tuple[Checkpoint, ...]:
    """The state of each copy. Of several, ``meta`` has the step of all, and that of the first alone as "first"."""
    first = replace(checkpoint, meta={**checkpoint.meta, **checkpoint.meta.get("first", {})}, copies=())
    return (first, *checkpoint.copies)
