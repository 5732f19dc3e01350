"""Networks to start from: documents in this folder, each listed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.document import loads
from builder.graph import Graph


@dataclass(frozen=True)
class Template:
    """A network and what it is drawn for; its document is ``<name>.json``.

    ``about`` is one plain sentence or two, ``group`` its place in the menu. ``settings``, ``knobs`` and ``options`` (of
    the data set) say how it trains well, where that is not the default.
    """

    name: str
    title: str
    about: str
    group: str
    dataset: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    knobs: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> Path:
        return Path(__file__).with_name(f"{self.name}.json")

    @property
    def config(self) -> dict[str, Any]:
        """Data and settings as the JSON of a TrainConfig (engine/config.py)."""
        data = {"name": self.dataset, "options": dict(self.options)}
        return {"data": data, **self.settings, "knobs": dict(self.knobs)}


BASICS, DEPTH, VISION, SEQUENCES = "Basics", "Depth and gradients", "Vision", "Sequences"
LANGUAGE, AUTOENCODERS = "Language", "Autoencoders"

TEMPLATES: tuple[Template, ...] = (
    Template(
        "perceptron",
        "Perceptron",
        "Two weighted sums and a straight line between two clouds: the oldest network (Rosenblatt 1958), here "
        "trained with cross-entropy.",
        BASICS,
        "gauss",
        settings={"steps": 2000, "optimizer": "sgd"},
        knobs={"lr": 0.1},
    ),
    Template(
        "logistic_regression",
        "Logistic regression",
        "One layer tells benign from malignant tumours by 30 measurements. The simplest classifier, and often hard "
        "to beat.",
        BASICS,
        "breast_cancer",
    ),
    Template(
        "softmax_regression",
        "Softmax regression",
        "One layer reads handwritten digits: a weight per pixel and class, nothing else.",
        BASICS,
        "digits",
    ),
    Template(
        "mlp",
        "MLP with dropout",
        "Two hidden layers read handwritten digits. Turn the dropout while it trains and watch the gap.",
        BASICS,
        "digits",
    ),
    Template(
        "iris_mlp",
        "MLP for iris flowers",
        "Four measurements, three species, 150 flowers: small enough to see everything.",
        BASICS,
        "iris",
    ),
    Template(
        "spiral_mlp",
        "MLP for the spiral",
        "Two hidden layers of tanh bend the plane until two spirals come apart. Watch the boundary.",
        BASICS,
        "spiral",
    ),
    Template(
        "regression_mlp",
        "MLP for a curve",
        "One number in, one number out: the network draws a curve through noisy points.",
        BASICS,
        "sine",
    ),
    Template(
        "vanishing",
        "Deep sigmoid MLP (vanishing gradient)",
        "Ten sigmoid layers: the gradient shrinks on its way back, and the first layers hardly learn. Exchange the "
        "sigmoids for ReLU to cure it.",
        DEPTH,
        "circle",
    ),
    Template(
        "exploding",
        "Badly initialised MLP (exploding signals)",
        "Weights that start far too large blow signals and gradients up from layer to layer. Choose Kaiming weights "
        "to cure it.",
        DEPTH,
        "circle",
    ),
    Template(
        "selu",
        "SELU network",
        "Eight layers that keep their signals at one size by themselves (Klambauer et al. 2017), without any "
        "normalisation.",
        DEPTH,
        "circle",
        settings={"steps": 5000},
        knobs={"lr": 0.001},
    ),
    Template(
        "lenet5",
        "LeNet-5",
        "The convolutional network of LeCun et al. (1998), which read the digits on bank cheques.",
        VISION,
        "mnist",
        knobs={"lr": 0.002},
    ),
    Template(
        "alexnet",
        "AlexNet for small images",
        "Five convolutions and three dense layers in the order of Krizhevsky et al. (2012), with dropout.",
        VISION,
        "mnist",
        settings={"steps": 3000},
        knobs={"lr": 0.001, "batch_size": 32},
    ),
    Template(
        "residual_cnn",
        "Small residual CNN",
        "Two residual blocks (He et al. 2016): each adds what it learns to what came in, so that gradients pass "
        "unhindered.",
        VISION,
        "mnist",
        knobs={"lr": 0.002},
    ),
    Template(
        "cnn_1d",
        "1-D CNN for speech",
        "Filters slide along the sound of two vowels and tell which of nine people speaks.",
        SEQUENCES,
        "japanese_vowels",
        settings={"steps": 2000},
        knobs={"lr": 0.001},
    ),
    Template(
        "rnn",
        "RNN",
        "Reads a digit row by row and mixes what it sees into one memory (Elman 1990).",
        SEQUENCES,
        "digit_rows",
        settings={"steps": 3000},
        knobs={"lr": 0.002, "clip_norm": 1.0},
    ),
    Template(
        "lstm",
        "LSTM for sunspots",
        "Reads the sunspots of 24 time steps and forecasts the next value.",
        SEQUENCES,
        "sunspots",
    ),
    Template(
        "gru",
        "GRU that adds",
        "Keeps two marked numbers in mind over a long sequence and gives their sum (after Hochreiter & Schmidhuber "
        "1997).",
        SEQUENCES,
        "adding",
        settings={"steps": 4000},
        knobs={"lr": 0.005, "clip_norm": 1.0},
    ),
    Template(
        "bidirectional",
        "Bidirectional GRU",
        "Reads a first name from both ends and says whether the US Census of 1990 lists it among women or men.",
        SEQUENCES,
        "names",
        settings={"steps": 3000},
        knobs={"lr": 0.002},
    ),
)
BY_NAME: dict[str, Template] = {t.name: t for t in TEMPLATES}
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(t.group for t in TEMPLATES))


def load(name: str) -> Graph:
    """The network of the template ``name``. Raises KeyError if there is none."""
    return loads(BY_NAME[name].document.read_text(encoding="utf-8"))
