"""Layers that slide one small filter over a signal or an image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from builder.catalog.dense import BIAS
from builder.catalog.initialisation import INIT
from builder.catalog.rules import (
    IMAGE,
    SIGNAL,
    VOLUME,
    changed,
    needs_float,
    needs_layout,
    needs_room,
    per_axis,
    put,
    told,
    window_sizes,
)
from builder.diagnostic import Diagnostic
from builder.spec import Call, Inputs, LayerSpec, Param, Params, Shape, TensorSpec, call

STRIDE = Param("stride", "int", 1, 1, 1024, label="Stride", help="How far the filter moves at each step.")
PADDING = Param("padding", "int", 0, 0, 1024, label="Padding", help="Zeros added on each side.")
DILATION = Param("dilation", "int", 1, 1, 256, label="Dilation", help="Distance between the points of the filter.")
GROUPS = Param(
    "groups",
    "int",
    1,
    1,
    100_000,
    label="Groups",
    help="Splits the channels into groups that do not see each other. As many as channels is a depthwise convolution.",
)
FILTERS = Param("out_channels", "int", 16, 1, 100_000, label="Filters", help="How many filters; each gives a channel.")
KERNEL = Param("kernel_size", "int", 3, 1, 1024, label="Kernel size", symbol="k", help="Side of the filter.")
SAME = Param(
    "same_padding",
    "bool",
    False,
    label="Keep the size",
    help="Adds as many zeros as keep the size (padding='same' in torch). 'Padding' is then not used.",
)


def along(param: Param, dims: int) -> Param:
    """``param`` as one number, or one for each of ``dims`` axes."""
    if dims == 1:
        return param
    example = "3 × 5" if dims == 2 else "1 × 3 × 3"
    return replace(param, axes=dims, help=f"{param.help} One number, or one per axis: {example}.")


def _problem(layer: str, layout: tuple[str, ...], p: Params, x: TensorSpec) -> Diagnostic | None:
    return (
        needs_float(layer, x)
        or needs_layout(layer, layout, x)
        or needs_groups(layer, p, x.shape[0])
        or (_needs_unit_stride(p) if p["same_padding"] else needs_room(p, x))
    )


def needs_groups(layer: str, p: Params, channels: int) -> Diagnostic | None:
    groups, filters = p["groups"], p["out_channels"]
    if channels % groups == 0 and filters % groups == 0:
        return None
    return Diagnostic(
        "shape/groups-do-not-divide",
        f"{layer} cannot split {channels} channels and {filters} filters into {groups} equal groups.",
        "Use a number of groups that divides both.",
        field="groups",
        fix=put("Use one group", groups=1),
    )


def _needs_unit_stride(p: Params) -> Diagnostic | None:
    if p["stride"] == 1:
        return None
    return Diagnostic(
        "shape/same-needs-stride-1",
        f"'Keep the size' needs a stride of 1, but the stride is {told(p['stride'])}.",
        "Set the stride to 1, or set the padding by hand.",
        field="stride",
        fix=put("Set the stride to 1", stride=1),
    )


def _infer(layer: str, layout: tuple[str, ...]) -> Callable[[Params, Inputs], TensorSpec | Diagnostic]:
    def infer(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
        if problem := _problem(layer, layout, p, xs[0]):
            return problem
        sides = xs[0].shape[1:] if p["same_padding"] else window_sizes(xs[0].shape[1:], p)
        return TensorSpec((p["out_channels"], *sides), axes=layout)

    return infer


def _weights(dims: int) -> Callable[[Params, Inputs], dict[str, Shape]]:
    def weights(p: Params, xs: Inputs) -> dict[str, Shape]:
        kernel = per_axis(p["kernel_size"], dims)
        weight = {"weight": (p["out_channels"], xs[0].shape[0] // p["groups"], *kernel)}
        return weight | ({"bias": (p["out_channels"],)} if p["bias"] else {})

    return weights


def _module(layer: str) -> Callable[[Params, Inputs], Call]:
    def module(p: Params, xs: Inputs) -> Call:
        padding = {"padding": "same"} if p["same_padding"] else changed(p, (PADDING,))
        rest = changed(p, (STRIDE,)) | padding | changed(p, (DILATION, GROUPS, BIAS))
        return call(f"nn.{layer}", xs[0].shape[0], p["out_channels"], kernel_size=p["kernel_size"], **rest)

    return module


def _convolution(layer: str, layout: tuple[str, ...], help_: str, **about: str) -> LayerSpec:
    dims = len(layout) - 1
    return LayerSpec(
        layer,
        "Convolution",
        help_,
        _infer(layer, layout),
        params=(
            FILTERS,
            *(along(param, dims) for param in (KERNEL, STRIDE, PADDING)),
            SAME,
            along(DILATION, dims),
            GROUPS,
            BIAS,
            INIT,
        ),
        weights=_weights(dims),
        module=_module(layer),
        flops=lambda p, xs, out: 2 * out.numel * math.prod(_weights(dims)(p, xs)["weight"][1:]),
        summary="{out_channels} filters of {kernel_size}",
        **about,  # type: ignore[arg-type]
    )


LAYERS = (
    _convolution(
        "Conv1d",
        SIGNAL,
        "Slides small filters along a signal. Each filter learns one pattern and answers where it occurs.",
        keywords="convolution signal filter temporal",
        formula="y[o, t] = b[o] + Σ W[o, c, i]·x[c, stride·t + dilation·i − padding]",
        source="Waibel et al. (1989), Phoneme Recognition Using Time-Delay Neural Networks, IEEE TASSP 37(3)",
    ),
    _convolution(
        "Conv2d",
        IMAGE,
        "Slides small filters over an image. Each filter learns one pattern (an edge, a corner, a texture) and answers "
        "where it occurs, wherever that is.",
        keywords="convolution image filter cnn",
        formula="y[o, r, s] = b[o] + Σ W[o, c, i, j]·x[c, stride·r + dilation·i − padding, stride·s + dilation·j − "
        "padding]",
        source="LeCun et al. (1998), Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 86(11)",
    ),
    _convolution(
        "Conv3d",
        VOLUME,
        "Slides small filters through a volume, such as a scan, or a video whose depth is time.",
        keywords="convolution volume video filter medical",
        formula="y[o, q, r, s] = b[o] + Σ W[o, c, h, i, j]·x[c, stride·q + h, stride·r + i, stride·s + j], shifted by "
        "the padding",
        source="Ji et al. (2010), 3D Convolutional Neural Networks for Human Action Recognition, ICML",
    ),
)
