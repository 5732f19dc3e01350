"""Turns looks at a training into events: points, layers, histograms, boundary."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor

from engine.boundary import Boundary
from engine.evaluate import Evaluator, Score, finite
from engine.events import Event
from engine.observe import Observer
from engine.pace import INSIDE, Pace

Tap = Callable[[str, Tensor], None]
POINT = frozenset(("point", "evaluation"))


class Inside(Protocol):
    """Who sees a step from inside: what each node puts out, and the gradients before they are clipped."""

    def tap(self, node: str, output: Tensor) -> None: ...
    def gradients(self) -> None: ...


class Reporter:
    """Does what ``pace`` says is due and tells it the cost. Without an observer or a boundary those are left out."""

    def __init__(self, evaluator: Evaluator, pace: Pace, observer: Observer | None, boundary: Boundary | None) -> None:
        self.evaluator, self.pace, self.observer, self.boundary = evaluator, pace, observer, boundary
        self.losses, self.batches, self.since = 0.0, 0, 0.0  # of the batches since the last point
        self.newest = 0.0  # loss of the newest batch, or mean of those that were trained in one go
        self.guard: Inside | None = None  # sees every step, for the breakpoints of a run
        self._inside: tuple[Inside, ...] = ()  # who sees the step at hand

    def due(self, step: int, seconds: float) -> frozenset[str]:
        """What to look at in ``step``, which begins after ``seconds`` of training. The first step gets a point."""
        looks = self.pace.due(step, seconds)
        return looks | POINT if step == 1 else looks

    def free(self, step: int) -> int:
        """How many steps from ``step`` on are surely not looked at, apart from what a clock says."""
        return self.pace.free(step)

    def tap(self, looks: frozenset[str]) -> Tap | None:
        watching = self.observer if looks & INSIDE else None
        self._inside = tuple(w for w in (watching, self.guard) if w is not None)
        return self._inside[0].tap if self._inside else None

    def gradients(self) -> None:
        for inside in self._inside:
            inside.gradients()

    def batch(self, loss: float, count: int = 1) -> None:
        """``loss`` is the sum over ``count`` batches."""
        self.losses, self.batches, self.newest = self.losses + loss, self.batches + count, loss / max(count, 1)

    def events(self, step: int, looks: frozenset[str], lr: float, seconds: float, val: Score | None) -> list[Event]:
        """``seconds`` of training after ``step``; ``val`` is the score on the validation part, where it was taken."""
        found = []
        if looks & POINT:
            found.append(Event("point", step, self._point(lr, seconds, val)))
        if self.observer is not None and looks & INSIDE:
            bodies, costs = self.observer.bodies(looks)
            found += [Event(kind, step, body) for kind, body in bodies.items()]
            for kind, cost in costs.items():
                self.pace.paid(kind, seconds, cost)
        if self.boundary is not None and "boundary" in looks:
            began = time.process_time()
            body = self.boundary.body()
            found += [Event("boundary", step, body)] if body else []
            self.pace.paid("boundary", seconds, time.process_time() - began)
        return found

    def _point(self, lr: float, seconds: float, val: Score | None) -> dict[str, Any]:
        train = val and self.evaluator.on_training()
        if val:
            self.pace.paid("evaluation", seconds, self.evaluator.cost)
        self.pace.paid("point", seconds, 0.0)
        rate = self.batches / max(seconds - self.since, 1e-9)
        mean = self.losses / self.batches if self.batches else None
        self.losses, self.batches, self.since = 0.0, 0, seconds
        return {
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
