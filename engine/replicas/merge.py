"""What the copies of a run say at one step, as one event: the middle copy's numbers, with all of them beside."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from engine.events import Event, Kind

Body = dict[str, Any]
Bodies = Sequence[Body | None]
DISTRIBUTIONS: tuple[Kind, ...] = ("hist", "grad_hist", "update_hist")  # node id → histogram


def merged(kind: Kind, step: int, bodies: Bodies) -> Event:
    """The event of all copies; ``bodies`` has one body per copy, None of a copy that no longer trains.

    Numbers become their median over the copies, lists and objects of numbers the median place by place; what is no
    number (a picture) is that of the first copy there is. ``copies`` has what each said, field by field:
    {"train_loss": [0.3, 0.2, None, …]}. A histogram has no middle: it is that of the first copy, with its ``copies``
    inside.
    """
    keys = dict.fromkeys(key for body in bodies if body is not None for key in body)
    copies = {key: [None if body is None else body.get(key) for body in bodies] for key in keys}
    if kind in DISTRIBUTIONS:
        return Event(kind, step, {node: {**_first(each), "copies": each} for node, each in copies.items()})
    return Event(kind, step, {key: middle(values) for key, values in copies.items()} | {"copies": copies})


def middle(values: Sequence[Any]) -> Any:
    """The median of what is there, in the shape that each value has. What all agree on stays as it is."""
    there = [v for v in values if v is not None]
    first = _first(there)
    if all(v == first for v in there):
        return first
    if all(isinstance(v, int | float) for v in there):
        return float(f"{statistics.median(there):.7g}")
    if all(isinstance(v, list) and len(v) == len(first) for v in there):
        return [middle(column) for column in zip(*there, strict=True)]
    if all(isinstance(v, dict) for v in there):
        return {key: middle([v.get(key) for v in there]) for key in first}
    return first


def _first(values: Sequence[Any]) -> Any:
    return next((v for v in values if v is not None), None)
