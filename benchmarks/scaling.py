"""How the cost of a training step grows with the width, the depth, the batch and the number of examples.

A chain of dense layers with ReLU is trained on random numbers, one of the four sizes at a time from small to large, in
the reference lane and in the one that Layerloom chooses. The table gives training steps per CPU-second of the process,
one thread, the median of the turns; the arithmetic that is in them (2 floating-point operations per weight and example
forward, twice as many backward); and by which power the cost grows at the end of each row. It should be: width 2 (there
are width² weights), depth 1, batch 1, examples 0. The plot is one HTML file that needs no network.

    python -m benchmarks.scaling --plot scaling.html
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import math
import statistics
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from builder.graph import Edge, Graph, Node
from builder.spec import TensorSpec
from engine.config import DataRef, TrainConfig
from engine.data.spec import Baseline, Dataset, Field
from engine.lanes.lane import Wanted
from engine.loop import Training
from engine.worker import STRIDE_SECONDS

FEATURES, CLASSES = 32, 10
LANES: tuple[Wanted, ...] = ("eager", "auto")


@dataclass(frozen=True)
class Size:
    width: int = 64
    depth: int = 4
    batch: int = 32
    examples: int = 4096

    @property
    def operations(self) -> int:
        """Floating-point operations of a step: forward, and backward twice as much but for the first layer's inputs."""
        widths = [FEATURES, *[self.width] * self.depth, CLASSES]
        weights = [a * b for a, b in pairwise(widths)]
        return 2 * self.batch * (3 * sum(weights) - weights[0])


SWEEPS = {
    "width": (8, 16, 32, 64, 128, 256, 512, 1024),
    "depth": (1, 2, 4, 8, 16, 32, 64),
    "batch": (1, 4, 16, 64, 256, 1024, 4096),
    "examples": (128, 1024, 8192, 65_536, 524_288),
}
IDEAL = {"width": 2, "depth": 1, "batch": 1, "examples": 0}


def network(size: Size) -> Graph:
    hidden = [("Linear", {"out_features": size.width, "init": "kaiming_normal"}), ("ReLU", {})] * size.depth
    layers = [("Input", {"shape": (FEATURES,)}), *hidden, ("Linear", {"out_features": CLASSES}), ("Output", {})]
    nodes = tuple(Node(f"n{i}", type_, params) for i, (type_, params) in enumerate(layers))
    return Graph(nodes, tuple(Edge(a.id, b.id) for a, b in pairwise(nodes)))


def data(examples: int) -> Dataset:
    random = np.random.default_rng(0)
    x = random.standard_normal((examples, FEATURES), dtype=np.float32)
    y = random.integers(0, CLASSES, examples)
    given = Field("x", TensorSpec((FEATURES,)), x, x[:64])
    wanted = Field("y", TensorSpec((), "int64"), y, y[:64], kinds=CLASSES, words=tuple("0123456789"))
    return Dataset("numbers", "table", (given,), (wanted,), (), Baseline(1 / CLASSES, "guessing"))


def rate(size: Size, lane: Wanted, turns: int, seconds: float) -> float:
    """Training steps per CPU-second, the median of ``turns``."""
    knobs = {"lr": 1e-4, "batch_size": size.batch}
    config = TrainConfig(DataRef("numbers"), steps=10**9, optimizer="adam", knobs=knobs)
    training = Training(network(size), config, data(size.examples), lane=lane, watch=False)
    training.stride.seconds = STRIDE_SECONDS
    run, found = training.run(), []
    for turn in range(turns + 1):
        began, before = time.process_time(), training.step
        while (used := time.process_time() - began) < seconds or training.step == before:
            next(run)
        if turn:  # the first is for caches
            found.append((training.step - before) / used)
    return statistics.median(found)


def power(sizes: tuple[int, ...], rates: list[float]) -> float:
    """The slope of the cost against the size at the end, both as logarithms."""
    return -math.log(rates[-1] / rates[-2]) / math.log(sizes[-1] / sizes[-2])


def sweep(name: str, turns: int, seconds: float) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {lane: [] for lane in LANES}
    print(f"{name:>10}{'operations':>14}" + "".join(f"{lane:>12}{'GFLOP/s':>9}" for lane in LANES), flush=True)
    for value in SWEEPS[name]:
        size = replace(Size(), **{name: value})
        line = f"{value:10}{size.operations:14}"
        for lane in LANES:
            found[lane].append(rate(size, lane, turns, seconds))
            line += f"{found[lane][-1]:12.0f}{found[lane][-1] * size.operations / 1e9:9.2f}"
        print(line, flush=True)
    powers = ", ".join(f"{lane} {power(SWEEPS[name], found[lane]):.2f}" for lane in LANES)
    print(f"  cost grows at the end with the power: {powers} (ideal {IDEAL[name]})\n", flush=True)
    return found


def plot(results: dict[str, dict[str, list[float]]], path: Path) -> None:
    figure = make_subplots(2, 2, subplot_titles=list(results))
    colors = dict(zip(LANES, ("#7a7a7a", "#2563eb"), strict=True))
    for place, (name, found) in enumerate(results.items()):
        for lane, rates in found.items():
            trace = go.Scatter(x=SWEEPS[name], y=rates, name=f"{lane} lane", legendgroup=lane, showlegend=place == 0,
                               mode="lines+markers", line_color=colors[lane])  # fmt: skip
            figure.add_trace(trace, place // 2 + 1, place % 2 + 1)
    figure.update_xaxes(type="log")
    figure.update_yaxes(type="log")
    figure.update_yaxes(title="steps per CPU-second", col=1)
    figure.update_layout(title="Speed of training against the size of the task", template="plotly_white", height=800)
    figure.write_html(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SWEEPS, default=list(SWEEPS))
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="CPU-seconds of a turn")
    parser.add_argument("--plot", type=Path, help="the HTML file to write")
    args = parser.parse_args()
    results = {name: sweep(name, args.turns, args.seconds) for name in args.only}
    if args.plot:
        plot(results, args.plot)


if __name__ == "__main__":
    main()
