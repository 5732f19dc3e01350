"""What the engine reads off a drawn network: which nodes run, whose weights move, whose output is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from builder.catalog import BY_TYPE
from builder.flatten import flatten
from builder.graph import Graph
from builder.plan import plan
from builder.spec import TensorSpec
from engine.quantities.quantity import Measured

QUIET = ("Data", "Shape", "Regularisation")  # groups of layers that pass values on as they are


class Network:
    """A graph that compiles. Raises Refused otherwise. Dead ends do not count."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self._plan = flatten(graph), plan(graph)

    @cached_property
    def order(self) -> list[str]:
        """Every node that runs, in the order in which it does."""
        plan = self._plan
        return [id for id, _ in plan.inputs] + [s.node for s in plan.steps] + [id for id, _ in plan.outputs]

    @cached_property
    def nodes(self) -> dict[str, str]:
        """Attribute of the compiled module → id of the node it holds (the first, where several share it), in order."""
        return {step.name: step.node for step in self._plan.steps if not step.shared}

    @cached_property
    def dropouts(self) -> dict[str, str]:
        """Id of each node that runs and drops a share of values → attribute of the compiled module."""
        return {id: name for name, id in self.nodes.items() if BY_TYPE[self.graph.by_id[id].type].kind == "dropout"}

    @cached_property
    def measured(self) -> list[Measured]:
        """The nodes whose output is measured, in order."""
        found = []
        for step in self._plan.steps:
            spec = BY_TYPE[self.graph.by_id[step.node].type]
            if spec.group not in QUIET:
                found.append(Measured(step.node, spec.type, spec.kind, _unit_axis(step.output)))
        return found

    def layers(self, ids: Sequence[str], sizes: Sequence[int]) -> list[dict[str, Any]]:
        """The nodes with weights, as a "started" event lists them; ``sizes`` are their numbers of parameters."""
        nodes = [(self.graph.by_id[id], size) for id, size in zip(ids, sizes, strict=True)]
        return [{"id": n.id, "type": n.type, "label": n.label, "params": int(size)} for n, size in nodes]

    @cached_property
    def needs_pairs(self) -> str | None:
        """A batch norm with one value per channel and example, if any: in a batch of one nothing varies."""
        for step in self._plan.steps:
            type_ = self.graph.by_id[step.node].type
            if type_.startswith("BatchNorm") and step.output.numel == step.output.shape[0]:
                return step.node
        return None


def _unit_axis(output: TensorSpec) -> int:
    return 1 + output.axes.index("channel") if "channel" in output.axes else -1


def owner(parameter: str, nodes: Mapping[str, str]) -> str:
    """The node whose ``parameter`` it is: ``<attribute>.<torch name>``, where both may be paths."""
    path = parameter
    while path and path not in nodes:
        path = path.rpartition(".")[0]
    return nodes[path]
