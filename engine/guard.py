"""Looks at a training for its breakpoints: after every step where one asks for that, else where a number comes up."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from builder.flatten import flatten
from engine.breakpoints import BY_LAYER, Breakpoint
from engine.events import Event
from engine.replicas.group import Trainer

MOST_ROWS = 4096  # of the batch that is told


class Guard:
    """Stops where a quantity *crosses* its value: after a stop it must have come back before it stops again.

    ``training.report`` hands it the gradients of a step before they are clipped, in every lane.
    """

    def __init__(self, training: Trainer) -> None:
        self.training = training
        self.breakpoints: tuple[Breakpoint, ...] = ()
        self._crossed: set[Breakpoint] = set()
        self._gradient: NDArray[np.float64] | None = None
        self._before: Tensor | None = None

    def set(self, breakpoints: tuple[Breakpoint, ...], crossed: Collection[str] = ()) -> None:
        """``crossed`` are the texts of those at which the run stands already."""
        self.breakpoints = breakpoints
        self._crossed &= set(breakpoints)
        self._crossed |= {b for b in breakpoints if str(b) in crossed}
        inside = any(b.quantity in BY_LAYER for b in breakpoints)
        self.training.report.guard = self if inside else None

    def free(self, step: int) -> int:
        """How many steps after ``step`` may be done in one go."""
        if any(b.every_step for b in self.breakpoints):
            return 1
        ahead = [int(b.value) - step for b in self.breakpoints if b.quantity == "step" and b.value > step]
        return min(ahead, default=sys.maxsize)

    def tap(self, node: str, output: Tensor) -> None:
        """Nothing: that a tap is there has a lane hand over the gradients."""

    def gradients(self) -> None:
        flat = self.training.flat
        self._gradient, self._before = flat.norms(flat.gradient), flat.weights.clone()

    def look(self, events: Sequence[Event]) -> list[Event]:
        """The "hit" events of the breakpoints that the last step has crossed."""
        hits = []
        for point in self.breakpoints:
            found = [(value, node) for value, node in self._values(point, events)]
            met = [f for f in found if point.meets(f[0])]
            if met and point not in self._crossed:
                hits.append(self._hit(point, *(min if point.sign == "<" else max)(met)))
            if found:
                (self._crossed.add if met else self._crossed.discard)(point)
        self._gradient = self._before = None
        return hits

    def _values(self, point: Breakpoint, events: Sequence[Event]) -> Iterator[tuple[float, str]]:
        """The values of the quantity that are known now, each with its layer."""
        training, name = self.training, point.quantity
        if name == "step":
            yield float(training.step), ""
        elif name == "batch_loss":
            yield training.report.newest, ""
        elif name in BY_LAYER:
            for value, node in zip(self._of_layers(name), training.flat.layers, strict=False):
                if point.node in ("", node):
                    yield float(value), node
        else:
            for event in events:
                if event.kind == "point" and (known := event.body.get(name)) is not None:
                    yield float(known), ""

    def _of_layers(self, name: str) -> NDArray[np.float64]:
        if self._gradient is None or self._before is None:
            return np.zeros(0)
        if name == "grad_norm":
            return self._gradient
        flat = self.training.flat
        weights = flat.norms(self._before)
        update = flat.norms(flat.weights - self._before)
        return np.divide(update, weights, out=np.zeros_like(weights), where=weights > 0)

    def _hit(self, point: Breakpoint, value: float, node: str) -> Event:
        training = self.training
        layer = flatten(training.graph).by_id[node].label or node if node else ""
        body: dict[str, Any] = {
            "when": str(point),
            "says": point.says(training.step, value, layer),
            "value": value,
            "node": node or None,
            "rows": rows_of(training, -1),
        }
        return Event("hit", training.step, body)


def rows_of(training: Trainer, batch: int) -> list[int]:
    """The numbers of the training examples in batch ``batch`` of those that were drawn last, else in the newest."""
    rows, bounds = training.batches.given
    if len(bounds) < 2:  # nothing has been drawn yet
        return []
    place = batch if 0 <= batch < len(bounds) - 1 else len(bounds) - 2
    found: list[int] = rows[int(bounds[place]) : int(bounds[place + 1])].tolist()
    return found[:MOST_ROWS]
