"""What the copies of a run say at one step, as one event: the middle copy's numbers, with all of them beside."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from engine.events import Event, Kind

Body = dict[str, Any]
Bodies = Sequence[Body | None]


def merged(kind: Kind, step: int, bodies: Bodies) -> Event:
    """The event of all copies; ``bodies`` has one body per copy, None of a copy that no longer trains.

    Numbers become their median over the copies, lists of numbers the median place by place; what is no number (a
    picture) is that of the first copy there is. ``copies`` has what each said, field by field:
    {"train_loss": [0.3, 0.2, None, …]}. A histogram is that of the first copy, with its ``copies`` inside.
    """
    first = next(body for body in bodies if body is not None)
    copies = {key: [None if body is None else body.get(key) for body in bodies] for key in first}
    if kind == "hist":
        return Event(kind, step, {node: {**first[node], "copies": each} for node, each in copies.items()})
    return Event(kind, step, {key: middle(values) for key, values in copies.items()} | {"copies": copies})


def middle(values: Sequence[Any]) -> Any:
    """The median of what is there, in the shape that each value has."""
    there = [v for v in values if v is not None]
    if not there:
        return None
    if all(isinstance(v, int | float) for v in there):
        return float(f"{statistics.median(there):.7g}")
    if all(isinstance(v, list) and len(v) == len(there[0]) for v in there):
        return [middle(column) for column in zip(*there, strict=True)]
    return there[0]
