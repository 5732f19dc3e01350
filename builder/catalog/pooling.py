"""Layers that shrink a signal or an image by summing up neighbourhoods."""

from __future__ import annotations

from collections.abc import Callable

from builder.catalog.rules import IMAGE, SIGNAL, changed, needs_float, needs_layout, needs_room, put, window_size
from builder.diagnostic import Diagnostic
from builder.spec import Call, Inputs, LayerSpec, Param, Params, TensorSpec, call

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
PARAMS = (
    Param("kernel_size", "int", 2, 1, 1024, label="Window", symbol="k", help="Side of the window."),
    STRIDE,
    PADDING,
    CEIL,
)


def _needs_small_padding(p: Params) -> Diagnostic | None:
    half = p["kernel_size"] // 2
    if p["padding"] <= half:
        return None
    return Diagnostic(
        "shape/padding-too-large",
        f"A window of {p['kernel_size']} takes a padding of {half} or less, but the padding is {p['padding']}.",
        f"Set the padding to {half}, or use a larger window.",
        field="padding",
        fix=put(f"Set the padding to {half}", padding=half),
    )


def _infer(layer: str, layout: tuple[str, ...]) -> Callable[[Params, Inputs], TensorSpec | Diagnostic]:
    def infer(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
        x = xs[0]
        problem = needs_float(layer, x) or needs_layout(layer, layout, x) or _needs_small_padding(p) or needs_room(p, x)
        return problem or TensorSpec((x.shape[0], *(window_size(n, p) for n in x.shape[1:])), axes=layout)

    return infer


def _module(layer: str) -> Callable[[Params, Inputs], Call]:
    return lambda p, _xs: call(f"nn.{layer}", p["kernel_size"], **changed(p, (STRIDE, PADDING, CEIL)))


def _pool(layer: str, layout: tuple[str, ...], help_: str, summary: str, **about: str) -> LayerSpec:
    dims = len(layout) - 1
    return LayerSpec(
        layer,
        "Pooling",
        help_,
        _infer(layer, layout),
        params=PARAMS,
        module=_module(layer),
        flops=lambda p, _xs, out: out.numel * p["kernel_size"] ** dims,
        summary=summary,
        **about,  # type: ignore[arg-type]
    )


def _adaptive(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x, side = xs[0], p["output_size"]
    problem = needs_float("AdaptiveAvgPool2d", x) or needs_layout("AdaptiveAvgPool2d", IMAGE, x)
    return problem or TensorSpec((x.shape[0], side, side), axes=IMAGE)


LAYERS = (
    _pool(
        "MaxPool1d",
        SIGNAL,
        "Keeps the largest value of each window along a signal: whether a pattern occurred, not exactly where.",
        "window {kernel_size}",
        keywords="downsample maximum signal",
        formula="y[c, t] = max x[c, stride·t + i − padding], 0 ≤ i < k",
        source="Zhou & Chellappa (1988), Computation of optical flow using a neural network, ICNN",
    ),
    _pool(
        "MaxPool2d",
        IMAGE,
        "Keeps the largest value of each window of an image. The image shrinks, and small shifts stop to matter.",
        "window {kernel_size} × {kernel_size}",
        keywords="downsample maximum image",
        formula="y[c, r, s] = max x[c, stride·r + i − padding, stride·s + j − padding], 0 ≤ i, j < k",
        source="Riesenhuber & Poggio (1999), Hierarchical models of object recognition in cortex, Nature "
        "Neuroscience 2",
    ),
    _pool(
        "AvgPool2d",
        IMAGE,
        "Takes the mean of each window of an image. Smoother than the maximum; the original LeNet used it.",
        "window {kernel_size} × {kernel_size}",
        keywords="downsample mean average image subsampling",
        formula="y[c, r, s] = 1/k² · Σ x[c, stride·r + i − padding, stride·s + j − padding], 0 ≤ i, j < k",
        source="LeCun et al. (1998), Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 86(11)",
    ),
    LayerSpec(
        "AdaptiveAvgPool2d",
        "Pooling",
        "Takes means so that the image comes out at the size asked for, whatever size came in. With size 1 it is "
        "global average pooling: one number per channel.",
        _adaptive,
        params=(Param("output_size", "int", 1, 1, 1024, label="Output side", help="Height and width that come out."),),
        module=lambda p, _xs: call("nn.AdaptiveAvgPool2d", p["output_size"]),
        flops=lambda _p, xs, _out: xs[0].numel,
        summary="to {output_size} × {output_size}",
        keywords="global average mean image",
        formula="y[c, r, s] = mean of x[c, ⌊r·H/h⌋ … ⌈(r+1)·H/h⌉ − 1, ⌊s·W/w⌋ … ⌈(s+1)·W/w⌉ − 1]",
        source="Lin, Chen & Yan (2013), Network In Network, arXiv:1312.4400",
    ),
)
