"""When to look: by the wall clock and by what looking costs, so that watching takes a fixed share of training."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

Result = TypeVar("Result")

# What is looked at. "point" is the cheap report of the batch losses, "evaluation" the losses on fixed subsets.
NOTHING: frozenset[str] = frozenset()
EVERYTHING = frozenset(("point", "evaluation", "layers", "hist", "boundary"))
FIRST = ("point", "evaluation")
INSIDE = frozenset(("layers", "hist"))  # looks that happen within a step and slow it down
TICK_SECONDS = 0.1  # between two looks
WATCHING = 0.02  # of the CPU time, at most, goes into looking inside; as much again into the losses on fixed subsets
READINGS = "readings"  # likewise, of what is measured when it is asked for (see measuring.py)


class Pace(Protocol):
    """Decides, at every step, which looks are due; ``paid`` tells it what a look has cost, in CPU-seconds."""

    def due(self, step: int, now: float) -> frozenset[str]:
        """What to look at in ``step``, the last of those that are trained in one go from ``now`` on, the training time
        in seconds (pauses left out). It may come to an earlier one, where a loss beyond all bounds ends them."""
        ...

    def free(self, step: int) -> int:
        """How many steps, ``step`` the first, can be trained in one go: only the last of them may be looked at."""
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
        return now - self.last >= 1 / self.hz and self.cost <= self.room(used)

    def room(self, used: float) -> float:
        """CPU-seconds that may be spent now."""
        return self.share * (used + self.credit) - self.spent

    def paid(self, now: float, cost: float) -> None:
        """An expected cost sinks slowly after a dear look: one that was cheap by luck must not open the gate."""
        self.last, self.spent, self.cost = now, self.spent + cost, max(cost, 0.7 * self.cost)


@dataclass
class Ledger:
    """What watching has cost since ``began``, by what was measured: name → [CPU-seconds, how often]. ``waited`` are the
    seconds in which the run was held back."""

    clock: Callable[[], float] = time.process_time
    entries: dict[str, list[float]] = field(default_factory=dict)
    waited: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def used(self) -> float:
        """CPU-seconds of the whole run, and those in which it might have computed."""
        return self.clock() - self.began + self.waited

    def add(self, name: str, cost: float, times: int = 1) -> None:
        entry = self.entries.setdefault(name, [0.0, 0])
        entry[0], entry[1] = entry[0] + cost, entry[1] + times

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
        return {"used": round(self.used, 4), "spent": spent}


class Toll:
    """What it costs to look into a step beyond the looking itself: a lane that trains many in one go does this one
    alone, and shows what is in it. ``cost`` is that of such a step: its CPU-seconds, less those of others, on average.
    (Of a single long step they are mostly chance.)"""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._each: float | None = None  # of a step that is not looked into, as they were lately
        self._more: float | None = None  # of one that is looked into
        self._began = 0.0
        self._open = False
        self._timed = False  # whether steps that are not looked into were timed since the last that was

    @property
    def cost(self) -> float:
        return max(0.0, self._more or 0.0)

    def begin(self, looked_into: bool) -> None:
        """Before a step, or several that are not looked into: what others do in between is not their time."""
        self._open = looked_into
        if looked_into or not self._timed:  # once is enough: to ask for the time is not free
            self._began = self.ledger.clock()

    def trained(self, count: int, looking: float = 0.0) -> None:
        """After ``count`` steps; ``looking`` took so many CPU-seconds of them."""
        if self._timed and not self._open:
            return
        self._timed = not self._open
        each = (self.ledger.clock() - self._began - looking) / max(count, 1)
        if not self._open:
            self._each = each if self._each is None else 0.8 * self._each + 0.2 * each
            return
        if self._each is not None:
            more = each - self._each
            self._more = more if self._more is None else 0.9 * self._more + 0.1 * more
        self.ledger.add("interruption", self.cost)


class Governor:
    """Paces by the clock, and by what looks cost. Each kind has its own budget, and all but the evaluations one more
    together, which also pays for recording; the first of each is always due.

    Costs are CPU time: on a machine that others use too, a look that had to wait for them is not a dear one. Looks fall
    on common ticks, since each step that is looked at interrupts a lane that would train many in one go.

    Layers are never looked at in two steps in a row: where steps take longer than the gap between two looks,
    every step would be a watched one, and all time would go into watching.
    """

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self.clock, self.began = clock, clock()
        self.waited = 0.0
        self.budgets = {
            "point": Budget(math.inf, 0.005),
            # Who learns waits for these: large networks must show some early.
            "evaluation": Budget(math.inf, WATCHING, credit=15),
            "layers": Budget(math.inf, 0.016),
            "hist": Budget(2.1, 0.005),  # a little more, or it would miss every other of its ticks
            "boundary": Budget(3.5, 0.005),
        }
        self.together = Budget(math.inf, WATCHING)
        self.next = 0.0  # nothing is due before this time
        self.watched = -1  # the last step whose layers were looked at

    def due(self, step: int, now: float) -> frozenset[str]:
        if now < self.next:
            return NOTHING
        self.next = max(self.next + TICK_SECONDS, now + TICK_SECONDS / 2)
        used = self.clock() - self.began + self.waited
        found = self._affordable(now, used)
        if step == self.watched + 1:
            return found - INSIDE
        if found & INSIDE:
            self.watched = step
        return found

    def _affordable(self, now: float, used: float) -> frozenset[str]:
        room = self.together.room(used)
        found = set()
        # After the points what has waited longest, and what it lacks is saved up: else what is cheap took all forever.
        for look, budget in sorted(self.budgets.items(), key=lambda each: (each[0] not in FIRST, each[1].last)):
            if not budget.due(now, used):
                continue
            cost = 0.0 if look == "evaluation" else budget.cost
            if cost <= room or not cost:
                found.add(look)
            room -= cost
        return frozenset(found)

    def free(self, step: int) -> int:
        """A clock is not bound to steps; lanes see to it that a call is short."""
        return sys.maxsize

    def paid(self, look: str, now: float, cost: float) -> None:
        if look in self.budgets:
            self.budgets[look].paid(now, cost)
        if look != "evaluation":
            self.together.paid(now, cost)

    def idle(self, seconds: float) -> None:
        self.waited += seconds


@dataclass(frozen=True)
class EveryN:
    """Looks at everything in every ``n``-th step: for tests and benchmarks, which must not depend on a clock."""

    n: int

    def due(self, step: int, now: float) -> frozenset[str]:
        return EVERYTHING if step % self.n == 0 else NOTHING

    def free(self, step: int) -> int:
        return -step % self.n + 1

    def paid(self, look: str, now: float, cost: float) -> None:
        """Costs do not matter here."""

    def idle(self, seconds: float) -> None:
        """Nor does time."""
