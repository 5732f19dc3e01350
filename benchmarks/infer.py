"""One edit of a drawing, in Python: shapes, counts and Diagnostics of 50 layers (python -m benchmarks.infer)."""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median

from builder.document import dumps, loads
from builder.graph import Edge, Graph, Node
from builder.infer import infer

LAYERS = 50
ROUNDS = 200


def drawing(layers: int) -> Graph:
    """A chain of Linear, BatchNorm1d, ReLU, Dropout between an Input and an Output."""
    types = [("Linear", "BatchNorm1d", "ReLU", "Dropout")[i % 4] for i in range(layers - 2)]
    nodes = [Node(f"n{i}", type_) for i, type_ in enumerate(["Input", *types, "Output"])]
    return Graph(tuple(nodes), tuple(Edge(a.id, b.id) for a, b in pairwise(nodes)))


def milliseconds(graphs: list[Graph]) -> float:
    """Median time of one inference, each of a graph that was not seen before."""
    times = []
    for graph in graphs:
        start = time.perf_counter()
        infer(graph)
        times.append(time.perf_counter() - start)
    return median(times) * 1e3


def main() -> None:
    graph = drawing(LAYERS)
    infer(graph)
    moved = [graph.move("n1", (float(i), 0.0)) for i in range(ROUNDS)]
    widened = [graph.set_params("n1", {"out_features": 100 + i}) for i in range(ROUNDS)]
    broken = [graph.set_params("n1", {"out_features": -i}) for i in range(ROUNDS)]
    text = dumps(graph)
    start = time.perf_counter()
    loads(text)
    loading = (time.perf_counter() - start) * 1e3
    print(f"{LAYERS} layers, median of {ROUNDS} edits, ms: moved {milliseconds(moved):.2f}, "
          f"first layer widened {milliseconds(widened):.2f}, first layer broken {milliseconds(broken):.2f}, "
          f"document read {loading:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
