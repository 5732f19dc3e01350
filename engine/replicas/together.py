"""What several copies are asked to measure: of all of them at the same step, as one event (see merge.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from engine.agenda import Agenda
from engine.events import Event, Kind
from engine.replicas.copies import Copy
from engine.replicas.merge import merged
from engine.report import COSTS_SECONDS


class Together(Agenda):
    """The budget is that of one training: so many copies, so many times longer until a measurement comes round.

    ``step()`` is where the copies are. What they spend is counted in the process of each.
    """

    def __init__(self, copies: Sequence[Copy], step: Callable[[], int]) -> None:
        super().__init__(lambda: self.waited + used(self.copies))
        self.copies, self.step = copies, step
        self.waited = 0.0  # seconds in which the run was held back
        self._paid = 0.0  # of what the readings have cost
        self._told = 0.0  # when what watching costs was told
        self._found: dict[int, Event] = {}  # of the study under way

    def take(self, said: Sequence[tuple[Event, ...]], now: float) -> None:
        """Takes note of what the copies said of a step."""
        for event in chain.from_iterable(said):
            self.read(event.kind)
        spent = sum(copy.spent[0] for copy in self.copies)
        if spent > self._paid:
            self.for_readings.paid(now, spent - self._paid)
            self._paid = spent

    def piece(self, kind: Kind, anew: bool) -> tuple[Event | None, float]:
        """One piece of each copy that has not ended its study yet. One of which training ends meanwhile is left out."""
        self._found = {} if anew else self._found
        busy = {k: copy for k, copy in enumerate(self.copies) if not copy.over and k not in self._found}
        before = sum(copy.spent[1] for copy in self.copies)
        for copy in busy.values():
            copy.begin_piece(kind, anew)
        said = {k: event for k, copy in busy.items() for event in copy.end()}  # others compute while the first one does
        cost = sum(copy.spent[1] for copy in self.copies) - before
        self._found |= said
        problem = next((event for event in said.values() if event.kind != kind), None)
        if problem or any(k not in self._found and not copy.over for k, copy in busy.items()):
            return problem, cost
        if not self._found:  # no copy is left that could be studied
            self._drop(kind)
            return None, cost
        return self._all(kind), cost

    def _all(self, kind: Kind) -> Event:
        bodies = [self._found[k].body if k in self._found else None for k in range(len(self.copies))]
        return merged(kind, next(iter(self._found.values())).step, bodies)

    def due(self, now: float) -> tuple[Event, ...]:
        """From time to time, and at once where something else is asked for, what watching costs."""
        if not self.changed and now - self._told < COSTS_SECONDS:
            return ()
        self._told = now
        return (Event("costs", self.step(), self.costs()),)

    def costs(self) -> dict[str, Any]:
        """The fields of a "costs" event: CPU-seconds of all copies, and how often there was a result of all."""
        self.changed = False
        names = dict.fromkeys(chain.from_iterable(copy.entries for copy in self.copies))
        each = {name: [copy.entries[name] for copy in self.copies if name in copy.entries] for name in names}
        sums = {name: (sum(cost for cost, _ in all), max(times for _, times in all)) for name, all in each.items()}
        spent = {name: [round(cost, 6), int(times)] for name, (cost, times) in sums.items()}
        return {"used": round(self.used(), 4), "spent": spent, "asked": sorted(self.asked)}


def used(copies: Sequence[Copy]) -> float:
    """CPU-seconds of all processes: this one, in which one copy or all are, is counted once."""
    return max(copy.used for copy in copies if not copy.apart) + sum(copy.used for copy in copies if copy.apart)
