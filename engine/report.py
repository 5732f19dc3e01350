"""Turns looks at a training into events: points, layers, histograms, boundary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from engine.boundary import Boundary
from engine.evaluate import Evaluator, Score, finite
from engine.events import Event
from engine.measuring import Measuring
from engine.observe import Observer, Output
from engine.pace import INSIDE, NOTHING, READINGS, Ledger, Pace, Toll

Tap = Callable[[str, Output], None]
POINT = frozenset(("point", "evaluation"))
WITHIN = INSIDE | {READINGS}
COSTS_SECONDS = 2.0  # between two tellings of what watching costs


class Inside(Protocol):
    """Who sees a step from inside: what each node puts out, and the gradients before they are clipped."""

    def tap(self, node: str, output: Any) -> None: ...
    def gradients(self) -> None: ...


class Reporter:
    """Does what ``pace`` says is due and tells it the cost. Without an observer or a boundary those are left out."""

    def __init__(self, evaluator: Evaluator, pace: Pace, observer: Observer | None, boundary: Boundary | None) -> None:
        self.evaluator, self.pace, self.observer, self.boundary = evaluator, pace, observer, boundary
        self.losses, self.batches, self.since = 0.0, 0, 0.0  # of the batches since the last point
        self.newest = 0.0  # loss of the newest batch, or mean of those that were trained in one go
        self.measuring: Measuring | None = None  # what is measured when it is asked for
        self.ledger = observer.ledger if observer else Ledger()
        self.possible = POINT | (WITHIN if observer else NOTHING) | ({"boundary"} if boundary else NOTHING)
        self._toll = Toll(self.ledger)
        self.told = 0.0  # when what watching costs was told
        self.guard: Inside | None = None  # sees every step, for the breakpoints of a run
        self._inside: tuple[Inside, ...] = ()  # who sees the step at hand
        self._looks = NOTHING  # for which it is looked into
        self._begun = False  # whether it has come to that

    def due(self, step: int, seconds: float) -> frozenset[str]:
        """What to look at in ``step``, the last of those trained in one go after ``seconds`` of training. The first
        step gets a point."""
        looks = self.pace.due(step, seconds)
        looks = looks | POINT if step == 1 else looks
        looks = (self.measuring.looks(looks, seconds) if self.measuring else looks) & self.possible
        self._toll.begin(looked_into=False)
        return looks

    def free(self, step: int) -> int:
        """How many steps from ``step`` on can be trained in one go: see pace.py."""
        return self.pace.free(step)

    def tap(self, looks: frozenset[str]) -> Tap | None:
        self._looks, self._begun = looks & WITHIN, False
        watching = self.observer if self._looks else None
        self._inside = tuple(w for w in (watching, self.guard) if w is not None)
        return self._inside[0].tap if self._inside else None

    def begin(self) -> None:
        """Now begins the step that is looked into."""
        self._begun = True
        if self.observer is not None and self._looks:
            self._toll.begin(looked_into=True)
            self.observer.before(self._looks)

    def gradients(self) -> None:
        for inside in self._inside:
            inside.gradients()

    def batch(self, loss: float, count: int = 1) -> None:
        """``loss`` is the sum over ``count`` batches."""
        self._toll.trained(count, self.observer.cost if self.observer else 0.0)
        self.losses, self.batches, self.newest = self.losses + loss, self.batches + count, loss / max(count, 1)

    def events(self, step: int, looks: frozenset[str], lr: float, seconds: float, val: Score | None) -> list[Event]:
        """``seconds`` of training after ``step``; ``val`` is the score on the validation part, where it was taken."""
        found = []
        if looks & POINT:
            found.append(Event("point", step, self._point(lr, seconds, val)))
        if self.observer is not None and looks & WITHIN and self._begun:
            found += self._inside_events(step, looks, seconds)
        if self.boundary is not None and "boundary" in looks:
            body, cost = self.ledger.timed("boundary", self.boundary.body)
            found += [Event("boundary", step, body)] if body else []
            self.pace.paid("boundary", seconds, cost)
        if self.measuring is not None and (self.measuring.changed or seconds - self.told >= COSTS_SECONDS):
            self.told = seconds
            found.append(Event("costs", step, self.measuring.costs()))
        return found

    def idle(self, seconds: float) -> None:
        """The run was held back for so long."""
        self.pace.idle(seconds)
        self.ledger.waited += seconds

    def recorded(self, seconds: float, cost: float) -> None:
        """To write down what was seen took ``cost`` CPU-seconds."""
        self.ledger.add("recording", cost)
        self.pace.paid("recording", seconds, cost)

    def between(self, seconds: float) -> tuple[Event, ...]:
        """What is measured beside the training, after a call to the lane."""
        return self.measuring.between(seconds) if self.measuring else ()

    def _inside_events(self, step: int, looks: frozenset[str], seconds: float) -> list[Event]:
        assert self.observer is not None
        bodies, costs = self.observer.bodies(looks, self.measuring.readings if self.measuring else ())
        costs[next(iter(costs))] += self._toll.cost
        for look, cost in costs.items():
            if look == READINGS and self.measuring is not None:
                self.measuring.for_readings.paid(seconds, cost)
            else:
                self.pace.paid(look, seconds, cost)
        for kind in bodies:
            if self.measuring is not None:
                self.measuring.read(kind)
        return [Event(kind, step, body) for kind, body in bodies.items()]

    def _point(self, lr: float, seconds: float, val: Score | None) -> dict[str, Any]:
        train = val and self.evaluator.on_training()
        if val:
            self.ledger.add("evaluation", self.evaluator.cost)
            self.pace.paid("evaluation", seconds, self.evaluator.cost)
        began = self.ledger.clock()
        rate = self.batches / max(seconds - self.since, 1e-9)
        mean = self.losses / self.batches if self.batches else None
        self.losses, self.batches, self.since = 0.0, 0, seconds
        body = {
            "train_loss": train and train.loss,
            "val_loss": val and val.loss,
            "batch_loss": None if mean is None else finite(mean),
            "train_metric": train and train.metric,
            "val_metric": val and val.metric,
            "gap": gap(train, val),
            "lr": lr,
            "steps_per_s": finite(rate),
            "seconds": round(seconds, 4),
            **_each(train, val),
        }
        cost = self.ledger.clock() - began
        self.ledger.add("point", cost)
        self.pace.paid("point", seconds, cost)
        return body


def _each(train: Score | None, val: Score | None) -> dict[str, Any]:
    """Losses and metrics of every Output, by id, where there are several."""
    if train is None or val is None or len(val.each) < 2:
        return {}
    names = ("train_loss", "train_metric", "val_loss", "val_metric")
    each = {id: dict(zip(names, (*train.each[id], *val.each[id]), strict=True)) for id in val.each}
    return {"outputs": each}


def gap(train: Score | None, val: Score | None) -> float | None:
    """Generalization gap: validation loss less training loss, both in evaluation mode."""
    if train is None or val is None or train.loss is None or val.loss is None:
        return None
    return finite(val.loss - train.loss)
