"""A network, its settings and its data, with what the rules of checks.py and fitting.py ask of them. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from builder.graph import Graph, Node
from builder.infer import Inference, NodeInfo, infer
from engine.config import TrainConfig
from engine.data import BY_NAME, Dataset
from engine.data.spec import Field
from engine.goals import Ends, Goal, ends


@dataclass(frozen=True, eq=False)
class Plan:
    graph: Graph
    config: TrainConfig
    data: Dataset

    @cached_property
    def inference(self) -> Inference:
        return infer(self.graph)

    @cached_property
    def ends(self) -> Ends:
        return ends(self.inference, self.data, self.config.loss)

    @property
    def predicted(self) -> list[Field]:
        """What the Outputs are compared with."""
        return [g.field for g in self.ends.goals if g.field]

    @property
    def title(self) -> str:
        return BY_NAME[self.data.name].title

    def asks(self, field: Field) -> str:
        """What ``field`` wants of a network, in words."""
        first = field is self.data.targets[0]
        whose = self.title if first else f"'{field.name}' of {self.title}"
        classes = several(field.kinds, "class")
        match field.task, len(field.spec.shape):
            case "classification", 0:
                return f"{whose} has {classes} and needs one number for each"
            case "classification", 1:
                places = several(field.spec.shape[0], "place")
                return f"{whose} has {classes} at each of {places} and needs {self.shape(field.answer)} numbers"
            case "classification", _:
                return f"{whose} has {classes} at each place and needs {self.shape(field.answer)} numbers"
            case _, rank if rank < 2:
                return f"{whose} has {several(self.numbers(field), 'number')} to predict"
        return f"{whose} has {self.shape(field.answer)} numbers to predict"

    def fits(self, goal: Goal, field: Field) -> bool:
        """Numbers may come in one row where the target has several axes."""
        row = field.task == "regression" and goal.result.shape == (self.numbers(field),)
        return row or goal.result.shape == field.answer

    def numbers(self, field: Field) -> int:
        return math.prod(field.answer)

    def shape(self, shape: tuple[int, ...]) -> str:
        return " × ".join(map(str, shape))

    def nodes(self, *types: str) -> list[Node]:
        """Layers outside of blocks, in topological order."""
        found = (self.graph.by_id[id] for id in self.inference.order if id in self.graph.by_id)
        return [n for n in found if n.type in types]

    def info(self, id: str) -> NodeInfo:
        return self.inference.nodes[id]

    def last(self, output: str, type_: str) -> str | None:
        """The layer of ``type_`` whose width is what ``output`` gets, with only layers that keep the shape behind."""
        for id in self._back(output):
            if self.graph.by_id[id].type == type_:
                return id
            info = self.info(id)
            if not info.inputs or info.output is None or info.output.shape != info.inputs[0].shape:
                return None
        return None

    def _back(self, id: str) -> Iterator[str]:
        """The nodes that lead to ``id``, as long as there is one way."""
        while len(edges := self.graph.inputs(id)) == 1:
            id = edges[0].source
            yield id


def several(n: int, noun: str) -> str:
    """ "1 number", "3 numbers", "2 classes"."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{n:,} {noun if n == 1 else plural}"
