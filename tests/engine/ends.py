"""Networks with several Inputs and Outputs, and data for them, that tests of engine and exports share."""

from __future__ import annotations

import numpy as np

from builder.graph import Edge, Graph, Node
from builder.spec import DType, Shape, TensorSpec
from engine.data import Dataset, Field
from engine.data.spec import Baseline

N = 96  # examples to train on; half as many are held out
RNG = np.random.default_rng(0)


def field(name: str, *shape: int, kinds: int = 0, ignore: int | None = None, metric: str = "") -> Field:
    """Standard normal numbers, or numbers below ``kinds``; with ``ignore`` the last places of each example hold it."""
    dtype: DType = "int64" if kinds else "float32"
    train, val = (_values(n, shape, kinds, ignore) for n in (N, N // 2))
    return Field(name, TensorSpec(shape, dtype), train, val, kinds=kinds, ignore=ignore, metric=metric)


def _values(n: int, shape: Shape, kinds: int, ignore: int | None) -> np.ndarray:
    if not kinds:
        return RNG.standard_normal((n, *shape)).astype(np.float32)
    values = RNG.integers(0 if ignore is None else 1, kinds, (n, *shape))
    if ignore is not None:
        lengths = RNG.integers(1, shape[-1] + 1, (n, *shape[:-1], 1))
        values = np.where(np.arange(shape[-1]) < lengths, values, ignore)
    return values


def data(inputs: tuple[Field, ...], targets: tuple[Field, ...]) -> Dataset:
    return Dataset("table", "table", inputs, targets, ("a", "b"), Baseline(0.5, "guessing"))


def net(*nodes: tuple[str, str, dict[str, object], str]) -> Graph:
    """From (id, type, params, "what feeds it, in port order")."""
    edges = [Edge(source, id, port) for id, _, _, feeds in nodes for port, source in enumerate(feeds.split())]
    return Graph(tuple(Node(id, type_, params) for id, type_, params, _ in nodes), tuple(edges))


X, IMAGE, TEXT = field("x", 3), field("image", 1, 4, 4), field("text", 5, kinds=7, ignore=0)
SECOND, CLASS, VALUE = field("second", 2), field("class", kinds=3), field("value", 1)
NEXT, MASK = field("next", 5, kinds=7, ignore=0), field("mask", 4, 4, kinds=3, ignore=2)

TWO = net(
    ("a", "Input", {"shape": (3,)}, ""),
    ("b", "Input", {"shape": (2,)}, ""),
    ("both", "Concat", {}, "a b"),
    ("body", "Linear", {"out_features": 8}, "both"),
    ("act", "Tanh", {}, "body"),
    ("drop", "Dropout", {"p": 0.1}, "act"),
    ("kind", "Linear", {"out_features": 3}, "drop"),
    ("size", "Linear", {"out_features": 1}, "drop"),
    ("out_kind", "Output", {}, "kind"),
    ("out_size", "Output", {"weight": 0.5}, "size"),
)
TWO_DATA = data((X, SECOND), (CLASS, VALUE))
AUTOENCODER = net(
    ("x", "Input", {"shape": (1, 4, 4)}, ""),
    ("flat", "Flatten", {}, "x"),
    ("code", "Linear", {"out_features": 6}, "flat"),
    ("act", "Tanh", {}, "code"),
    ("wide", "Linear", {"out_features": 16}, "act"),
    ("y", "Output", {"target": "image"}, "wide"),
)
IMAGE_DATA = data((IMAGE,), (CLASS,))
VAE = net(
    ("x", "Input", {"shape": (3,)}, ""),
    ("body", "Linear", {"out_features": 8}, "x"),
    ("act", "ReLU", {}, "body"),
    ("mean", "Linear", {"out_features": 2}, "act"),
    ("spread", "Linear", {"out_features": 2}, "act"),
    ("sample", "GaussianSampling", {}, "mean spread"),
    ("decoder", "Linear", {"out_features": 3}, "sample"),
    ("gaussian", "Concat", {}, "mean spread"),
    ("y", "Output", {"target": "x"}, "decoder"),
    ("prior", "Output", {"loss": "kl", "weight": 0.1}, "gaussian"),
)
VAE_DATA = data((X,), (CLASS,))
TAGGER = net(
    ("x", "Input", {"shape": (5,), "dtype": "int64"}, ""),
    ("embed", "Embedding", {"num_embeddings": 7, "embedding_dim": 4}, "x"),
    ("rnn", "GRU", {"hidden_size": 6, "output": "sequence"}, "embed"),
    ("score", "Linear", {"out_features": 7}, "rnn"),
    ("y", "Output", {}, "score"),
)
TEXT_DATA = data((TEXT,), (NEXT,))
PAINTER = net(
    ("x", "Input", {"shape": (1, 4, 4)}, ""),
    ("conv", "Conv2d", {"out_channels": 3, "kernel_size": 3, "padding": 1}, "x"),
    ("y", "Output", {}, "conv"),
)
MASK_DATA = data((IMAGE,), (MASK,))
CASES: dict[str, tuple[Graph, Dataset]] = {
    "two inputs, two outputs": (TWO, TWO_DATA),
    "autoencoder": (AUTOENCODER, IMAGE_DATA),
    "variational autoencoder": (VAE, VAE_DATA),
    "a class at each position": (TAGGER, TEXT_DATA),
    "a class at each pixel": (PAINTER, MASK_DATA),
}
