"""When to look: by the wall clock and by what looking costs, so that watching takes a fixed share of training."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

Result = TypeVar("Result")

# What is looked at. "point" is the cheap report of the batch losses, "evaluation" the losses on fixed subsets.
NOTHING: frozenset[str] = frozenset()
EVERYTHING = frozenset(("point", "evaluation", "layers", "hist", "boundary"))
INSIDE = frozenset(("layers", "hist"))  # looks that happen within a step and slow it down
READINGS = "readings"  # likewise, of what is measured when it is asked for (see measuring.py)


class Pace(Protocol):
    """Decides, at every step, which looks are due; ``paid`` tells it what a look has cost, in CPU-seconds."""

    def due(self, step: int, now: float) -> frozenset[str]:
        """``now`` is the training time in seconds (pauses left out)."""
        ...

    def free(self, step: int) -> int:
        """How many steps, ``step`` the first, need not be asked for: only asked right after ``due`` said nothing."""
        ...

    def paid(self, look: str, now: float, cost: float) -> None: ...

    def idle(self, seconds: float) -> None:
        """The run was held back for so long: time in which looking costs nobody anything."""
        ...


@dataclass
class Budget:
    """At most ``hz`` looks per second, and at most ``share`` of the CPU time so far spent on them.

    ``credit`` seconds of CPU time count as used from the start, so that the first looks need not wait for them.
    """

    hz: float
    share: float
    credit: float = 1.0
    last: float = float("-inf")
    spent: float = 0.0
    cost: float = 0.0  # of the next look, as expected

    def due(self, now: float, used: float) -> bool:
        return now - self.last >= 1 / self.hz and self.spent + self.cost <= self.share * (used + self.credit)

    def paid(self, now: float, cost: float) -> None:
        """An expected cost sinks slowly after a dear look: one that was cheap by luck must not open the gate."""
        self.last, self.spent, self.cost = now, self.spent + cost, max(cost, 0.7 * self.cost)


@dataclass
class Ledger:
    """What watching has cost since ``began``, by what was measured: name → [CPU-seconds, how often]."""

    clock: Callable[[], float] = time.process_time
    entries: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def add(self, name: str, cost: float) -> None:
        entry = self.entries.setdefault(name, [0.0, 0])
        entry[0], entry[1] = entry[0] + cost, entry[1] + 1

    def timed(self, name: str, measure: Callable[[], Result]) -> tuple[Result, float]:
        """What ``measure`` gives, and the CPU-seconds that it took, which are taken down."""
        began = self.clock()
        found = measure()
        cost = self.clock() - began
        self.add(name, cost)
        return found, cost

    def body(self) -> dict[str, object]:
        """The fields of a "costs" event but for what is asked for."""
        spent = {name: [round(seconds, 6), int(count)] for name, (seconds, count) in self.entries.items()}
        return {"used": round(self.clock() - self.began, 4), "spent": spent}


class Governor:
    """Paces by the clock, and by what looks cost. Each kind has its own budget; the first of each is always due.

    Costs are CPU time: on a machine that others use too, a look that had to wait for them is not a dear one.

    Layers are never looked at in two steps in a row: where steps take longer than the gap between two looks,
    every step would be a watched one, and all time would go into watching.
    """

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self.clock, self.began = clock, clock()
        self.waited = 0.0
        self.budgets = {
            "point": Budget(12.5, 0.01),
            # Who learns waits for these: large networks must show some early.
            "evaluation": Budget(12.5, 0.1, credit=10),
            "layers": Budget(10, 0.0125),
            "hist": Budget(2, 0.0075),
            "boundary": Budget(3, 0.02),
        }
        self.next = 0.0  # nothing is due before this time
        self.watched = -1  # the last step whose layers were looked at

    def due(self, step: int, now: float) -> frozenset[str]:
        if now < self.next:
            return NOTHING
        self.next = now + 0.005
        used = self.clock() - self.began + self.waited
        found = frozenset(look for look, budget in self.budgets.items() if budget.due(now, used))
        if step == self.watched + 1:
            return found - INSIDE
        if found & INSIDE:
            self.watched = step
        return found

    def free(self, step: int) -> int:
        """A clock is not bound to steps; lanes see to it that a call is short."""
        return sys.maxsize

    def paid(self, look: str, now: float, cost: float) -> None:
        self.budgets[look].paid(now, cost)

    def idle(self, seconds: float) -> None:
        self.waited += seconds


@dataclass(frozen=True)
class EveryN:
    """Looks at everything in every ``n``-th step: for tests and benchmarks, which must not depend on a clock."""

    n: int

    def due(self, step: int, now: float) -> frozenset[str]:
        return EVERYTHING if step % self.n == 0 else NOTHING

    def free(self, step: int) -> int:
        return -step % self.n

    def paid(self, look: str, now: float, cost: float) -> None:
        """Costs do not matter here."""

    def idle(self, seconds: float) -> None:
        """Nor does time."""
