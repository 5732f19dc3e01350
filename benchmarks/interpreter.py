"""What the compiled drawing costs over nn.Sequential of the same layers (2-8-8-1, forward): ratio of CPU seconds.

Target: 1.10 or less.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from builder.compile import build, compile_graph
from builder.graph import Edge, Graph, Node
from builder.plan import plan

ROUNDS, REPEATS = 25, 500
LAYERS = (("Input", {"shape": (2,)}), ("Linear", {"out_features": 8}), ("Tanh", {}), ("Linear", {"out_features": 8}),
          ("Tanh", {}), ("Linear", {"out_features": 1}), ("Output", {}))  # fmt: skip


def cpu_seconds(net: Callable[[Tensor], Tensor], x: Tensor) -> float:
    start = time.process_time()
    for _ in range(REPEATS):
        net(x)
    return time.process_time() - start


def main() -> None:
    torch.set_num_threads(1)
    nodes = tuple(Node(f"n{i}", type_, params) for i, (type_, params) in enumerate(LAYERS))
    graph = Graph(nodes, tuple(Edge(a.id, b.id) for a, b in itertools.pairwise(nodes)))
    ours, plain = compile_graph(graph, seed=0), nn.Sequential(*(build(s.module) for s in plan(graph).steps if s.module))
    x = torch.randn(10, 2)
    ratios = sorted(cpu_seconds(ours, x) / cpu_seconds(plain, x) for _ in range(ROUNDS))
    print(f"compiled drawing / nn.Sequential: median {ratios[ROUNDS // 2]:.3f} [{ratios[0]:.3f} … {ratios[-1]:.3f}]")


if __name__ == "__main__":
    main()
