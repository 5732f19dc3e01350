"""Layers that shrink a signal or an image by summing up neighbourhoods."""

from __future__ import annotations

import math
from collections.abc import Callable

from builder.catalog.convolution import along
from builder.catalog.rules import (
    IMAGE,
    SIGNAL,
    VOLUME,
    axis,
    changed,
    needs_axis,
    needs_float,
    needs_layout,
    needs_room,
    needs_spare_axis,
    one_or_each,
    per_axis,
    put,
    told,
    window_sizes,
    without_axis,
)
from builder.diagnostic import Diagnostic
from builder.spec import Call, In, Inputs, LayerSpec, Param, Params, TensorSpec, call

STRIDE = Param(
    "stride",
    "int",
    None,
    1,
    1024,
    label="Stride",
    help="How far the window moves at each step. Not set: as far as it is wide, so that windows do not overlap.",
    optional=True,
)
PADDING = Param("padding", "int", 0, 0, 512, label="Padding", help="Added on each side; at most half the window.")
CEIL = Param("ceil_mode", "bool", False, label="Round up", help="Keeps a last window that hangs over the edge.")
WINDOW = Param("kernel_size", "int", 2, 1, 1024, label="Window", symbol="k", help="Side of the window.")


def _needs_small_padding(p: Params, dims: int) -> Diagnostic | None:
    kernels, given = per_axis(p["kernel_size"], dims), per_axis(p["padding"], dims)
    if all(a <= k // 2 for a, k in zip(given, kernels, strict=True)):
        return None
    half = one_or_each(k // 2 for k in kernels)
    return Diagnostic(
        "shape/padding-too-large",
        f"A window of {told(p['kernel_size'])} takes a padding of {told(half)} or less, but the padding is "
        f"{told(p['padding'])}.",
        f"Set the padding to {told(half)}, or use a larger window.",
        field="padding",
        fix=put(f"Set the padding to {told(half)}", padding=half),
    )


def _infer(layer: str, layout: tuple[str, ...]) -> Callable[[Params, Inputs], TensorSpec | Diagnostic]:
    def infer(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
        x, dims = xs[0], len(layout) - 1
        problem = needs_float(layer, x) or needs_layout(layer, layout, x)
        problem = problem or _needs_small_padding(p, dims) or needs_room(p, x)
        if not problem and layer == "AvgPool3d":  # the only one for which torch does not count the padding here
            problem = needs_room({**p, "padding": 0, "ceil_mode": False}, x, pads=False)
        if problem:
            return problem
        return TensorSpec((x.shape[0], *window_sizes(x.shape[1:], p)), axes=layout)

    return infer


def _module(layer: str) -> Callable[[Params, Inputs], Call]:
    return lambda p, _xs: call(f"nn.{layer}", p["kernel_size"], **changed(p, (STRIDE, PADDING, CEIL)))


def _pool(layer: str, layout: tuple[str, ...], help_: str, **about: str) -> LayerSpec:
    dims = len(layout) - 1
    return LayerSpec(
        layer,
        "Pooling",
        help_,
        _infer(layer, layout),
        params=(*(along(param, dims) for param in (WINDOW, STRIDE, PADDING)), CEIL),
        module=_module(layer),
        flops=lambda p, _xs, out: out.numel * math.prod(per_axis(p["kernel_size"], dims)),
        summary="window {kernel_size}",
        **about,  # type: ignore[arg-type]
    )


OUTPUT_SIZE = Param("output_size", "int", 1, 1, 1024, label="Output side", help="Size that comes out along each axis.")


def _adaptive(layer: str, layout: tuple[str, ...], help_: str, **about: str) -> LayerSpec:
    dims = len(layout) - 1

    def infer(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
        x, sides = xs[0], per_axis(p["output_size"], dims)
        return needs_float(layer, x) or needs_layout(layer, layout, x) or TensorSpec((x.shape[0], *sides), axes=layout)

    return LayerSpec(
        layer,
        "Pooling",
        help_,
        infer,
        params=(along(OUTPUT_SIZE, dims),),
        module=lambda p, _xs: call(f"nn.{layer}", p["output_size"]),
        flops=lambda _p, xs, _out: xs[0].numel,
        summary="to {output_size}",
        **about,  # type: ignore[arg-type]
    )


DIM = Param("dim", "int", 1, -7, 6, label="Axis", help="Axis that is summed up: 1 is the first after the batch.")


def _along_axis(layer: str, function: str, help_: str, **about: str) -> LayerSpec:
    """One number in place of a whole axis, which falls away."""

    def infer(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
        x = xs[0]
        problem = needs_float(layer, x) or needs_spare_axis(layer, x) or needs_axis(layer, p["dim"], x)
        return problem or without_axis(x, axis(p["dim"], len(x.shape)) or 0)

    return LayerSpec(
        layer,
        "Pooling",
        help_,
        infer,
        params=(DIM,),
        forward=lambda p, _xs: call(function, In(), dim=p["dim"]),
        flops=lambda _p, xs, _out: xs[0].numel,
        summary="axis {dim}",
        **about,  # type: ignore[arg-type]
    )


ADAPTIVE_SOURCE = "Lin, Chen & Yan (2013), Network In Network, arXiv:1312.4400"
PYRAMID_SOURCE = "He et al. (2014), Spatial Pyramid Pooling in Deep Convolutional Networks, ECCV"
LENET_SOURCE = "LeCun et al. (1998), Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 86(11)"

LAYERS = (
    _pool(
        "MaxPool1d",
        SIGNAL,
        "Keeps the largest value of each window along a signal: whether a pattern occurred, not exactly where.",
        keywords="downsample maximum signal",
        formula="y[c, t] = max x[c, stride·t + i − padding], 0 ≤ i < k",
        source="Zhou & Chellappa (1988), Computation of optical flow using a neural network, ICNN",
    ),
    _pool(
        "MaxPool2d",
        IMAGE,
        "Keeps the largest value of each window of an image. The image shrinks, and small shifts stop to matter.",
        keywords="downsample maximum image",
        formula="y[c, r, s] = max x[c, stride·r + i − padding, stride·s + j − padding], 0 ≤ i, j < k",
        source="Riesenhuber & Poggio (1999), Hierarchical models of object recognition in cortex, Nature "
        "Neuroscience 2",
    ),
    _pool(
        "MaxPool3d",
        VOLUME,
        "Keeps the largest value of each window of a volume, such as a scan or a video.",
        keywords="downsample maximum volume video",
        formula="y[c, q, r, s] = max x[c, stride·q + h, stride·r + i, stride·s + j], 0 ≤ h, i, j < k",
        source="Tran et al. (2015), Learning Spatiotemporal Features with 3D Convolutional Networks, ICCV",
    ),
    _pool(
        "AvgPool1d",
        SIGNAL,
        "Takes the mean of each window along a signal: smooths it and makes it shorter.",
        keywords="downsample mean average smooth signal",
        formula="y[c, t] = 1/k · Σ x[c, stride·t + i − padding], 0 ≤ i < k",
        source=LENET_SOURCE,
    ),
    _pool(
        "AvgPool2d",
        IMAGE,
        "Takes the mean of each window of an image. Smoother than the maximum; the original LeNet used it.",
        keywords="downsample mean average image subsampling",
        formula="y[c, r, s] = 1/k² · Σ x[c, stride·r + i − padding, stride·s + j − padding], 0 ≤ i, j < k",
        source=LENET_SOURCE,
    ),
    _pool(
        "AvgPool3d",
        VOLUME,
        "Takes the mean of each window of a volume, such as a scan or a video.",
        keywords="downsample mean average volume video",
        formula="y[c, q, r, s] = 1/k³ · Σ x[c, stride·q + h, stride·r + i, stride·s + j], 0 ≤ h, i, j < k",
        source="Ji et al. (2010), 3D Convolutional Neural Networks for Human Action Recognition, ICML",
    ),
    _adaptive(
        "AdaptiveAvgPool1d",
        SIGNAL,
        "Takes means so that the signal comes out at the length asked for. With length 1 it is global average "
        "pooling: one number per channel.",
        keywords="global average pooling gap mean signal",
        formula="y[c, t] = mean of x[c, ⌊t·T/n⌋ … ⌈(t+1)·T/n⌉ − 1]",
        source=ADAPTIVE_SOURCE,
    ),
    _adaptive(
        "AdaptiveAvgPool2d",
        IMAGE,
        "Takes means so that the image comes out at the size asked for, whatever size came in. With size 1 it is "
        "global average pooling: one number per channel.",
        keywords="global average pooling gap mean image",
        formula="y[c, r, s] = mean of x[c, ⌊r·H/h⌋ … ⌈(r+1)·H/h⌉ − 1, ⌊s·W/w⌋ … ⌈(s+1)·W/w⌉ − 1]",
        source=ADAPTIVE_SOURCE,
    ),
    _adaptive(
        "AdaptiveAvgPool3d",
        VOLUME,
        "Takes means so that the volume comes out at the size asked for. With size 1 it is global average pooling: "
        "one number per channel.",
        keywords="global average pooling gap mean volume video",
        formula="y[c, q, r, s] = mean of the block of x[c] that lies there",
        source=ADAPTIVE_SOURCE,
    ),
    _adaptive(
        "AdaptiveMaxPool1d",
        SIGNAL,
        "Keeps the largest values so that the signal comes out at the length asked for. With length 1 it is global "
        "max pooling: the strongest answer of each channel.",
        keywords="global max pooling maximum signal",
        formula="y[c, t] = max of x[c, ⌊t·T/n⌋ … ⌈(t+1)·T/n⌉ − 1]",
        source=PYRAMID_SOURCE,
    ),
    _adaptive(
        "AdaptiveMaxPool2d",
        IMAGE,
        "Keeps the largest values so that the image comes out at the size asked for. With size 1 it is global max "
        "pooling: the strongest answer of each channel.",
        keywords="global max pooling maximum image",
        formula="y[c, r, s] = max of x[c, ⌊r·H/h⌋ … ⌈(r+1)·H/h⌉ − 1, ⌊s·W/w⌋ … ⌈(s+1)·W/w⌉ − 1]",
        source=PYRAMID_SOURCE,
    ),
    _adaptive(
        "AdaptiveMaxPool3d",
        VOLUME,
        "Keeps the largest values so that the volume comes out at the size asked for. With size 1 it is global max "
        "pooling: the strongest answer of each channel.",
        keywords="global max pooling maximum volume video",
        formula="y[c, q, r, s] = max of the block of x[c] that lies there",
        source=PYRAMID_SOURCE,
    ),
    _along_axis(
        "Mean",
        "torch.mean",
        "Takes the mean along one axis, which falls away: of a sequence over time, say, before a Linear that "
        "classifies it.",
        keywords="average reduce global pooling axis sequence",
        formula="y = 1/n · Σᵢ xᵢ along the axis",
        source=ADAPTIVE_SOURCE,
    ),
    _along_axis(
        "Max",
        "torch.amax",
        "Keeps the largest value along one axis, which falls away: the strongest answer over time, say.",
        keywords="maximum reduce global pooling axis sequence",
        formula="y = maxᵢ xᵢ along the axis",
        source="Collobert et al. (2011), Natural Language Processing (Almost) from Scratch, JMLR 12",
    ),
)
