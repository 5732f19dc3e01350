"""Layers that enlarge a signal or an image with learnt filters: the convolution's transpose."""

from __future__ import annotations

import math
from collections.abc import Callable

from builder.catalog.convolution import DILATION, FILTERS, GROUPS, KERNEL, PADDING, along, needs_groups
from builder.catalog.dense import BIAS
from builder.catalog.initialisation import INIT
from builder.catalog.rules import IMAGE, SIGNAL, changed, needs_float, needs_layout, per_axis, put, times, told
from builder.diagnostic import Diagnostic
from builder.spec import Call, Inputs, LayerSpec, Param, Params, Shape, TensorSpec, call

WINDOW = Param("kernel_size", "int", 2, 1, 1024, label="Kernel size", symbol="k", help=KERNEL.help)
STRIDE = Param("stride", "int", 2, 1, 1024, label="Stride", help="How many times longer each side becomes.")
EXTRA = Param(
    "output_padding", "int", 0, 0, 1024, label="Extra places", help="Added at the end; less than stride or dilation."
)
CUT = Param("padding", "int", 0, 0, 1024, label="Padding", help="Places cut off on each side of the output.")


def _sides(sides: Shape, p: Params) -> Shape:
    """``(n − 1)·stride − 2·padding + dilation·(k − 1) + extra + 1`` along each side."""
    names = ("stride", "padding", "dilation", "kernel_size", "output_padding")
    each = zip(sides, *(per_axis(p[name], len(sides)) for name in names), strict=True)
    return tuple((n - 1) * s - 2 * cut + d * (k - 1) + extra + 1 for n, s, cut, d, k, extra in each)


def _needs_less_extra(p: Params, dims: int) -> Diagnostic | None:
    each = zip(*(per_axis(p[name], dims) for name in ("output_padding", "stride", "dilation")), strict=True)
    if all(extra < max(s, d) for extra, s, d in each):
        return None
    return Diagnostic(
        "shape/output-padding-too-large",
        f"The extra places must be fewer than the stride or the dilation, but they are {told(p['output_padding'])} "
        f"with stride {told(p['stride'])} and dilation {told(p['dilation'])}.",
        "Set the extra places to 0.",
        field="output_padding",
        fix=put("Set the extra places to 0", output_padding=0),
    )


def _needs_output(p: Params, sides: Shape) -> Diagnostic | None:
    if min(_sides(sides, p)) >= 1:
        return None
    return Diagnostic(
        "shape/padding-cuts-all",
        f"A padding of {told(p['padding'])} cuts away more than this layer makes from {times(sides)}.",
        "Use a smaller padding.",
        field="padding",
        fix=put("Set the padding to 0", padding=0),
    )


def _infer(layer: str, layout: tuple[str, ...]) -> Callable[[Params, Inputs], TensorSpec | Diagnostic]:
    def infer(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
        x, dims = xs[0], len(layout) - 1
        problem = needs_float(layer, x) or needs_layout(layer, layout, x) or needs_groups(layer, p, x.shape[0])
        if problem := problem or _needs_less_extra(p, dims) or _needs_output(p, x.shape[1:]):
            return problem
        return TensorSpec((p["out_channels"], *_sides(x.shape[1:], p)), axes=layout)

    return infer


def _transposed(layer: str, layout: tuple[str, ...], help_: str, **about: str) -> LayerSpec:
    dims = len(layout) - 1

    def weights(p: Params, xs: Inputs) -> dict[str, Shape]:
        weight = (xs[0].shape[0], p["out_channels"] // p["groups"], *per_axis(p["kernel_size"], dims))
        return {"weight": weight} | ({"bias": (p["out_channels"],)} if p["bias"] else {})

    def module(p: Params, xs: Inputs) -> Call:
        sizes = {"kernel_size": p["kernel_size"], "stride": p["stride"]}
        rest = changed(p, (PADDING, EXTRA, GROUPS, BIAS, DILATION))
        return call(f"nn.{layer}", xs[0].shape[0], p["out_channels"], **sizes, **rest)

    return LayerSpec(
        layer,
        "Convolution",
        help_,
        _infer(layer, layout),
        params=(FILTERS, *(along(a, dims) for a in (WINDOW, STRIDE, CUT, EXTRA, DILATION)), GROUPS, BIAS, INIT),
        weights=weights,
        module=module,
        # each input value is multiplied with every weight of its channel
        flops=lambda p, xs, _out: 2 * xs[0].numel * math.prod(weights(p, xs)["weight"][1:]),
        summary="{out_channels} filters of {kernel_size}, stride {stride}",
        **about,  # type: ignore[arg-type]
    )


LAYERS = (
    _transposed(
        "ConvTranspose1d",
        SIGNAL,
        "Makes a signal longer with learnt filters: each value is written out as a whole pattern.",
        keywords="transposed deconvolution upsample decoder generator signal",
        formula="y[o, stride·t + dilation·i − padding] += W[c, o, i]·x[c, t]",
        source="Zeiler et al. (2010), Deconvolutional Networks, CVPR",
    ),
    _transposed(
        "ConvTranspose2d",
        IMAGE,
        "Makes an image larger with learnt filters: each value is written out as a whole pattern. Used in decoders, "
        "generators and U-Nets; kernel 2 and stride 2 double the sides.",
        keywords="transposed deconvolution upsample decoder generator unet",
        formula="y[o, stride·r + i − padding, stride·s + j − padding] += W[c, o, i, j]·x[c, r, s]",
        source="Zeiler et al. (2010), Deconvolutional Networks, CVPR",
    ),
)
