"""Layerloom as a worker runs it: everything watched, in the lane that it chooses ("auto"), in the reference ("eager"),
or watched but not validated ("unvalidated"): validation may take a tenth of the time, and the plain loop has none."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch

from benchmarks.contest.task import BLOCKS, HEADS, HIDDEN, SIZES, TOKENS, WIDTH, WORDS, Array, Workload
from benchmarks.contest.torch_models import loss_on_all
from benchmarks.contest.turns import Watch, serve
from builder.graph import Edge, Graph, Node
from builder.spec import TensorSpec
from engine.config import DataRef, TrainConfig
from engine.data.baseline import MEAN
from engine.data.spec import Dataset, Field
from engine.loop import Training
from engine.pace import Governor
from engine.worker import STRIDE_SECONDS

HELD_OUT = 256  # examples; copies of the first ones, since only the time to validate counts here


def graph(work: Workload) -> Graph:
    match work.name:
        case "cnn":
            conv = [(("Conv2d", {"out_channels": n, "padding": 1}), ("ReLU", {}), ("MaxPool2d", {})) for n in (16, 32)]
            return chain((1, 28, 28), *conv[0], *conv[1], ("Flatten", {}), ("Linear", {"out_features": 10}))
        case "lstm":
            return chain((50, 4), ("LSTM", {"hidden_size": 64}), ("Linear", {"out_features": 4}))
        case "transformer":
            block = {"num_heads": HEADS, "dim_feedforward": HIDDEN, "dropout": 0.0}
            table = ("Embedding", {"num_embeddings": WORDS, "embedding_dim": WIDTH})
            blocks = [("TransformerEncoderLayer", block)] * BLOCKS
            return chain(
                (TOKENS,), table, ("LearnedPositions", {}), *blocks, ("Mean", {}), ("Linear", {"out_features": 4})
            )
    sizes, act = SIZES[work.name], "Tanh" if work.name == "spiral" else "ReLU"
    layers = [layer for n in sizes[1:] for layer in (("Linear", {"out_features": n}), (act, {}))]
    return chain(sizes[:1], *layers[:-1])


def chain(shape: tuple[int, ...], *layers: tuple[str, dict[str, Any]]) -> Graph:
    dtype = {"dtype": "int64"} if layers[0][0] == "Embedding" else {}
    all_ = (("Input", {"shape": shape, **dtype}), *layers, ("Output", {}))
    nodes = tuple(Node(f"n{i}", type_, params) for i, (type_, params) in enumerate(all_))
    return Graph(nodes, tuple(Edge(a.id, b.id) for a, b in pairwise(nodes)))


def dataset(x: Array, y: Array) -> Dataset:
    kinds = 0 if y.ndim > 1 else int(y.max()) + 1
    given = Field("x", TensorSpec(x.shape[1:], str(x.dtype)), x, x[:HELD_OUT], kinds=WORDS if x.dtype == "int64" else 0)
    wanted = Field(
        "y", TensorSpec(y.shape[1:], str(y.dtype)), y, y[:HELD_OUT], kinds=kinds, words=tuple(map(str, range(kinds)))
    )
    return Dataset("contest", "table", (given,), (wanted,), (), MEAN)


class Unvalidated(Governor):
    """Looks at everything but the losses on fixed examples, apart from those of the first step."""

    def __init__(self) -> None:
        super().__init__()
        del self.budgets["evaluation"]

    def paid(self, look: str, now: float, cost: float) -> None:
        if look in self.budgets:
            super().paid(look, now, cost)


class Ours:
    def __init__(self, work: Workload, x: Array, y: Array, weights: list[Array], lane: str) -> None:
        self.work, self.x, self.y = work, torch.from_numpy(x), torch.from_numpy(y)
        knobs = {"lr": work.lr, "batch_size": work.batch}
        config = TrainConfig(DataRef("contest"), steps=10**9, optimizer=work.optimizer, knobs=knobs)
        wanted = "eager" if lane == "eager" else "auto"
        pace = Unvalidated() if lane == "unvalidated" else Governor()
        self.training = Training(graph(work), config, dataset(x, y), lane=wanted, pace=pace)
        for parameter, weight in zip(self.training.model.parameters(), weights, strict=True):
            parameter.data.copy_(torch.from_numpy(weight))
        self.run = self.training.run()

    def train(self, watch: Watch) -> None:
        self.training.stride.seconds = 0.0 if watch.steps else STRIDE_SECONDS
        over = False
        while not over:
            before = self.training.step
            next(self.run)
            over = watch.over(self.training.step - before)

    def loss(self) -> float:
        return loss_on_all(self.work, self.training.model, self.x, self.y)


if __name__ == "__main__":
    serve(Ours)
