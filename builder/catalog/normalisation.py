"""Layers that keep signals at a steady size."""

from __future__ import annotations

from collections.abc import Callable

from builder.catalog.rules import IMAGE, changed, counted, needs_float, needs_layout, put
from builder.diagnostic import Diagnostic
from builder.spec import Call, Inputs, LayerSpec, Param, Params, Shape, TensorSpec, call

EPS = Param(
    "eps", "float", 1e-5, 1e-12, 1.0, label="Epsilon", symbol="ε", help="Keeps the division from zero.", log=True
)
MOMENTUM = Param(
    "momentum", "float", 0.1, 0.0, 1.0, label="Momentum", help="Share of each batch in the running mean and variance."
)
AFFINE = Param("affine", "bool", True, label="Scale and shift", help="Learns a factor γ and an offset β per channel.")
ELEMENTWISE = Param(
    "elementwise_affine", "bool", True, label="Scale and shift", help="Learns a factor γ and an offset β per value."
)
BATCH_PARAMS = (EPS, MOMENTUM, AFFINE)
BATCH_SOURCE = "Ioffe & Szegedy (2015), Batch Normalization, ICML"
BATCH_FORMULA = "y = (x − mean) / √(var + ε) · γ + β, per channel over the batch"


def _channels(p: Params, xs: Inputs) -> dict[str, Shape]:
    shape = (xs[0].shape[0],)
    return {"weight": shape, "bias": shape} if p["affine"] else {}


def _batch_norm_1d(_p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x = xs[0]
    if problem := needs_float("BatchNorm1d", x):
        return problem
    if len(x.shape) in (1, 2):
        return x
    return Diagnostic(
        "shape/wrong-rank",
        f"BatchNorm1d needs features or channel × time, but gets {x} ({counted(len(x.shape), 'axis')}).",
        "Use BatchNorm2d for images." if len(x.shape) == 3 else "Put a Flatten before it.",
    )


def _batch_norm_2d(_p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x = xs[0]
    return needs_float("BatchNorm2d", x) or needs_layout("BatchNorm2d", IMAGE, x) or x


def _batch_norm(layer: str, rule: Callable[[Params, Inputs], TensorSpec | Diagnostic], help_: str) -> LayerSpec:
    return LayerSpec(
        layer,
        "Normalisation",
        help_,
        rule,
        params=BATCH_PARAMS,
        weights=_channels,
        module=lambda p, xs: call(f"nn.{layer}", xs[0].shape[0], **changed(p, BATCH_PARAMS)),
        flops=lambda _p, _xs, out: 2 * out.numel,  # with frozen statistics: one factor, one offset
        keywords="batch normalization standardise",
        formula=BATCH_FORMULA,
        source=BATCH_SOURCE,
    )


def _normalised(p: Params, x: TensorSpec) -> Shape:
    return x.shape[len(x.shape) - p["last_axes"] :]


def _layer_norm(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x, n = xs[0], p["last_axes"]
    if problem := needs_float("LayerNorm", x):
        return problem
    if n <= len(x.shape):
        return x
    return Diagnostic(
        "shape/no-such-axis",
        f"LayerNorm is to work over the last {n} axes, but {x} has only {len(x.shape)}.",
        f"Use {len(x.shape)} or fewer.",
        field="last_axes",
        fix=put("Use the last axis", last_axes=1),
    )


def _layer_norm_weights(p: Params, xs: Inputs) -> dict[str, Shape]:
    shape = _normalised(p, xs[0])
    return {"weight": shape, "bias": shape} if p["elementwise_affine"] else {}


def _layer_norm_module(p: Params, xs: Inputs) -> Call:
    shape = _normalised(p, xs[0])
    return call("nn.LayerNorm", shape[0] if len(shape) == 1 else shape, **changed(p, (EPS, ELEMENTWISE)))


LAYERS = (
    _batch_norm(
        "BatchNorm1d",
        _batch_norm_1d,
        "Standardises each feature over the batch, then scales and shifts it. Lets deep networks train faster. In "
        "evaluation it uses running averages instead of the batch.",
    ),
    _batch_norm(
        "BatchNorm2d",
        _batch_norm_2d,
        "Standardises each channel of an image over the batch and all places, then scales and shifts it. In "
        "evaluation it uses running averages instead of the batch.",
    ),
    LayerSpec(
        "LayerNorm",
        "Normalisation",
        "Standardises each example by itself, over its last axis or axes. Works the same in training and evaluation, "
        "and with any batch size.",
        _layer_norm,
        params=(
            Param("last_axes", "int", 1, 1, 6, label="Axes", help="How many of the last axes are taken together."),
            EPS,
            ELEMENTWISE,
        ),
        weights=_layer_norm_weights,
        module=_layer_norm_module,
        flops=lambda _p, _xs, out: 7 * out.numel,  # mean, difference, square, variance, quotient, factor, offset
        keywords="layer normalization standardise transformer",
        formula="y = (x − mean) / √(var + ε) · γ + β, per example",
        source="Ba, Kiros & Hinton (2016), Layer Normalization, arXiv:1607.06450",
    ),
)
