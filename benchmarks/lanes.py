"""The kernel against PyTorch for networks that both can train: every template, and layers of many sizes, by which
engine/lanes/native/worth.py decides.

Both train the same network unwatched in this process, in turns, on one thread; a ratio is formed within each round.
Usage: `python -m benchmarks.lanes [ROUNDS] [CPU-SECONDS per turn]`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks.engine_speed import chain, spread
from benchmarks.replicas import rate
from builder import templates
from builder.graph import Graph
from engine.config import DataRef, TrainConfig
from engine.data import load
from engine.lanes.lane import Wanted
from engine.lanes.native.layout import Unfit
from engine.loop import Training
from engine.worker import STRIDE_SECONDS

WARM = 0.5  # CPU-seconds before the clock starts
MEMORIES = (32, 128, 256, 512, 1024)
CHANNELS = (16, 32, 64, 128, 256)


def networks() -> Iterator[tuple[str, Graph, TrainConfig]]:
    for template in templates.TEMPLATES:
        data = DataRef(template.dataset, template.options)
        yield template.name, templates.load(template.name), TrainConfig(data, knobs=template.knobs, **template.settings)
    for type_ in ("RNN", "LSTM", "GRU"):
        for size in MEMORIES:
            memory = (type_, {"hidden_size": size})
            net = chain(("Input", {"shape": (24, 1)}), memory, ("Linear", {"out_features": 1}), ("Output", {}))
            yield f"{type_} of {size}", net, TrainConfig(DataRef("sunspots"), knobs={"batch_size": 32, "lr": 1e-4})
    for norms in ([], [("BatchNorm2d", {})]):
        for channels in CHANNELS:
            conv = ("Conv2d", {"out_channels": channels, "kernel_size": 3, "padding": 1})
            ends = ("Flatten", {}), ("Linear", {"out_features": 10}), ("Output", {})
            net = chain(("Input", {"shape": (1, 8, 8)}), *3 * [conv, *norms, ("ReLU", {})], *ends)
            name = f"3 convolutions of {channels}{' with batch norm' if norms else ''}"
            yield name, net, TrainConfig(DataRef("digits"), knobs={"batch_size": 64, "lr": 1e-3})


def training(graph: Graph, config: TrainConfig, lane: Wanted) -> Training:
    made = Training(graph, replace(config, steps=10**9), load(config.data, config.seed), watch=False, lane=lane)
    made.stride.seconds = STRIDE_SECONDS
    return made


def compare(name: str, graph: Graph, config: TrainConfig, rounds: int, seconds: float) -> None:
    chosen = training(graph, config, "auto").lane
    try:
        native = training(graph, config, "native")
    except Unfit as unfit:
        print(f"{name}: not in the kernel. {unfit}", flush=True)
        return
    eager = training(graph, config, "eager")
    runs = {t: t.run() for t in (eager, native)}

    def advance(t: Training) -> int:
        before = t.step
        next(runs[t])
        return t.step - before

    for t in runs:
        rate(lambda t=t: advance(t), WARM)  # type: ignore[misc]
    ratios = []
    for _ in range(rounds):
        theirs, ours = (rate(lambda t=t: advance(t), seconds) for t in runs)  # type: ignore[misc]
        ratios.append(ours / theirs)
    print(f"{name}: {spread(ratios)} times as fast as {theirs:,.0f} steps/s; chosen: {chosen.name}", flush=True)


def main(rounds: int = 5, seconds: float = 1.0) -> None:
    torch.set_num_threads(1)
    for network in networks():
        compare(*network, rounds, seconds)


if __name__ == "__main__":
    main(*(kind(argument) for kind, argument in zip((int, float), sys.argv[1:], strict=False)))
