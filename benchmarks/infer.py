"""One edit of a drawing, in Python: shapes, counts and Diagnostics (python -m benchmarks.infer).

Plain chains of 10, 50 and 200 layers, 200 layers of which most stand in blocks, and a block that repeats 40 times.
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from statistics import median

from builder.block import size
from builder.document import dumps, loads
from builder.edit import Edit, Inside, SetParams, apply
from builder.graph import Edge, Graph, Node
from builder.infer import infer

ROUNDS = 100
TYPES = ("Linear", "BatchNorm1d", "ReLU", "Dropout")


def drawing(layers: int) -> Graph:
    """A chain of Linear, BatchNorm1d, ReLU, Dropout between an Input and an Output."""
    types = [TYPES[i % 4] for i in range(layers - 2)]
    nodes = [Node(f"n{i}", type_) for i, type_ in enumerate(["Input", *types, "Output"])]
    return Graph(tuple(nodes), tuple(Edge(a.id, b.id) for a, b in pairwise(nodes)))


def in_blocks(blocks: int, layers: int, repeat: int = 1) -> Graph:
    """A chain of so many blocks, each of so many layers that repeat."""
    graph = drawing(blocks + 2)
    inner = drawing(layers + 2)
    nodes = [replace(n, type="Block", params={"repeat": repeat}, inner=inner) for n in graph.nodes[1:-1]]
    return replace(graph, nodes=(graph.nodes[0], *nodes, graph.nodes[-1]))


def milliseconds(graph: Graph, edit: Edit, wrong: Edit) -> str:
    """Median time of one inference after each of three edits; every graph is one that was not seen before."""
    said = []
    for name, of in (("moved", None), ("changed", edit), ("broken", wrong)):
        times = []
        for i in range(ROUNDS):
            once = graph.move("n1", (float(i), 0.0)) if of is None else apply(graph, [_numbered(of, i)])
            start = time.perf_counter()
            infer(loads(dumps(once)) if of is None else once)
            times.append(time.perf_counter() - start)
        said.append(f"{name} {median(times) * 1e3:.1f}")
    return ", ".join(said)


def _numbered(edit: Edit, i: int) -> Edit:
    """The ``i``-th edit of a kind."""
    if isinstance(edit, Inside):
        return Inside(edit.id, tuple(_numbered(e, i) for e in edit.edits))
    assert isinstance(edit, SetParams)
    return SetParams(edit.id, {k: v + i if v > 0 else v - i for k, v in edit.params.items()})


def main() -> None:
    wide, wrong = SetParams("n1", {"out_features": 100}), SetParams("n1", {"out_features": -1})
    within, bad = Inside("n1", (wide,)), Inside("n1", (wrong,))
    print(f"median of {ROUNDS} edits, ms (moved: with reading the document)")
    for layers in (10, 50, 200):
        print(f"{layers} layers: {milliseconds(drawing(layers), wide, wrong)}")
    for name, graph in (("10 blocks of 20", in_blocks(10, 20)), ("a block of 4, 40 times", in_blocks(1, 4, 40))):
        infer(graph)
        print(f"{size(graph)} layers, {name}: {milliseconds(graph, within, bad)}")


if __name__ == "__main__":
    main()
