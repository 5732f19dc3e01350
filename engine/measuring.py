"""What is measured when it is asked for: readings of steps that are watched anyway, and studies beside the training.

The first result after each asking comes as fast as it can, a piece of work between two batches; from then on the
measurement is repeated within a budget (see agenda.py), until it is asked for no more. Nothing of it touches the
training.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from builder.compile import GraphModule
from builder.diagnostic import Diagnostic
from engine.agenda import Agenda
from engine.events import Event, Kind
from engine.pace import Ledger
from engine.quantities.studies import STUDIES
from engine.quantities.study import Material, Mirror, Study, Work

if TYPE_CHECKING:
    from engine.loop import Training


class Bench:
    """Where the studies of one training are done, a piece at a time. ``ledger`` takes down what each costs."""

    def __init__(self, training: Training, ledger: Ledger) -> None:
        self.training, self.ledger = training, ledger
        self.studies: dict[Kind, Study] = {kind.name: kind() for kind in STUDIES}
        self._mirror: Mirror | None = None
        self._work: Work | None = None

    def piece(self, kind: Kind, anew: bool) -> tuple[Event | None, float]:
        """One piece of the study that is under way, or of another that begins ``anew``: at the weights as they are
        now. The event with which it ends, and the CPU-seconds of the piece."""
        began = self.ledger.clock()
        event = self._piece(kind, anew)
        cost = self.ledger.clock() - began
        self.ledger.add(kind, cost, times=int(event is not None))
        return event, cost

    def _piece(self, kind: Kind, anew: bool) -> Event | None:
        try:
            if anew or self._work is None:
                self._work = self.studies[kind].study(self._frozen())
            next(self._work)
        except StopIteration as end:
            assert self._mirror is not None
            self._work = None
            return Event(kind, self._mirror.step, end.value)
        except Exception:  # whatever is wrong with a measurement, the run goes on
            self._work = None
            traceback.print_exc()  # into worker.log
            return Event("diagnostic", self.training.step, impossible(kind).to_json())
        return None

    def _frozen(self) -> Mirror:
        training = self.training
        if self._mirror is None:
            self._mirror = Mirror(training.model, material(training))
        knobs, lr = training.tuning.values, training.lr(training.step)
        self._mirror.freeze(training.model, training.step, knobs, lr, training.config.optimizer)
        return self._mirror


class Measuring(Agenda):
    """What one training is asked to measure."""

    def __init__(self, training: Training, ledger: Ledger) -> None:
        super().__init__(lambda: ledger.used)
        self.ledger, self.bench = ledger, Bench(training, ledger)

    def piece(self, kind: Kind, anew: bool) -> tuple[Event | None, float]:
        return self.bench.piece(kind, anew)

    def costs(self) -> dict[str, Any]:
        """The fields of a "costs" event."""
        self.changed = False
        return {**self.ledger.body(), "asked": sorted(self.asked)}


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
    )


def impossible(kind: Kind) -> Diagnostic:
    what = f"'{kind}' cannot be measured here: a layer of this network does not allow it, or memory is short."
    return Diagnostic("measure/impossible", what, "Training goes on; the other measurements are not affected.",
                      severity="warning")  # fmt: skip
