"""Networks to start from: documents in this folder, each listed here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builder.document import loads
from builder.graph import Graph


@dataclass(frozen=True)
class Template:
    """A network and the data set it is drawn for; its document is ``<name>.json``."""

    name: str
    title: str
    about: str
    dataset: str

    @property
    def document(self) -> Path:
        return Path(__file__).with_name(f"{self.name}.json")


TEMPLATES: tuple[Template, ...] = (
    Template(
        "logistic_regression",
        "Logistic regression",
        "One layer tells benign from malignant tumours by 30 measurements. The simplest classifier, and often hard "
        "to beat.",
        "breast_cancer",
    ),
    Template(
        "softmax_regression",
        "Softmax regression",
        "One layer reads handwritten digits: a weight per pixel and class, nothing else.",
        "digits",
    ),
    Template(
        "mlp",
        "MLP with dropout",
        "Two hidden layers read handwritten digits. Turn the dropout while it trains and watch the gap.",
        "digits",
    ),
    Template(
        "iris_mlp",
        "MLP for iris flowers",
        "Four measurements, three species, 150 flowers: small enough to see everything.",
        "iris",
    ),
    Template(
        "spiral_mlp",
        "MLP for the spiral",
        "Two hidden layers of tanh bend the plane until two spirals come apart. Watch the boundary.",
        "spiral",
    ),
    Template(
        "regression_mlp",
        "MLP for a curve",
        "One number in, one number out: the network draws a curve through noisy points.",
        "sine",
    ),
    Template(
        "vanishing",
        "Deep sigmoid MLP (vanishing gradient)",
        "Ten sigmoid layers: the gradient shrinks on its way back, and the first layers hardly learn. Exchange the "
        "sigmoids for ReLU to cure it.",
        "circle",
    ),
    Template(
        "exploding",
        "Badly initialised MLP (exploding signals)",
        "Weights that start far too large blow signals and gradients up from layer to layer. Choose Kaiming weights to "
        "cure it.",
        "circle",
    ),
    Template(
        "lenet5",
        "LeNet-5",
        "The convolutional network of LeCun et al. (1998), which read the digits on bank cheques.",
        "mnist",
    ),
    Template(
        "residual_cnn",
        "Small residual CNN",
        "Two residual blocks (He et al. 2016): each adds what it learns to what came in, so that gradients pass "
        "unhindered.",
        "mnist",
    ),
    Template(
        "lstm",
        "LSTM for sunspots",
        "Reads the sunspots of 24 time steps and forecasts the next value.",
        "sunspots",
    ),
)
BY_NAME: dict[str, Template] = {t.name: t for t in TEMPLATES}


def load(name: str) -> Graph:
    """The network of the template ``name``. Raises KeyError if there is none."""
    return loads(BY_NAME[name].document.read_text(encoding="utf-8"))
