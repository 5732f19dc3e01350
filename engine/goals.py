"""What the Inputs and Outputs of a drawing mean with a data set: what goes in where, and what is compared with what.

No torch. A field that is asked for and not there is None here; checks.py says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder.catalog import BY_TYPE
from builder.graph import Graph
from builder.infer import Inference
from builder.spec import TensorSpec
from engine.data.spec import Dataset, Field, Task

KL = "kl"  # the loss that is compared with nothing
CLASS_LOSSES = ("cross_entropy", "bce")
AUTO: Mapping[Task, str] = {"classification": "cross_entropy", "regression": "mse"}


@dataclass(frozen=True, eq=False)
class Feed:
    """One Input: ``spec`` is what the drawing says of it, ``field`` what the data has, ``asked`` its name if one is."""

    node: str
    spec: TensorSpec
    field: Field | None
    asked: str = ""


@dataclass(frozen=True, eq=False)
class Goal:
    """One Output: ``result`` is what it gets, ``field`` what that is compared with, by ``loss`` ("kl" needs none)."""

    node: str
    result: TensorSpec
    field: Field | None
    loss: str
    weight: float = 1.0
    asked: str = ""


@dataclass(frozen=True, eq=False)
class Ends:
    """All Inputs and Outputs in drawing order, that of the tensors which the compiled module takes and gives."""

    data: Dataset
    feeds: tuple[Feed, ...]
    goals: tuple[Goal, ...]

    @property
    def several(self) -> bool:
        """Whether losses are added up, each with its weight."""
        return len(self.goals) > 1

    @property
    def first(self) -> Goal | None:
        """The one that speaks for all where there is one number to show: the first that has a target."""
        return next((g for g in self.goals if g.field), None)

    @property
    def open(self) -> tuple[Feed | Goal, ...]:
        """Those that the data has nothing for."""
        goals = (g for g in self.goals if g.field is None and g.loss != KL)
        return (*(f for f in self.feeds if f.field is None), *goals)

    @property
    def fields(self) -> dict[str, Field]:
        """Everything that is used of the data, by name, inputs first."""
        both: tuple[Feed | Goal, ...] = (*self.feeds, *self.goals)
        return {end.field.name: end.field for end in both if end.field}


def ends(inference: Inference, data: Dataset, loss: str = "auto") -> Ends:
    """The ends of a drawing without errors; ``loss`` is the setting of the run."""
    inputs, outputs = (_ends(inference.graph, found) for found in (inference.inputs, inference.outputs))
    feeds = [
        Feed(id, inference.inputs[id], _choose(p["field"], k, data.inputs, data.fields), p["field"])
        for k, (id, p) in enumerate(inputs)
    ]
    compared = [id for id, p in outputs if p["loss"] != KL]
    fields = {
        id: _choose(p["target"], compared.index(id), data.targets, data.fields) for id, p in outputs if id in compared
    }
    open_ = [f.task for id, p in outputs if p["loss"] == "auto" and (f := fields[id])]
    goals = []
    for id, p in outputs:
        field = fields.get(id)
        own = p["loss"] if p["loss"] != "auto" else _setting(loss, field.task if field else "regression", open_)
        goals.append(Goal(id, inference.outputs[id], field, own, p["weight"], p["target"]))
    return Ends(data, tuple(feeds), tuple(goals))


def _ends(graph: Graph, found: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
    """(id, complete params), in drawing order."""
    ids = set(found)
    return [(n.id, BY_TYPE[n.type].complete(n.params)) for n in graph.nodes if n.id in ids]


def _choose(asked: str, k: int, fields: Sequence[Field], known: Mapping[str, Field]) -> Field | None:
    """By name; or the ``k``-th, where none is given."""
    if asked:
        return known.get(asked)
    return fields[k] if k < len(fields) else None


def _setting(loss: str, task: Task, tasks: Sequence[Task]) -> str:
    """The setting of the run, where it fits; where it fits another Output only, what is usual for this one."""
    if loss != "auto" and (fits(loss, task) or not any(fits(loss, t) for t in tasks)):
        return loss
    return AUTO[task]


def fits(loss: str, task: Task) -> bool:
    return task == "classification" or loss not in CLASS_LOSSES
