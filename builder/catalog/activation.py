"""Functions applied to every value by itself, and softmax along an axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from builder.catalog.rules import axis, changed, needs_axis, needs_float
from builder.diagnostic import Diagnostic, Fix
from builder.edit import RemoveNode
from builder.spec import Call, Inputs, LayerSpec, Param, Params, TensorSpec, call

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


HALVED = replace(DIM, help="Axis that is halved: 1 is the first after the batch, -1 the last.")
BETA = Param("beta", "float", 1.0, 0.01, 100.0, label="Sharpness", symbol="β", help="The larger, the more like ReLU.")
LOW = Param("min_val", "float", -1.0, -100.0, 0.0, label="Lowest value", symbol="a", help="What is below becomes it.")
HIGH = Param("max_val", "float", 1.0, 0.01, 100.0, label="Highest value", symbol="b", help="What is above becomes it.")
PER_CHANNEL = Param(
    "per_channel", "bool", False, label="One per channel", help="Learns a slope for each channel, not one for all."
)
SLOPE_START = Param("slope", "float", 0.25, 0.0, 1.0, label="First slope", symbol="a", help="Where the slope starts.")


def _along(layer: str) -> Callable[[Params, Inputs], TensorSpec | Diagnostic]:
    return lambda p, xs: needs_float(layer, xs[0]) or needs_axis(layer, p["dim"], xs[0]) or xs[0]


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


def _glu(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x = xs[0]
    if problem := needs_float("GLU", x) or needs_axis("GLU", p["dim"], x):
        return problem
    at = axis(p["dim"], len(x.shape)) or 0
    n = x.shape[at]
    if n % 2 == 0:
        return TensorSpec((*x.shape[:at], n // 2, *x.shape[at + 1 :]), axes=x.axes)
    return Diagnostic(
        "shape/axis-not-even",
        f"GLU splits an axis into two halves, but axis {at + 1} of {x} has {n} values.",
        "Give the layer before it an even number of outputs.",
        field="dim",
    )


def _prelu_module(p: Params, xs: Inputs) -> Call:
    options = {"num_parameters": xs[0].shape[0]} if p["per_channel"] else {}
    return call("nn.PReLU", **options, **({} if p["slope"] == SLOPE_START.default else {"init": p["slope"]}))


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
    LayerSpec(
        "PReLU",
        "Activation",
        "A LeakyReLU that learns its slope below zero.",
        lambda _p, xs: needs_float("PReLU", xs[0]) or xs[0],
        params=(PER_CHANNEL, SLOPE_START),
        weights=lambda p, xs: {"weight": (xs[0].shape[0] if p["per_channel"] else 1,)},
        module=_prelu_module,
        keywords="parametric rectified linear leak",
        formula="y = x if x > 0, else a·x, a learnt",
        source="He et al. (2015), Delving Deep into Rectifiers, ICCV",
    ),
    _pointwise(
        "ReLU6",
        "A ReLU that also stops at 6, so that values stay small enough for phones that compute with few bits.",
        keywords="rectified linear clipped mobilenet quantisation",
        formula="y = min(max(0, x), 6)",
        source="Krizhevsky (2010), Convolutional Deep Belief Networks on CIFAR-10, Toronto",
        kind="relu",
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
        "CELU",
        "An ELU whose bend has no kink at zero, whatever α is.",
        (ALPHA,),
        summary="α = {alpha:g}",
        keywords="continuous exponential linear",
        formula="y = max(0, x) + min(0, α·(e^(x/α) − 1))",
        source="Barron (2017), Continuously Differentiable Exponential Linear Units, arXiv:1704.07483",
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
        keywords="gaussian error linear transformer tanh approximation",
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
        "Mish",
        "A smooth ReLU much like SiLU: each value times the tanh of its softplus.",
        keywords="smooth self-regularized",
        formula="y = x·tanh(ln(1 + eˣ))",
        source="Misra (2020), Mish: A Self Regularized Non-Monotonic Activation Function, BMVC",
    ),
    _pointwise(
        "Softplus",
        "A smooth ReLU that is never zero: for values that must be positive, such as a spread.",
        (BETA,),
        summary="β = {beta:g}",
        keywords="smooth positive",
        formula="y = ln(1 + e^(β·x)) / β",
        source="Dugas et al. (2001), Incorporating Second-Order Functional Knowledge, NeurIPS",
    ),
    _pointwise(
        "Softsign",
        "Squeezes every value between −1 and 1, like tanh, but approaches the ends more slowly.",
        keywords="squash",
        formula="y = x / (1 + |x|)",
        source="Glorot & Bengio (2010), Understanding the difficulty of training deep feedforward networks, AISTATS",
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
    _pointwise(
        "Hardsigmoid",
        "A sigmoid made of three straight lines: cheap, and exactly 0 and 1 at the ends, where no gradient passes.",
        keywords="logistic piecewise mobilenet",
        formula="y = min(max(0, x/6 + 1/2), 1)",
        source="Courbariaux, Bengio & David (2015), BinaryConnect, NeurIPS",
    ),
    _pointwise(
        "Hardtanh",
        "Cuts every value off at two ends, and passes what lies between as it is.",
        (LOW, HIGH),
        summary="{min_val:g} to {max_val:g}",
        keywords="clip clamp piecewise",
        formula="y = min(max(a, x), b)",
        source="Collobert et al. (2011), Natural Language Processing (Almost) from Scratch, JMLR 12",
    ),
    LayerSpec(
        "GLU",
        "Activation",
        "Halves an axis: one half is the signal, the other decides how much of it passes.",
        _glu,
        params=(HALVED,),
        module=lambda p, _xs: call("nn.GLU", **({} if p["dim"] == -1 else {"dim": p["dim"]})),
        flops=lambda _p, _xs, out: 2 * out.numel,
        summary="axis {dim}",
        keywords="gated linear unit gate",
        formula="y = a·σ(b), x = [a, b]",
        source="Dauphin et al. (2017), Language Modeling with Gated Convolutional Networks, ICML",
    ),
    LayerSpec(
        "Softmax",
        "Activation",
        "Turns scores along an axis into shares that sum to 1. Not needed before the Output: the loss for classes "
        "does it.",
        _along("Softmax"),
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
    LayerSpec(
        "LogSoftmax",
        "Activation",
        "The logarithm of softmax, which stays exact where a share is tiny. Not needed before the Output: the loss for "
        "classes does it.",
        _along("LogSoftmax"),
        params=(DIM,),
        module=lambda p, _xs: call("nn.LogSoftmax", dim=p["dim"]),
        flops=lambda _p, _xs, out: 3 * out.numel,
        summary="axis {dim}",
        keywords="log probability normalised",
        formula="yᵢ = xᵢ − ln Σⱼ e^xⱼ",
        source="Bridle (1990), Probabilistic Interpretation of Feedforward Classification Network Outputs, "
        "Neurocomputing",
    ),
)
