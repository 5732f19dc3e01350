"""The engine with everything watched against the plain loop of the tutorials, in training steps per CPU-second.

Both train the same network from the same weights on the same data in this process, in turns, on one thread; a
ratio is formed within each round, so that other load on the machine meets both alike. Usage:
`python -m benchmarks.engine_speed [ROUNDS] [STEPS per round]`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from builder.graph import Edge, Graph, Node
from engine.config import DataRef, TrainConfig
from engine.data import Dataset, load
from engine.loop import Training

Step = Callable[[], Any]


def chain(*layers: tuple[str, dict[str, Any]]) -> Graph:
    nodes = tuple(Node(f"n{i}", type_, params) for i, (type_, params) in enumerate(layers))
    return Graph(nodes, tuple(Edge(a.id, b.id) for a, b in pairwise(nodes)))


def dense(activation: str, *sizes: int) -> Graph:
    hidden = [layer for n in sizes[1:-1] for layer in (("Linear", {"out_features": n}), (activation, {}))]
    return chain(("Input", {"shape": (sizes[0],)}), *hidden, ("Linear", {"out_features": sizes[-1]}), ("Output", {}))


def flat(data: Dataset) -> Dataset:
    return replace(data, x_train=data.x_train.reshape(data.n_train, -1), x_val=data.x_val.reshape(data.n_val, -1))


WORKLOADS = {
    "spiral 2-8-8-2, tanh, batch 10, SGD 0.1": (
        dense("Tanh", 2, 8, 8, 2),
        load(DataRef("spiral", {"size": 1000})),
        {"optimizer": "sgd", "knobs": {"lr": 0.1, "batch_size": 10}},
    ),
    "digits 64-128-64-10, ReLU, batch 32, Adam 0.001": (
        dense("ReLU", 64, 128, 64, 10),
        flat(load(DataRef("digits"))),
        {"optimizer": "adam", "knobs": {"lr": 0.001, "batch_size": 32}},
    ),
}


def plain(model: nn.Module, data: Dataset, settings: dict[str, Any]) -> Iterator[float]:
    """The loop of the PyTorch tutorials."""
    knobs = settings["knobs"]
    kind = torch.optim.SGD if settings["optimizer"] == "sgd" else torch.optim.Adam
    optimizer = kind(model.parameters(), lr=knobs["lr"])
    criterion = nn.CrossEntropyLoss()
    dataset = TensorDataset(torch.from_numpy(data.x_train), torch.from_numpy(data.y_train))
    loader = DataLoader(dataset, batch_size=knobs["batch_size"], shuffle=True)
    while True:
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            yield loss.item()


def sequential(training: Training) -> nn.Sequential:
    """The same layers with the same weights as the drawn network."""
    made = {"Linear": lambda m: nn.Linear(m.in_features, m.out_features), "Tanh": lambda _: nn.Tanh(),
            "ReLU": lambda _: nn.ReLU()}  # fmt: skip
    children = list(training.model.children())
    model = nn.Sequential(*[made[type(m).__name__](m) for m in children])
    for ours, theirs in zip(training.model.parameters(), model.parameters(), strict=True):
        theirs.data.copy_(ours.data)
    return model


def cpu_seconds(step: Step, steps: int) -> float:
    began = time.process_time()
    for _ in range(steps):
        step()
    return time.process_time() - began


def loss_on_all(model: nn.Module, data: Dataset) -> float:
    with torch.no_grad():
        return float(nn.functional.cross_entropy(model(torch.from_numpy(data.x_train)), torch.from_numpy(data.y_train)))


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} [{min(values):.2f}..{max(values):.2f}]"


def compare(name: str, rounds: int, steps: int) -> None:
    graph, data, settings = WORKLOADS[name]
    config = TrainConfig(data=DataRef(data.name), steps=10**7, **settings)
    watched, unwatched = Training(graph, config, data), Training(graph, config, data, watch=False)
    model = sequential(watched)
    events: list[str] = []
    tutorial, blind, run = plain(model, data, settings), unwatched.run(), watched.run()
    turns: dict[str, Step] = {
        "plain": lambda: next(tutorial),
        "watched": lambda: events.extend(e.kind for e in next(run)),
        "unwatched": lambda: next(blind),
    }
    for step in turns.values():
        cpu_seconds(step, 50)
    times: dict[str, list[float]] = {key: [] for key in turns}
    for _ in range(rounds):
        for key, step in turns.items():
            times[key].append(cpu_seconds(step, steps))
    print(name)
    print(f"  plain     {steps / statistics.median(times['plain']):8.0f} steps/CPU-s")
    for key in ("watched", "unwatched"):
        ratios = [p / t for p, t in zip(times["plain"], times[key], strict=True)]
        print(f"  {key:9} {steps / statistics.median(times[key]):8.0f} steps/CPU-s, ratio to plain {spread(ratios)}")
    counts = {kind: events.count(kind) for kind in dict.fromkeys(events)}
    print(f"  events in {watched.seconds:.1f} s of watched training: {counts}")
    losses = {"plain": model, "watched": watched.model, "unwatched": unwatched.model}
    print(
        f"  loss after {watched.step} steps: {', '.join(f'{k} {loss_on_all(m, data):.3g}' for k, m in losses.items())}"
    )


def main(rounds: int = 9, steps: int = 1000) -> None:
    for name in WORKLOADS:
        compare(name, rounds, steps)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
