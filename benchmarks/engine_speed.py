"""The engine's lanes with everything watched against the plain loop of the tutorials, in steps per CPU-second.

All train the same network from the same weights on the same data in this process, in turns, on one thread; a
ratio is formed within each round, so that other load on the machine meets all alike. Before the clock starts each
trains the same number of steps, after which the losses are compared. Usage:
`python -m benchmarks.engine_speed [ROUNDS] [CPU-SECONDS per turn]`.
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
from builder.spec import TensorSpec
from engine.config import DataRef, TrainConfig
from engine.data import Dataset, load
from engine.lanes.lane import Wanted
from engine.loop import Training
from engine.worker import STRIDE_SECONDS

Train = Callable[[], int]  # trains a little and gives the number of steps done


def chain(*layers: tuple[str, dict[str, Any]]) -> Graph:
    nodes = tuple(Node(f"n{i}", type_, params) for i, (type_, params) in enumerate(layers))
    return Graph(nodes, tuple(Edge(a.id, b.id) for a, b in pairwise(nodes)))


def dense(activation: str, *sizes: int) -> Graph:
    init = {"init": "kaiming_normal"} if activation == "ReLU" else {}  # without it 20 layers do not learn
    hidden = [layer for n in sizes[1:-1] for layer in (("Linear", {"out_features": n, **init}), (activation, {}))]
    return chain(("Input", {"shape": (sizes[0],)}), *hidden, ("Linear", {"out_features": sizes[-1]}), ("Output", {}))


def flat(data: Dataset) -> Dataset:
    (images,) = data.inputs
    train, val = (x.reshape(len(x), -1) for x in (images.train, images.val))
    return replace(data, inputs=(replace(images, spec=TensorSpec(train.shape[1:]), train=train, val=val),))


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
    "digits 20 layers of 64, ReLU, batch 32, Adam 0.0005": (
        dense("ReLU", *[64] * 21, 10),
        flat(load(DataRef("digits"))),
        {"optimizer": "adam", "knobs": {"lr": 0.0005, "batch_size": 32}},
    ),
}
PARITY = 1000  # steps after which the losses are compared


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


def tutorial(model: nn.Module, data: Dataset, settings: dict[str, Any]) -> Train:
    batches = plain(model, data, settings)

    def train() -> int:
        next(batches)
        return 1

    return train


def engine(training: Training, events: list[str]) -> Train:
    run = training.run()

    def train() -> int:
        before = training.step
        events.extend(e.kind for e in next(run))
        return training.step - before

    return train


def rate(train: Train, seconds: float) -> float:
    """Steps per CPU-second."""
    began, steps = time.process_time(), 0
    while (used := time.process_time() - began) < seconds:
        steps += train()
    return steps / used


def loss_on_all(model: nn.Module, data: Dataset) -> float:
    with torch.no_grad():
        return float(nn.functional.cross_entropy(model(torch.from_numpy(data.x_train)), torch.from_numpy(data.y_train)))


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} [{min(values):.2f}..{max(values):.2f}]"


def compare(name: str, rounds: int, seconds: float) -> None:
    graph, data, settings = WORKLOADS[name]
    config = TrainConfig(data=DataRef(data.name), steps=10**9, **settings)
    lanes: dict[str, tuple[Wanted, bool]] = {
        "eager": ("eager", True),
        "native": ("native", True),
        "native, unwatched": ("native", False),
    }
    trainings = {key: Training(graph, config, data, lane=lane, watch=watch) for key, (lane, watch) in lanes.items()}
    model = sequential(trainings["eager"])
    models = {"plain": model} | {key: training.model for key, training in trainings.items()}
    events: dict[str, list[str]] = {key: [] for key in lanes}
    turns = {"plain": tutorial(model, data, settings)}
    turns |= {key: engine(training, events[key]) for key, training in trainings.items()}
    for train in turns.values():
        for _ in range(PARITY):  # the engine trains one batch per call until it is given a stride
            train()
    losses = ", ".join(f"{key} {loss_on_all(m, data):.3g}" for key, m in models.items())
    for training in trainings.values():
        training.stride.seconds = STRIDE_SECONDS
    seen = {key: (len(events[key]), training.seconds) for key, training in trainings.items()}
    rates: dict[str, list[float]] = {key: [] for key in turns}
    for _ in range(rounds):
        for key, train in turns.items():
            rates[key].append(rate(train, seconds))
    print(name)
    for key, found in rates.items():
        ratios = [mine / theirs for mine, theirs in zip(found, rates["plain"], strict=True)]
        print(f"  {key:18} {statistics.median(found):8.0f} steps/CPU-s, ratio to plain {spread(ratios)}")
    for key, training in trainings.items():
        new, took = events[key][seen[key][0] :], training.seconds - seen[key][1]
        per_second = {kind: round(new.count(kind) / took, 1) for kind in dict.fromkeys(new)}
        print(f"  {key}: events per second of training {per_second}")
    print(f"  loss on the training data after {PARITY} steps: {losses}")


def main(rounds: int = 9, seconds: float = 1.0) -> None:
    for name in WORKLOADS:
        compare(name, rounds, seconds)


if __name__ == "__main__":
    main(*(kind(argument) for kind, argument in zip((int, float), sys.argv[1:], strict=False)))
