"""Looks at a training for its breakpoints: after every step where one asks for that, else where a number comes up."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from builder.flatten import flatten
from engine.breakpoints import BY_LAYER, EVERY_STEP, Breakpoint
from engine.events import Event
from engine.replicas.group import Group, Trainer
from engine.within import Within

Values = Mapping[str, Sequence[float]]  # of one step
Found = tuple[float, str]  # a value, and its layer ("" where it is one of the whole network)


class Watched(Protocol):
    """One network in training, or one of several copies (see within.py)."""

    def watch(self, layers: bool) -> None: ...
    def values(self) -> Values: ...
    def rows(self, batch: int) -> list[int]: ...


class Guard:
    """Stops where a quantity *crosses* its value: after a stop it must have come back before it stops again.

    Of several copies the first that crosses it stops all, and each crosses by itself.
    """

    def __init__(self, training: Trainer) -> None:
        self.training = training
        self.watched: Sequence[Watched] = training.copies if isinstance(training, Group) else (Within(training),)
        self.names: Sequence[str] = training.names if isinstance(training, Group) else ("",)
        self.breakpoints: tuple[Breakpoint, ...] = ()
        self._crossed: set[tuple[Breakpoint, int]] = set()

    def set(self, breakpoints: tuple[Breakpoint, ...], crossed: Collection[str] = ()) -> None:
        """``crossed`` are the texts of those at which the run stands already."""
        self.breakpoints = breakpoints
        self._crossed = {(b, k) for b, k in self._crossed if b in breakpoints}
        self._crossed |= {(b, k) for b in breakpoints if str(b) in crossed for k in range(len(self.watched))}
        layers = any(b.quantity in BY_LAYER for b in breakpoints)
        for watched in self.watched:
            watched.watch(layers)

    def free(self, step: int) -> int:
        """How many steps after ``step`` may be done in one go."""
        if any(b.every_step for b in self.breakpoints):
            return 1
        ahead = [int(b.value) - step for b in self.breakpoints if b.quantity == "step" and b.value > step]
        return min(ahead, default=sys.maxsize)

    def look(self, events: Sequence[Event]) -> list[Event]:
        """The "hit" events of the breakpoints that the last step has crossed."""
        every = any(b.every_step for b in self.breakpoints)
        values = [watched.values() if every else {} for watched in self.watched]
        return [hit for point in self.breakpoints if (hit := self._crossing(point, values, events))]

    def _crossing(self, point: Breakpoint, values: Sequence[Values], events: Sequence[Event]) -> Event | None:
        hit = None
        for k, own in enumerate(values):
            found = list(self._values(point, k, own, events))
            met = [f for f in found if point.meets(f[0])]
            if met and (point, k) not in self._crossed and hit is None:
                hit = self._hit(point, k, *(min if point.sign == "<" else max)(met))
            if found:
                (self._crossed.add if met else self._crossed.discard)((point, k))
        return hit

    def _values(self, point: Breakpoint, copy: int, newest: Values, events: Sequence[Event]) -> Iterator[Found]:
        """The values of the quantity that are known now of one copy, each with its layer."""
        name = point.quantity
        if name == "step":
            yield float(self.training.step), ""
        elif name in EVERY_STEP:
            yield from ((value, "") for value in newest.get(name, ()))
        elif name in BY_LAYER:
            of_layers = zip(newest.get(name, ()), self.training.flat.layers, strict=False)
            yield from ((value, node) for value, node in of_layers if point.node in ("", node))
        else:
            for event in events:
                body = event.body if event.kind == "point" else {}
                known = body["copies"][name][copy] if "copies" in body else body.get(name)
                if known is not None:
                    yield float(known), ""

    def _hit(self, point: Breakpoint, copy: int, value: float, node: str) -> Event:
        step, several = self.training.step, len(self.watched) > 1
        layer = flatten(self.training.graph).by_id[node].label or node if node else ""
        body: dict[str, Any] = {
            "when": str(point),
            "says": point.says(step, value, layer, self.names[copy]),
            "value": value,
            "node": node or None,
            "rows": self.watched[copy].rows(-1),
        }
        return Event("hit", step, body | ({"copy": copy} if several and point.quantity != "step" else {}))


def rows_of(training: Trainer, batch: int) -> list[int]:
    """Of several copies those of the first (see Within.rows)."""
    return (training.first if isinstance(training, Group) else Within(training)).rows(batch)
