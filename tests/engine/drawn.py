"""Small networks and trainings that the tests of the engine share."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from builder.graph import Edge, Graph, Node
from builder.spec import TensorSpec
from engine.config import DataRef, TrainConfig
from engine.data import Dataset, Field, load
from engine.data.baseline import MEAN
from engine.events import Event
from engine.loop import Training
from engine.pace import EveryN


def chain(*layers: tuple[str, dict[str, Any]]) -> Graph:
    graph, previous = Graph(), None
    for type_, params in layers:
        node = Node(graph.fresh_id(type_), type_, params)
        graph = graph.add(node, [Edge(previous, node.id)] if previous else [])
        previous = node.id
    return graph


MLP = chain(
    ("Input", {"shape": (2,)}),
    ("Linear", {"out_features": 8}),
    ("Tanh", {}),
    ("Dropout", {"p": 0.2}),
    ("Linear", {"out_features": 8}),
    ("ReLU", {}),
    ("Linear", {"out_features": 2}),
    ("Output", {}),
)
RELU = chain(
    ("Input", {"shape": (2,)}),
    ("Linear", {"out_features": 8}),
    ("ReLU", {}),
    ("Linear", {"out_features": 8}),
    ("ReLU", {}),
    ("Linear", {"out_features": 2}),
    ("Output", {}),
)
CNN = chain(
    ("Input", {"shape": (1, 8, 8)}),
    ("Conv2d", {"out_channels": 4, "kernel_size": 3}),
    ("BatchNorm2d", {}),
    ("ReLU", {}),
    ("Flatten", {}),
    ("Linear", {"out_features": 10}),
    ("Output", {}),
)
LSTM = chain(
    ("Input", {"shape": (24, 1)}),
    ("LSTM", {"hidden_size": 6}),
    ("Linear", {"out_features": 1}),
    ("Output", {}),
)
CASES = {"mlp with dropout": (MLP, "spiral"), "cnn with batch norm": (CNN, "digits"), "lstm": (LSTM, "sunspots")}


def make(graph: Graph = MLP, data: str | Dataset = "spiral", *, every: int = 1000, **settings: Any) -> Training:
    """A training that looks at everything in every ``every``-th step. Knobs are given as ``knobs={…}``."""
    own = {k: settings.pop(k) for k in ("watch", "resume", "lane") if k in settings}
    loaded = load(DataRef(data)) if isinstance(data, str) else data
    config = TrainConfig(DataRef(loaded.name), **{"steps": 1000, "seed": 3, **settings})
    return Training(graph, config, loaded, pace=EveryN(every), **own)


def advance(training: Training, steps: int) -> list[Event]:
    """The events of the next ``steps`` batches."""
    run, found = training.run(), []
    for _ in range(steps):
        found += next(run)
    return found


def trained(steps: int = 20, graph: Graph = MLP, data: str = "spiral", **settings: Any) -> dict[str, Tensor]:
    """The weights after ``steps`` batches. (Two trainings that take turns would share torch's random stream.)"""
    training = make(graph, data, **settings)
    advance(training, steps)
    return weights(training)


def finish(training: Training) -> list[Event]:
    return [event for events in training.run() for event in events]


def weights(training: Training) -> dict[str, Tensor]:
    return {key: tensor.clone() for key, tensor in training.model.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """To the bit."""
    return a.keys() == b.keys() and all(bool((a[key] == b[key]).all()) for key in a)


def table(x: np.ndarray, y: np.ndarray, task: str = "regression", outputs: int = 1) -> Dataset:
    """``x`` (n, feature) as it stands, the first half to train on and the second to validate."""
    half = len(x) // 2
    x = x.astype(np.float32)
    features = tuple(f"x{i}" for i in range(x.shape[1]))
    target = TensorSpec(y.shape[1:], "float32" if task == "regression" else "int64")
    return Dataset(
        "table",
        "table",
        (Field("features", TensorSpec(x.shape[1:]), x[:half], x[half:]),),
        (Field("y", target, y[:half], y[half:], kinds=0 if task == "regression" else outputs),),
        features,
        MEAN,
    )


def with_input(data: Dataset, train: np.ndarray, val: np.ndarray | None = None) -> Dataset:
    """``data`` with other numbers, perhaps of another shape, as its first input."""
    first, *rest = data.inputs
    spec = TensorSpec(train.shape[1:], first.spec.dtype)
    return replace(data, inputs=(replace(first, spec=spec, train=train, val=first.val if val is None else val), *rest))


class Patient(EveryN):
    """Asks to look every ``n``-th time that it is asked, and does not mind in which step."""

    asked = 0

    def due(self, step: int, now: float) -> frozenset[str]:
        self.asked += 1
        return super().due(self.asked, now)

    def free(self, step: int) -> int:
        return sys.maxsize
