"""Where examples come in and predictions go out."""

from __future__ import annotations

from builder.catalog.rules import IMAGE, needs_float
from builder.diagnostic import Diagnostic
from builder.spec import MAX_DIM, In, Inputs, LayerSpec, Param, Params, Shape, TensorSpec, call


def axes_of(shape: Shape) -> tuple[str, ...]:
    """What the axes of a bare shape mostly mean; two axes may be channel × time or time × feature, so "" each."""
    known = {1: ("feature",), 3: IMAGE}
    return known.get(len(shape), ("",) * len(shape))


def _input(p: Params, _xs: Inputs) -> TensorSpec:
    shape = tuple(p["shape"])
    axes = ("time",) if p["dtype"] == "int64" and len(shape) == 1 else axes_of(shape)
    return TensorSpec(shape, p["dtype"], axes)


def _output(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    return needs_float("Output", xs[0]) or (_halves(xs[0]) if p["loss"] == "kl" else None) or xs[0]


def _halves(x: TensorSpec) -> Diagnostic | None:
    if x.shape and x.shape[-1] % 2 == 0:
        return None
    what = f"The loss 'kl' needs a mean and a log-variance for each number: an even last axis. It gets {x}."
    return Diagnostic("shape/kl-halves", what, "Let the layer before it give an even count.", field="loss")


LOSSES = ("auto", "cross_entropy", "mse", "mae", "huber", "bce", "kl")
OUTPUT_PARAMS = (
    Param(
        "target",
        "name",
        "",
        label="Compared with",
        help="The name of what this output shall predict: a target of the data, or one of its inputs, as in an "
        "autoencoder. Left empty, the first Output takes the first target, the second Output the second, and so on.",
    ),
    Param(
        "loss",
        "choice",
        "auto",
        choices=LOSSES,
        label="Loss",
        help="What training makes small here. 'auto' is the loss of the settings. 'kl' needs no target: it takes what "
        "comes in as means and log-variances and pulls them towards a standard normal distribution (VAE).",
    ),
    Param(
        "weight",
        "float",
        1.0,
        0.0,
        10_000.0,
        label="Weight",
        symbol="w",
        log=True,
        help="How much this output counts where there are several: the total is the sum of weight · loss.",
    ),
)
LAYERS = (
    LayerSpec(
        "Input",
        "Data",
        "Where the examples come in. Its shape is that of one example, without the batch: 2 for points in the plane, "
        "1 × 28 × 28 for a grey image, 24 × 1 for 24 steps of one number.",
        _input,
        params=(
            Param("shape", "ints", (2,), 1, MAX_DIM, label="Shape of one example", help="Its axes, without the batch."),
            Param(
                "dtype",
                "choice",
                "float32",
                choices=("float32", "int64"),
                label="Type",
                help="float32 for measurements; int64 for indices, such as words, that go into an Embedding.",
            ),
            Param(
                "field",
                "name",
                "",
                label="What comes in",
                help="The name of one thing that every example of the data has, such as image. Left empty, the first "
                "Input takes the first of them, the second Input the second, and so on.",
            ),
        ),
        ports=(),
        forward=lambda _p, _x: call("self"),
        flops=lambda _p, _x, _out: 0,
        summary="{field}",
        keywords="data source features image",
        formula="x",
        source="Goodfellow, Bengio & Courville (2016), Deep Learning, section 6.0",
    ),
    LayerSpec(
        "Output",
        "Data",
        "What the network answers. For classes it holds one score (logit) per class, which the loss turns into "
        "probabilities; for a number, the number itself. Several Outputs have a target and a loss each.",
        _output,
        params=OUTPUT_PARAMS,
        forward=lambda _p, _x: call("self", In()),
        flops=lambda _p, _x, _out: 0,
        summary="{target}",
        keywords="prediction target result logits autoencoder reconstruction vae loss",
        formula="ŷ = x",
        source="Goodfellow, Bengio & Courville (2016), Deep Learning, section 6.2.2",
        outputs=0,
    ),
)
