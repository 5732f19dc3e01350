"""A drawing as the lines of its exported source, level by level: what classes.py makes classes of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder.block import BLOCK, entries, exits, inside, is_block, live_part, prefixes, used_ports
from builder.catalog import BY_TYPE
from builder.graph import Graph
from builder.infer import Inference
from builder.names import attributes
from builder.plan import Registers, known, step
from builder.sharing import owner
from builder.spec import FORWARD, Call, Expression, In, TensorSpec


@dataclass(frozen=True, eq=False)
class Line:
    """A layer or a block: ``registers[target] = forward(registers[sources])``.

    ``module`` makes the attribute ``name`` of a layer, ``times`` that of a block: what is in each of its repeats.
    ``defaults`` are those of the parameters of the layer, which ``module`` leaves out.
    """

    name: str
    type: str
    label: str
    forward: Expression
    sources: tuple[int, ...]
    target: int
    output: TensorSpec
    module: Call | None = None
    init: str = "pytorch"
    defaults: Mapping[str, Any] | None = None
    times: tuple[Body, ...] = ()

    @property
    def looped(self) -> bool:
        """Whether the repeats are written as a loop: each gets more than what the one before gave."""
        return len(self.times) > 1 and len(self.sources) > 1


@dataclass(frozen=True, eq=False)
class Body:
    """The whole network, or one repeat of a block. ``inputs`` fill the first registers, and ``given`` is what is drawn
    of each in words; ``outputs`` are registers."""

    title: str
    inputs: tuple[TensorSpec, ...]
    given: tuple[str, ...]
    lines: tuple[Line, ...]
    outputs: tuple[int, ...]

    @property
    def height(self) -> int:
        """How many blocks deep it is at its deepest."""
        return max((1 + body.height for line in self.lines for body in line.times), default=0)


def outline(found: Inference) -> Body:
    """The network of ``found``, which has no errors."""
    graph = found.graph
    return _body(found, "", graph, "", [n.id for n in entries(graph)])


def _body(found: Inference, title: str, graph: Graph, prefix: str, inputs: list[str]) -> Body:
    outputs = [n.id for n in exits(graph)]
    graph, live = live_part(graph, outputs)
    order = [id for id in graph.order() if id in live and id not in inputs]
    layers = [id for id in order if id not in outputs]
    names = attributes(dict.fromkeys(owner(graph, id) for id in layers))
    registers = Registers(graph, inputs, order)
    first = {owner(graph, id): id for id in reversed(layers)}
    lines = []
    for id in layers:
        if is_block(graph.by_id[id]):
            lines.append(_block(found, graph, id, prefix, names[id], registers))
        else:
            root = owner(graph, id)
            s = step(graph, id, found.nodes[prefix + id], names[root], registers, shared=first[root] != id)
            defaults = {p.name: p.default for p in BY_TYPE[graph.by_id[id].type].params}
            type_ = graph.by_id[id].type
            lines.append(
                Line(s.name, type_, s.label, s.forward, s.sources, s.target, s.output, s.module, s.init, defaults)
            )
    ends = tuple(registers.of[graph.inputs(id)[0].source] for id in outputs)
    shapes = tuple(known(found.nodes[prefix + id].output) for id in inputs)
    given = tuple(str(graph.by_id[id].params.get("field") or graph.by_id[id].label) for id in inputs)
    return Body(title, shapes, given, tuple(lines), ends)


def _block(found: Inference, live: Graph, id: str, prefix: str, name: str, registers: Registers) -> Line:
    node, edges = live.by_id[id], live.inputs(id)
    ports = used_ports(inside(node))
    title = node.label or node.id.rstrip("0123456789").rstrip("_") or BLOCK.type
    times = tuple(_body(found, title, inside(node), start, ports) for start in prefixes(node, prefix))
    sources = tuple(registers.of[e.source] for e in edges)
    looped = len(times) > 1 and len(edges) > 1
    target = registers.place(id, kept=len(edges) - 1 if looped else 0)
    forward = FORWARD if len(edges) == 1 else Call("self", tuple(In(i) for i in range(len(edges))))
    output = known(found.nodes[prefix + id].output)
    return Line(name, node.type, node.label, forward, sources, target, output, times=times)
