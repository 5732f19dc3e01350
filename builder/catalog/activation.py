"""Functions applied to every value by itself, and softmax along an axis."""

from __future__ import annotations

from builder.catalog.rules import changed, needs_axis, needs_float
from builder.diagnostic import Diagnostic, Fix
from builder.edit import RemoveNode
from builder.spec import Inputs, LayerSpec, Param, Params, TensorSpec, call

SLOPE = Param(
    "negative_slope",
    "float",
    0.01,
    0.0,
    1.0,
    label="Slope below zero",
    symbol="a",
    help="How much of negatives passes.",
)
ALPHA = Param("alpha", "float", 1.0, 0.01, 10.0, label="Alpha", symbol="α", help="Large negative values approach −α.")
APPROXIMATE = Param(
    "approximate", "choice", "none", choices=("none", "tanh"), label="Formula", help="'tanh' is a faster approximation."
)
DIM = Param(
    "dim", "int", -1, -7, 6, label="Axis", help="Axis that sums to 1: 1 is the first after the batch, -1 the last."
)


def _softmax(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    return needs_float("Softmax", xs[0]) or needs_axis("Softmax", p["dim"], xs[0]) or xs[0]


def _softmax_advice(_p: Params, _xs: Inputs, readers: tuple[str, ...]) -> Diagnostic | None:
    if "Output" not in readers:
        return None
    return Diagnostic(
        "train/softmax-before-output",
        "The loss for classes applies softmax itself, so with this layer it is applied twice and training is slow.",
        "Leave this Softmax out; the predicted class stays the same.",
        severity="warning",
        fix=Fix("Leave this Softmax out", (RemoveNode(""),)),
    )


def _pointwise(type_: str, help_: str, params: tuple[Param, ...] = (), **about: str) -> LayerSpec:
    def infer(_p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
        return needs_float(type_, xs[0]) or xs[0]

    return LayerSpec(
        type_,
        "Activation",
        help_,
        infer,
        params=params,
        module=lambda p, _xs: call(f"nn.{type_}", **changed(p, params)),
        **about,  # type: ignore[arg-type]
    )


LAYERS = (
    _pointwise(
        "ReLU",
        "Passes positive values and sets negative ones to zero. The usual choice; a unit that is zero for every "
        "example is dead and learns no more.",
        keywords="rectified linear rectifier",
        formula="y = max(0, x)",
        source="Nair & Hinton (2010), Rectified Linear Units Improve Restricted Boltzmann Machines, ICML",
        kind="relu",
    ),
    _pointwise(
        "LeakyReLU",
        "Like ReLU, but lets a little of negative values through, so that no unit can die.",
        (SLOPE,),
        summary="slope {negative_slope:g}",
        keywords="rectified linear leak",
        formula="y = x if x > 0, else a·x",
        source="Maas, Hannun & Ng (2013), Rectifier Nonlinearities Improve Neural Network Acoustic Models, ICML",
    ),
    _pointwise(
        "ELU",
        "Like ReLU, but bends smoothly to −α for negative values, which brings the mean nearer to zero.",
        (ALPHA,),
        summary="α = {alpha:g}",
        keywords="exponential linear",
        formula="y = x if x > 0, else α·(eˣ − 1)",
        source="Clevert, Unterthiner & Hochreiter (2016), Fast and Accurate Deep Network Learning by ELUs, ICLR",
    ),
    _pointwise(
        "SELU",
        "A scaled ELU whose constants keep mean 0 and variance 1 from layer to layer in plain deep networks.",
        keywords="scaled exponential linear self-normalizing",
        formula="y = 1.0507·x if x > 0, else 1.0507·1.6733·(eˣ − 1)",
        source="Klambauer et al. (2017), Self-Normalizing Neural Networks, NeurIPS",
    ),
    _pointwise(
        "GELU",
        "A smooth ReLU that weights each value by the chance that a standard normal number is below it. Used in "
        "transformers.",
        (APPROXIMATE,),
        keywords="gaussian error linear transformer",
        formula="y = x·Φ(x)",
        source="Hendrycks & Gimpel (2016), Gaussian Error Linear Units, arXiv:1606.08415",
    ),
    _pointwise(
        "SiLU",
        "A smooth ReLU: each value times its own sigmoid. Also called swish.",
        keywords="swish sigmoid linear",
        formula="y = x·σ(x)",
        source="Elfwing, Uchibe & Doya (2018), Sigmoid-Weighted Linear Units, Neural Networks 107",
    ),
    _pointwise(
        "Sigmoid",
        "Squeezes every value between 0 and 1. Its slope is at most 1/4, so in deep networks the gradient vanishes.",
        keywords="logistic squash",
        formula="y = σ(x) = 1 / (1 + e⁻ˣ)",
        source="Rumelhart, Hinton & Williams (1986), Learning representations by back-propagating errors, Nature 323",
        kind="sigmoid",
    ),
    _pointwise(
        "Tanh",
        "Squeezes every value between −1 and 1, around zero. Flat at both ends, where its gradient vanishes.",
        keywords="hyperbolic tangent squash",
        formula="y = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)",
        source="LeCun et al. (1998), Efficient BackProp, Neural Networks: Tricks of the Trade",
        kind="tanh",
    ),
    LayerSpec(
        "Softmax",
        "Activation",
        "Turns scores along an axis into shares that sum to 1. Not needed before the Output: the loss for classes "
        "does it.",
        _softmax,
        params=(DIM,),
        module=lambda p, _xs: call("nn.Softmax", dim=p["dim"]),
        advise=_softmax_advice,
        flops=lambda _p, _xs, out: 3 * out.numel,  # exponential, sum, quotient
        summary="axis {dim}",
        keywords="probability normalised exponential",
        formula="yᵢ = e^xᵢ / Σⱼ e^xⱼ",
        source="Bridle (1990), Probabilistic Interpretation of Feedforward Classification Network Outputs, "
        "Neurocomputing",
    ),
)
