"""Blocks: a node that holds a graph of its own. Its Inputs and Outputs are the ports of the block, in drawing order.

A block repeats ``repeat`` times, one after the other, each time with weights of its own: the first port takes what the
time before gave, all other ports get the same tensors every time (as the layers of a transformer decoder do).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import networkx as nx

from builder.diagnostic import Diagnostic
from builder.graph import Graph, Node
from builder.spec import Inputs, LayerSpec, Param, Params, Port, TensorSpec

MAX_DEPTH = 8  # blocks in blocks
MAX_LAYERS = 5_000  # of a network whose blocks are written out
REPEAT = Param(
    "repeat",
    "int",
    1,
    1,
    200,
    label="Repeats",
    help="How often the block stands one after the other, each time with weights of its own. The first input takes "
    "what the time before gave; further inputs are the same every time.",
    symbol="N",
)


def _unknown(_p: Params, _xs: Inputs) -> TensorSpec | Diagnostic:
    """A block is worked out by infer.py, from what is in it."""
    raise NotImplementedError


BLOCK = LayerSpec(
    "Block",
    "Blocks",
    "Layers that are grouped under one name. Open it to see and change what is inside; repeat it to stack it.",
    _unknown,
    params=(REPEAT,),
    ports=(),
    summary="× {repeat}",
    keywords="group repeat stack module nested",
    formula="f(f(…f(x)))",
    source="Goodfellow, Bengio & Courville (2016), Deep Learning, section 6.4",
)


def inside(node: Node) -> Graph:
    return node.inner or Graph()


def is_block(node: Node) -> bool:
    return node.type == BLOCK.type


def entries(graph: Graph) -> list[Node]:
    """The Inputs of ``graph``: as many ports has the block that holds it."""
    return [n for n in graph.nodes if n.type == "Input"]


def exits(graph: Graph) -> list[Node]:
    return [n for n in graph.nodes if n.type == "Output"]


def spec_of(node: Node, catalog: Mapping[str, LayerSpec]) -> LayerSpec | None:
    """The LayerSpec of ``node``; that of a block has the ports of this block. None if there is no such type.

    A block without an Input still takes one connection, which is right as soon as it has one.
    """
    if not is_block(node):
        return catalog.get(node.type)
    return replace(BLOCK, ports=tuple(Port(n.label or n.id) for n in entries(inside(node))) or (Port("input"),))


def times(node: Node) -> int:
    """How often a block repeats; once where the parameter is wrong, which infer.py says."""
    value = REPEAT.coerce(node.params.get(REPEAT.name, REPEAT.default))
    return 1 if REPEAT.check(value) else int(value)


def size(graph: Graph) -> int:
    """How many nodes ``graph`` has when its blocks are written out, without doing so."""
    return sum(times(n) * size(inside(n)) if is_block(n) else 1 for n in graph.nodes)


def live_part(graph: Graph, outputs: list[str]) -> tuple[Graph, set[str]]:
    """``graph`` without connections to ports that are not used in their block, and what then leads to ``outputs``."""
    unused = {(n.id, i) for n in graph.nodes if is_block(n) for i in _unused(n)}
    kept = Graph(graph.nodes, tuple(e for e in graph.edges if (e.target, e.port) not in unused))
    return kept, set(outputs).union(*(nx.ancestors(kept.nx, id) for id in outputs))


def used_ports(inner: Graph) -> list[str]:
    """The Inputs of a block from which a way leads to its Output, also through the blocks within."""
    _, live = live_part(inner, [n.id for n in exits(inner)])
    return [n.id for n in entries(inner) if n.id in live]


def _unused(block: Node) -> list[int]:
    used = used_ports(inside(block))
    return [i for i, n in enumerate(entries(inside(block))) if n.id not in used]


def prefixes(node: Node, before: str = "") -> list[str]:
    """How the ids of what is in a block begin, for each time that it repeats: ``res_1.``, or ``res_1.0.``, …"""
    n = times(node)
    return [f"{before}{node.id}."] if n == 1 else [f"{before}{node.id}.{k}." for k in range(n)]


def drawn(id: str) -> str:
    """Where a node of the flattened graph is drawn: ``res_1.0.conv_1`` in block ``res_1`` as ``conv_1``."""
    return ".".join(part for part in id.split(".") if not part.isdigit())


def at(graph: Graph, path: str) -> Graph:
    """The graph in the block ``path`` (``"res_1.squeeze"``; "" is ``graph``). Raises KeyError if there is none."""
    for id in filter(None, path.split(".")):
        graph = inside(graph.by_id[id])
    return graph
