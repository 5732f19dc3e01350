"""A graph as a list of steps over a few registers: what compile.py runs and source.py prints."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import networkx as nx

from builder.catalog import BY_TYPE
from builder.diagnostic import Refused
from builder.flatten import flatten
from builder.graph import Edge, Graph
from builder.infer import NodeInfo, infer
from builder.names import attributes
from builder.sharing import owner
from builder.spec import Call, Expression, TensorSpec


@dataclass(frozen=True)
class Step:
    """One layer: ``registers[target] = forward(registers[sources])``. ``name`` is its attribute of the module.

    ``node`` is its id in the flattened graph, and ``name`` the path of the submodule where it stands in a block.
    ``shared`` if the attribute is that of an earlier step, which has made the module.
    """

    node: str
    name: str
    label: str
    module: Call | None
    init: str
    forward: Expression
    sources: tuple[int, ...]
    target: int
    output: TensorSpec
    shared: bool = False


@dataclass(frozen=True)
class Plan:
    """``inputs`` fill the first registers in order; ``outputs`` are (node, register), both in drawing order."""

    inputs: tuple[tuple[str, TensorSpec], ...]
    steps: tuple[Step, ...]
    outputs: tuple[tuple[str, int], ...]
    registers: int


def plan(graph: Graph) -> Plan:
    """The steps that lead to an Output, dead ends left out, blocks written out. Raises Refused if it has errors."""
    inference = infer(graph)
    if inference.errors:
        raise Refused(*inference.errors)
    graph = flatten(graph)
    inputs = [n.id for n in graph.nodes if n.id in inference.inputs]
    outputs = [n.id for n in graph.nodes if n.id in inference.outputs]
    live = set(outputs).union(*(nx.ancestors(graph.nx, id) for id in outputs))
    order = [id for id in inference.order if id in live and id not in inference.inputs]
    inner = [id for id in order if id not in inference.outputs]
    names = attributes(dict.fromkeys(owner(graph, id) for id in inner))
    free = Registers(graph, inputs, order)
    first = {owner(graph, id): id for id in reversed(inner)}  # of the nodes with one set of weights
    steps = []
    for id in inner:
        root = owner(graph, id)
        steps.append(step(graph, id, inference.nodes[id], names[root], free, shared=first[root] != id))
    ends = tuple((id, free.of[graph.inputs(id)[0].source]) for id in outputs)
    return Plan(tuple((id, inference.inputs[id]) for id in inputs), tuple(steps), ends, free.count)


def step(graph: Graph, id: str, info: NodeInfo, name: str, registers: Registers, shared: bool) -> Step:
    """The step of layer ``id`` of ``graph``; call it in the order in which the layers run."""
    node = graph.by_id[id]
    spec = BY_TYPE[node.type]
    params = spec.complete(node.params)
    start = spec.complete(graph.by_id[owner(graph, id)].params).get("init", "pytorch")
    sources = tuple(registers.of[e.source] for e in graph.inputs(id))
    return Step(
        node=id,
        name=name,
        label=node.label,
        module=spec.module(params, info.inputs) if spec.module and not shared else None,
        init="pytorch" if shared else start,
        forward=spec.forward(params, info.inputs),
        sources=sources,
        target=registers.place(id),
        output=known(info.output),
        shared=shared,
    )


def known(output: TensorSpec | None) -> TensorSpec:
    assert output is not None, "a graph without errors has a shape everywhere"
    return output


class Registers:
    """Gives each tensor a register, and takes it back after the last reader: nothing is kept longer than needed."""

    def __init__(self, graph: Graph, inputs: list[str], order: list[str]) -> None:
        self.graph = graph
        self.readers = Counter(e.source for id in order for e in graph.inputs(id))
        self.of = {id: i for i, id in enumerate(inputs)}
        self.count = len(inputs)
        self.spare = [self.of[id] for id in inputs if not self.readers[id]]

    def place(self, id: str, kept: int = 0) -> int:
        """The lowest free register for the output of ``id``; its inputs are free if it is the last to read them.

        The last ``kept`` of them stay until after: a loop reads them again when it has written its output.
        """
        edges = self.graph.inputs(id)
        now = len(edges) - kept
        self._release(edges[:now])
        if not self.spare:
            self.spare.append(self.count)
            self.count += 1
        self.of[id] = min(self.spare)
        self.spare.remove(self.of[id])
        self._release(edges[now:])
        return self.of[id]

    def _release(self, edges: tuple[Edge, ...]) -> None:
        for edge in edges:
            self.readers[edge.source] -= 1
            if not self.readers[edge.source]:
                self.spare.append(self.of[edge.source])
