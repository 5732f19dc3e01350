"""What is asked for, and what of it is due: the first result of each as fast as it can come, then within a budget."""

from __future__ import annotations

import math
from collections.abc import Callable

from builder.diagnostic import Diagnostic
from engine.events import MEASUREMENTS, Event, Kind
from engine.pace import INSIDE, READINGS, Budget
from engine.quantities import READINGS as ALL_READINGS
from engine.quantities.quantity import Reading

SHARE = 0.01  # of the CPU time for the readings that are asked for, and as much for the studies
HZ = 4  # readings per second at the most
READ = frozenset(reading.name for reading in ALL_READINGS)  # all else is studied


class Agenda:
    """``ask`` for a measurement by the kind of its event. Who has an agenda says how a ``piece`` of a study is done.

    ``used()`` are the CPU-seconds so far, of which measuring may take its share.
    """

    def __init__(self, used: Callable[[], float]) -> None:
        self.used = used
        self.asked: dict[Kind, bool] = {}  # whether its first result is still to come
        self.changed = False  # since it was last told
        self.for_readings, self.for_studies = Budget(HZ, SHARE), Budget(math.inf, SHARE)
        self._turn: list[Kind] = []  # studies, the one that waits longest first
        self._under_way: Kind | None = None

    def ask(self, name: str, on: bool = True) -> Diagnostic | None:
        kind = next((n for n in MEASUREMENTS if n == name), None)
        if kind is None:
            return unknown(name)
        self._drop(kind)
        self.changed = True
        if on:
            self.asked[kind] = True
            if kind not in READ:
                self._turn.insert(0, kind)
        return None

    @property
    def readings(self) -> list[Reading]:
        return [reading for reading in ALL_READINGS if reading.name in self.asked]

    def looks(self, looks: frozenset[str], now: float) -> frozenset[str]:
        """``looks`` and, where a reading is due in this step too, READINGS."""
        wanted = self.readings if self.asked else []
        first = any(self.asked[reading.name] for reading in wanted)
        due = first or (wanted and looks & INSIDE and self.for_readings.due(now, self.used()))
        return looks | {READINGS} if due else looks

    def read(self, kind: Kind) -> None:
        """Takes note that there is a result."""
        if kind in self.asked:
            self.asked[kind] = False

    def between(self, now: float) -> tuple[Event, ...]:
        """At most one piece of a study, after a call to the lane: what it found, once it is complete."""
        if not self._turn:
            return ()
        kind = self._under_way or self._turn[0]
        if not self.asked[kind] and not self.for_studies.due(now, self.used()):
            return ()
        anew, self._under_way = self._under_way is None, kind
        event, cost = self.piece(kind, anew)
        self.for_studies.paid(now, cost)
        if event is None:
            return ()
        self._done(kind, event)
        return (event,)

    def complete(self, go_on: Callable[[], bool] = lambda: True) -> tuple[Event, ...]:
        """The first results of all studies, without training in between, as long as ``go_on`` says so: for a run that
        stands still."""
        found: list[Event] = []
        while go_on() and (first := next((kind for kind in self._turn if self.asked[kind]), None)):
            if self._under_way != first:
                self._under_way = None  # begins again afterwards
            self._turn.remove(first)
            self._turn.insert(0, first)
            found += self.between(0.0)
        return tuple(found)

    def piece(self, kind: Kind, anew: bool) -> tuple[Event | None, float]:
        """Does one piece of a study, the first of it where it begins ``anew``: the event with which it ends, and the
        CPU-seconds that the piece took."""
        raise NotImplementedError

    def _done(self, kind: Kind, event: Event) -> None:
        """The study has ended with its result, or with a diagnostic, and is then not tried again."""
        if event.kind != kind:
            return self._drop(kind)
        self._under_way = None
        self._turn.remove(kind)
        self._turn.append(kind)
        self.asked[kind] = False

    def _drop(self, kind: Kind) -> None:
        self.asked.pop(kind, None)
        if kind in self._turn:
            self._turn.remove(kind)
        if self._under_way == kind:
            self._under_way = None


def unknown(name: str) -> Diagnostic:
    return Diagnostic(
        "measure/unknown", f"There is no measurement called {name!r}.", f"Use one of {', '.join(MEASUREMENTS)}."
    )
