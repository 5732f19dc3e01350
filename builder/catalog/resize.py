"""Layers that enlarge an image or add an edge to it without learning anything."""

from __future__ import annotations

from builder.catalog.rules import IMAGE, SIGNAL, changed, needs_float, needs_layout, per_axis, put
from builder.diagnostic import Diagnostic
from builder.spec import Inputs, LayerSpec, Param, Params, TensorSpec, call

MODE = Param(
    "mode",
    "choice",
    "nearest",
    choices=("nearest", "bilinear"),
    label="New values",
    help="'nearest' repeats the nearest value; 'bilinear' goes smoothly from one to the next (images only).",
)


def _upsample(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x = xs[0]
    layout = SIGNAL if len(x.shape) == 2 else IMAGE
    if problem := needs_float("Upsample", x) or needs_layout("Upsample", layout, x):
        return problem
    if layout == SIGNAL and p["mode"] == "bilinear":
        return Diagnostic(
            "shape/bilinear-needs-image",
            f"'bilinear' blends along height and width, but gets {x}, a signal.",
            "Use 'nearest'.",
            field="mode",
            fix=put("Use 'nearest'", mode="nearest"),
        )
    return TensorSpec((x.shape[0], *(p["scale_factor"] * n for n in x.shape[1:])), axes=layout)


def _pixel_shuffle(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x, r = xs[0], p["upscale_factor"]
    if problem := needs_float("PixelShuffle", x) or needs_layout("PixelShuffle", IMAGE, x):
        return problem
    channels, height, width = x.shape
    if channels % (r * r) == 0:
        return TensorSpec((channels // (r * r), r * height, r * width), axes=IMAGE)
    return Diagnostic(
        "shape/channels-do-not-divide",
        f"PixelShuffle by {r} needs a multiple of {r * r} channels, but gets {channels}.",
        f"Give the layer before it a multiple of {r * r} channels.",
        field="upscale_factor",
        fix=put("Set the factor to 1", upscale_factor=1),
    )


def _zero_pad(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x = xs[0]
    if problem := needs_float("ZeroPad2d", x) or needs_layout("ZeroPad2d", IMAGE, x):
        return problem
    left, right, top, bottom = per_axis(p["padding"], 4)
    return TensorSpec((x.shape[0], top + x.shape[1] + bottom, left + x.shape[2] + right), axes=IMAGE)


LAYERS = (
    LayerSpec(
        "Upsample",
        "Shape",
        "Makes an image or a signal larger by repeating or blending its values. Followed by a convolution it is a "
        "calmer way up than ConvTranspose2d.",
        _upsample,
        params=(
            Param("scale_factor", "int", 2, 1, 64, label="Factor", help="How many times longer each side becomes."),
            MODE,
        ),
        module=lambda p, _xs: call("nn.Upsample", scale_factor=p["scale_factor"], **changed(p, (MODE,))),
        flops=lambda p, _xs, out: 0 if p["mode"] == "nearest" else 7 * out.numel,  # four products, three sums
        summary="× {scale_factor}, {mode}",
        keywords="resize enlarge interpolate unet decoder bilinear nearest",
        formula="y[c, r, s] = x[c, ⌊r / factor⌋, ⌊s / factor⌋]",
        source="Odena, Dumoulin & Olah (2016), Deconvolution and Checkerboard Artifacts, Distill",
    ),
    LayerSpec(
        "PixelShuffle",
        "Shape",
        "Turns channels into pixels: each group of r² channels becomes one channel with r times the height and width.",
        _pixel_shuffle,
        params=(Param("upscale_factor", "int", 2, 1, 64, label="Factor", symbol="r", help="Growth of each side."),),
        module=lambda p, _xs: call("nn.PixelShuffle", p["upscale_factor"]),
        flops=lambda _p, _xs, _out: 0,
        summary="× {upscale_factor}",
        keywords="sub-pixel depth to space super-resolution upsample",
        formula="y[c, r·h + i, r·w + j] = x[c·r² + r·i + j, h, w]",
        source="Shi et al. (2016), Real-Time Single Image and Video Super-Resolution, CVPR",
    ),
    LayerSpec(
        "ZeroPad2d",
        "Shape",
        "Adds an edge of zeros around an image, so that a filter without padding reaches its border too.",
        _zero_pad,
        params=(
            Param(
                "padding",
                "int",
                1,
                0,
                1024,
                label="Padding",
                help="One number for all edges, or four: left, right, top, bottom.",
                axes=4,
            ),
        ),
        module=lambda p, _xs: call("nn.ZeroPad2d", p["padding"]),
        flops=lambda _p, _xs, _out: 0,
        summary="by {padding}",
        keywords="padding border edge frame",
        formula="y[c, r, s] = x[c, r − top, s − left], 0 outside",
        source="LeCun et al. (1998), Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 86(11)",
    ),
)
