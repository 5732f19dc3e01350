"""What is measured when it is asked for: readings of steps that are watched anyway, and studies beside the training.

The first result after each asking comes as fast as it can, a piece of work between two batches; from then on the
measurement is repeated within a budget, until it is asked for no more. Nothing of it touches the training.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from builder.compile import GraphModule
from builder.diagnostic import Diagnostic
from engine.events import MEASUREMENTS, Event, Kind
from engine.pace import INSIDE, READINGS, Budget, Ledger
from engine.quantities import READINGS as ALL_READINGS
from engine.quantities.quantity import Reading
from engine.quantities.studies import STUDIES
from engine.quantities.study import Material, Mirror, Study, Work

if TYPE_CHECKING:
    from engine.loop import Training

SHARE = 0.01  # of the CPU time for the readings that are asked for, and as much for the studies
HZ = 4  # readings per second at the most


class Measuring:
    """``ask`` for a measurement by the kind of its event. ``ledger`` takes down what each costs."""

    def __init__(self, training: Training, ledger: Ledger) -> None:
        self.training, self.ledger = training, ledger
        self.asked: dict[Kind, bool] = {}  # whether its first result is still to come
        self.changed = False  # since it was last told
        self.for_readings, self.for_studies = Budget(HZ, SHARE), Budget(math.inf, SHARE)
        self._studies: dict[Kind, Study] = {kind.name: kind() for kind in STUDIES}
        self._mirror: Mirror | None = None
        self._work: tuple[Kind, Work] | None = None
        self._turn: list[Kind] = []  # studies, the one that waits longest first

    def ask(self, name: str, on: bool = True) -> Diagnostic | None:
        kind = next((n for n in MEASUREMENTS if n == name), None)
        if kind is None:
            return unknown(name)
        self._drop(kind)
        self.changed = True
        if on:
            self.asked[kind] = True
            if kind in self._studies:
                self._turn.insert(0, kind)
        return None

    @property
    def readings(self) -> list[Reading]:
        return [reading for reading in ALL_READINGS if reading.name in self.asked]

    def looks(self, looks: frozenset[str], now: float) -> frozenset[str]:
        """``looks`` and, where a reading is due in this step too, READINGS."""
        wanted = self.readings if self.asked else []
        first = any(self.asked[reading.name] for reading in wanted)
        due = first or (wanted and looks & INSIDE and self.for_readings.due(now, self.ledger.used))
        return looks | {READINGS} if due else looks

    def read(self, kind: Kind) -> None:
        """Takes note that there is a result."""
        if kind in self.asked:
            self.asked[kind] = False

    def between(self, now: float) -> tuple[Event, ...]:
        """At most one piece of a study, after a call to the lane: what it found, once it is complete."""
        if not self._turn:
            return ()
        kind = self._work[0] if self._work else self._turn[0]
        if not self.asked[kind] and not self.for_studies.due(now, self.ledger.used):
            return ()
        began = self.ledger.clock()
        event = self._piece(kind)
        cost = self.ledger.clock() - began
        self.ledger.add(kind, cost, times=int(event is not None))
        self.for_studies.paid(now, cost)
        return (event,) if event else ()

    def costs(self) -> dict[str, Any]:
        """The fields of a "costs" event."""
        self.changed = False
        return {**self.ledger.body(), "asked": sorted(self.asked)}

    def complete(self, go_on: Callable[[], bool] = lambda: True) -> tuple[Event, ...]:
        """The first results of all studies, without training in between, as long as ``go_on`` says so: for a run that
        stands still."""
        found: list[Event] = []
        while go_on() and (first := next((kind for kind in self._turn if self.asked[kind]), None)):
            if self._work and self._work[0] != first:
                self._work = None  # begins again afterwards
            self._turn.remove(first)
            self._turn.insert(0, first)
            found += self.between(0.0)
        return tuple(found)

    def _piece(self, kind: Kind) -> Event | None:
        """Does one piece; gives the event with which the study ends."""
        try:
            if self._work is None:
                self._work = kind, self._studies[kind].study(self._frozen())
            next(self._work[1])
        except StopIteration as end:
            return self._done(kind, end.value)
        except Exception:  # whatever is wrong with a measurement, the run goes on
            self._drop(kind)
            traceback.print_exc()  # into worker.log
            return Event("diagnostic", self.training.step, impossible(kind).to_json())
        return None

    def _done(self, kind: Kind, body: dict[str, Any]) -> Event:
        assert self._mirror is not None
        self._work = None
        self._turn.remove(kind)
        self._turn.append(kind)
        self.asked[kind] = False
        return Event(kind, self._mirror.step, body)

    def _frozen(self) -> Mirror:
        training = self.training
        if self._mirror is None:
            self._mirror = Mirror(training.model, material(training))
        knobs, lr = training.tuning.values, training.lr(training.step)
        self._mirror.freeze(training.model, training.step, knobs, lr, training.config.optimizer)
        return self._mirror

    def _drop(self, kind: Kind) -> None:
        self.asked.pop(kind, None)
        if kind in self._turn:
            self._turn.remove(kind)
        if self._work and self._work[0] == kind:
            self._work = None


def material(training: Training) -> Material:
    batches, objective = training.batches, training.objective

    def loss(model: GraphModule, rows: Tensor, knobs: Mapping[str, float]) -> Tensor:
        inputs, targets = batches.at(rows)
        return objective.loss(model(*inputs), targets, knobs, 0.0)

    return Material(
        graph=training.graph,
        measured=tuple(node.id for node in training.network.measured),
        loss=loss,
        inputs=lambda rows: batches.at(rows)[0],
        examples=len(batches.x),
        device=training.device,
        seed=training.config.seed,
    )


def unknown(name: str) -> Diagnostic:
    return Diagnostic(
        "measure/unknown", f"There is no measurement called {name!r}.", f"Use one of {', '.join(MEASUREMENTS)}."
    )


def impossible(kind: Kind) -> Diagnostic:
    what = f"'{kind}' cannot be measured here: a layer of this network does not allow it, or memory is short."
    return Diagnostic("measure/impossible", what, "Training goes on; the other measurements are not affected.",
                      severity="warning")  # fmt: skip
