"""Layers that keep signals at a steady size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from builder.catalog.rules import IMAGE, VOLUME, changed, counted, needs_float, needs_layout, put
from builder.diagnostic import Diagnostic, Fix
from builder.edit import RemoveNode
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
LAST_AXES = Param("last_axes", "int", 1, 1, 6, label="Axes", help="How many of the last axes are taken together.")
ROOT_EPS = replace(EPS, default=None, optional=True, help="Keeps the division from zero. Not set: 1.2e-7.")
FACTOR = replace(ELEMENTWISE, label="Scale", help="Learns a factor γ per value.")
NO_AFFINE = replace(AFFINE, default=False)
GROUP_COUNT = Param("num_groups", "int", 4, 1, 100_000, label="Groups", help="Parts into which the channels fall.")
RESPONSE_PARAMS = (
    Param("alpha", "float", 1e-4, 0.0, 10.0, label="Strength", symbol="α", help="How much neighbours dampen."),
    Param("beta", "float", 0.75, 0.0, 10.0, label="Exponent", symbol="β", help="How steeply they dampen."),
    Param("k", "float", 1.0, 1e-3, 100.0, label="Offset", symbol="k", help="Damping without any neighbour."),
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


def _of_layout(layer: str, layout: tuple[str, ...]) -> Callable[[Params, Inputs], TensorSpec | Diagnostic]:
    return lambda _p, xs: needs_float(layer, xs[0]) or needs_layout(layer, layout, xs[0]) or xs[0]


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


def _last_axes(layer: str) -> Callable[[Params, Inputs], TensorSpec | Diagnostic]:
    def infer(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
        x, n = xs[0], p["last_axes"]
        if problem := needs_float(layer, x):
            return problem
        if n <= len(x.shape):
            return x
        return Diagnostic(
            "shape/no-such-axis",
            f"{layer} is to work over the last {n} axes, but {x} has only {len(x.shape)}.",
            f"Use {len(x.shape)} or fewer.",
            field="last_axes",
            fix=put("Use the last axis", last_axes=1),
        )

    return infer


def _last_axes_module(layer: str, eps: Param) -> Callable[[Params, Inputs], Call]:
    def module(p: Params, xs: Inputs) -> Call:
        shape = _normalised(p, xs[0])
        return call(f"nn.{layer}", shape[0] if len(shape) == 1 else shape, **changed(p, (eps, ELEMENTWISE)))

    return module


def _last_axes_weights(*names: str) -> Callable[[Params, Inputs], dict[str, Shape]]:
    return lambda p, xs: dict.fromkeys(names, _normalised(p, xs[0])) if p["elementwise_affine"] else {}


def _group_norm(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x, groups = xs[0], p["num_groups"]
    if problem := needs_float("GroupNorm", x):
        return problem
    channels = x.shape[0]
    if channels % groups == 0:
        return x
    largest = next(n for n in range(min(groups, channels), 0, -1) if channels % n == 0)
    return Diagnostic(
        "shape/groups-do-not-divide",
        f"GroupNorm cannot split {channels} channels into {groups} equal groups.",
        "Use a number of groups that divides the channels.",
        field="num_groups",
        fix=put(f"Set the groups to {largest}", num_groups=largest),
    )


def _instance_norm(_p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x = xs[0]
    if problem := needs_float("InstanceNorm2d", x) or needs_layout("InstanceNorm2d", IMAGE, x):
        return problem
    if math.prod(x.shape[1:]) > 1:
        return x
    return Diagnostic(
        "shape/one-value-per-channel",
        f"InstanceNorm2d compares the places of a channel, but {x} has only one.",
        "Leave it out, or put it where the image is larger.",
        fix=Fix("Leave this InstanceNorm2d out", (RemoveNode(""),)),
    )


def _response_norm(_p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x = xs[0]
    if problem := needs_float("LocalResponseNorm", x):
        return problem
    if len(x.shape) >= 2:
        return x
    return Diagnostic(
        "shape/wrong-rank",
        f"LocalResponseNorm needs channels and places, but gets {x} ({counted(len(x.shape), 'axis')}).",
        "Put it after a convolution.",
    )


LAYERS = (
    _batch_norm(
        "BatchNorm1d",
        _batch_norm_1d,
        "Standardises each feature over the batch, then scales and shifts it. Lets deep networks train faster. In "
        "evaluation it uses running averages instead of the batch.",
    ),
    _batch_norm(
        "BatchNorm2d",
        _of_layout("BatchNorm2d", IMAGE),
        "Standardises each channel of an image over the batch and all places, then scales and shifts it. In "
        "evaluation it uses running averages instead of the batch.",
    ),
    _batch_norm(
        "BatchNorm3d",
        _of_layout("BatchNorm3d", VOLUME),
        "Standardises each channel of a volume over the batch and all places, then scales and shifts it. In "
        "evaluation it uses running averages instead of the batch.",
    ),
    LayerSpec(
        "LayerNorm",
        "Normalisation",
        "Standardises each example by itself, over its last axis or axes. Works the same in training and evaluation, "
        "and with any batch size.",
        _last_axes("LayerNorm"),
        params=(LAST_AXES, EPS, ELEMENTWISE),
        weights=_last_axes_weights("weight", "bias"),
        module=_last_axes_module("LayerNorm", EPS),
        flops=lambda _p, _xs, out: 7 * out.numel,  # mean, difference, square, variance, quotient, factor, offset
        keywords="layer normalization standardise transformer",
        formula="y = (x − mean) / √(var + ε) · γ + β, per example",
        source="Ba, Kiros & Hinton (2016), Layer Normalization, arXiv:1607.06450",
    ),
    LayerSpec(
        "RMSNorm",
        "Normalisation",
        "Scales each example by itself to a root mean square of 1, over its last axis or axes. LayerNorm without the "
        "mean; cheaper, and as good in transformers.",
        _last_axes("RMSNorm"),
        params=(LAST_AXES, ROOT_EPS, FACTOR),
        weights=_last_axes_weights("weight"),
        module=_last_axes_module("RMSNorm", ROOT_EPS),
        flops=lambda _p, _xs, out: 4 * out.numel,  # square, sum, quotient, factor
        keywords="root mean square normalization transformer llama",
        formula="y = x / √(mean(x²) + ε) · γ, per example",
        source="Zhang & Sennrich (2019), Root Mean Square Layer Normalization, NeurIPS",
    ),
    LayerSpec(
        "GroupNorm",
        "Normalisation",
        "Standardises each example by itself, over groups of channels and all their places. Works with any batch "
        "size; one group takes all channels together.",
        _group_norm,
        params=(GROUP_COUNT, EPS, AFFINE),
        weights=_channels,
        module=lambda p, xs: call("nn.GroupNorm", p["num_groups"], xs[0].shape[0], **changed(p, (EPS, AFFINE))),
        flops=lambda _p, _xs, out: 7 * out.numel,
        summary="{num_groups} groups",
        keywords="group normalization standardise small batch",
        formula="y = (x − mean) / √(var + ε) · γ + β, per example and group of channels",
        source="Wu & He (2018), Group Normalization, ECCV",
    ),
    LayerSpec(
        "InstanceNorm2d",
        "Normalisation",
        "Standardises each channel of each image by itself, so that contrast and brightness stop to matter. Used for "
        "style transfer.",
        _instance_norm,
        params=(EPS, NO_AFFINE),
        weights=_channels,
        module=lambda p, xs: call("nn.InstanceNorm2d", xs[0].shape[0], **changed(p, (EPS, NO_AFFINE))),
        flops=lambda _p, _xs, out: 7 * out.numel,
        keywords="instance normalization style contrast",
        formula="y = (x − mean) / √(var + ε) · γ + β, per example and channel",
        source="Ulyanov, Vedaldi & Lempitsky (2016), Instance Normalization, arXiv:1607.08022",
    ),
    LayerSpec(
        "LocalResponseNorm",
        "Normalisation",
        "Dampens a value where neighbouring channels are strong too. Used in AlexNet; batch normalisation has taken "
        "its place.",
        _response_norm,
        params=(
            Param("size", "int", 5, 1, 1024, label="Neighbours", symbol="n", help="Channels taken together."),
            *RESPONSE_PARAMS,
        ),
        module=lambda p, _xs: call("nn.LocalResponseNorm", p["size"], **changed(p, RESPONSE_PARAMS)),
        flops=lambda p, _xs, out: (p["size"] + 4) * out.numel,
        inner=lambda _p, xs: 3 * xs[0].numel,
        summary="{size} channels",
        keywords="lrn alexnet lateral inhibition brightness",
        formula="y = x / (k + α/n · Σ x² over n neighbouring channels)^β",
        source="Krizhevsky, Sutskever & Hinton (2012), ImageNet Classification with Deep Convolutional Neural "
        "Networks, NeurIPS",
    ),
)
