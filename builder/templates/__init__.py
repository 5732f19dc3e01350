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
        "plain20",
        "Plain-20",
        "Twenty convolutions in a row, three stages, no skips: the network against which ResNet-20 was measured (He "
        "et al. 2016).",
        DEPTH,
        "digits",
        settings={"steps": 1500},
        knobs={"lr": 0.002, "batch_size": 32},
    ),
    Template(
        "resnet20",
        "ResNet-20",
        "The residual network for small images of He et al. (2016): nine blocks that each add to what came in.",
        DEPTH,
        "digits",
        settings={"steps": 1500},
        knobs={"lr": 0.002, "batch_size": 32},
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
        "vgg",
        "VGG for small images",
        "Nothing but 3 × 3 convolutions, deeper and deeper (Simonyan & Zisserman 2015).",
        VISION,
        "mnist",
        settings={"steps": 2000},
        knobs={"lr": 0.001, "batch_size": 32},
    ),
    Template(
        "inception",
        "Inception for small images",
        "Looks through windows of three sizes side by side, three blocks in a row (Szegedy et al. 2015).",
        VISION,
        "mnist",
        settings={"steps": 2000},
        knobs={"lr": 0.002, "batch_size": 32},
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
        "densenet",
        "DenseNet for small images",
        "Each layer sees all before it, and adds a little (Huang et al. 2017).",
        VISION,
        "mnist",
        settings={"steps": 2000},
        knobs={"lr": 0.002, "batch_size": 32},
    ),
    Template(
        "mobilenet",
        "MobileNet for small images",
        "Filters each channel by itself: few weights, little arithmetic (Sandler et al. 2018).",
        VISION,
        "mnist",
        settings={"steps": 3000},
        knobs={"lr": 0.002, "batch_size": 32},
    ),
    Template(
        "unet",
        "U-Net",
        "Says for each pixel what is there: circle, square, triangle or ground (Ronneberger et al. 2015).",
        VISION,
        "shapes",
        settings={"steps": 1500},
        knobs={"lr": 0.002, "batch_size": 16},
    ),
    Template(
        "siamese",
        "Siamese network",
        "Two pictures through one set of weights: do they show the same digit? (Bromley et al. 1993)",
        VISION,
        "digit_pairs",
        settings={"steps": 3000},
        knobs={"lr": 0.001, "batch_size": 64},
        options={"size": 12_000},
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
    Template(
        "transformer",
        "Transformer classifier",
        "Words look at words, and a class token gathers whether a film is praised or blamed (Vaswani et al. 2017).",
        LANGUAGE,
        "sentiment",
        settings={"steps": 1000, "early_stopping": True, "patience": 300},
        knobs={"lr": 0.003, "batch_size": 64},
    ),
    Template(
        "seq2seq",
        "Encoder–decoder with attention",
        "Translates written dates into figures, and shows at each character where it looks (Bahdanau et al. 2015).",
        LANGUAGE,
        "dates",
        settings={"steps": 3000},
        knobs={"lr": 0.003, "batch_size": 64},
    ),
    Template(
        "memory_network",
        "Memory network",
        "Answers questions about a story: it compares the question with every sentence, and takes in the one that fits "
        "(Sukhbaatar et al. 2015).",
        LANGUAGE,
        "questions",
        settings={"steps": 1000},
        knobs={"lr": 0.003, "batch_size": 64},
    ),
    Template(
        "gpt",
        "Small GPT",
        "Predicts the next character of Shakespeare from those before it (Radford et al. 2018).",
        LANGUAGE,
        "shakespeare",
        settings={"steps": 3000, "schedule": "warmup_cosine"},
        knobs={"lr": 0.003},
    ),
    Template(
        "autoencoder",
        "Autoencoder",
        "Gives a digit back through a code of 16 numbers, and so learns what matters (Hinton & Salakhutdinov 2006).",
        AUTOENCODERS,
        "mnist",
        settings={"steps": 4000},
        knobs={"lr": 0.001, "batch_size": 64},
    ),
    Template(
        "denoising",
        "Denoising autoencoder",
        "Gets noisy digits and gives clean ones back (Vincent et al. 2008).",
        AUTOENCODERS,
        "mnist",
        settings={"steps": 2000},
        knobs={"lr": 0.002, "batch_size": 64, "input_noise": 0.5},
    ),
    Template(
        "conv_autoencoder",
        "Convolutional autoencoder",
        "Folds a digit to a small image and unfolds it again, with convolutions only.",
        AUTOENCODERS,
        "mnist",
        settings={"steps": 3000},
        knobs={"lr": 0.002, "batch_size": 64},
    ),
    Template(
        "vae",
        "Variational autoencoder",
        "Codes that fill a normal distribution, so that new digits can be drawn from it (Kingma & Welling 2014).",
        AUTOENCODERS,
        "mnist",
        settings={"steps": 5000},
        knobs={"lr": 0.001, "batch_size": 64},
    ),
)
BY_NAME: dict[str, Template] = {t.name: t for t in TEMPLATES}
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(t.group for t in TEMPLATES))


def load(name: str) -> Graph:
    """The network of the template ``name``. Raises KeyError if there is none."""
    return loads(BY_NAME[name].document.read_text(encoding="utf-8"))
