"""Blocks that add what they learn to what came in, so that gradients pass them unhindered."""

from __future__ import annotations

from typing import Any

from builder.blocks.sketch import Sketch
from builder.blocks.spec import BlockSpec
from builder.graph import Graph
from builder.spec import Param, Params, TensorSpec

CHANNELS_IN = Param(
    "in_channels", "int", 16, 1, 100_000, label="Channels in", help="As many as the layer before gives."
)
CHANNELS = Param("channels", "int", 16, 1, 100_000, label="Channels out", help="How many channels it gives.")
STRIDE = Param("stride", "int", 1, 1, 8, label="Stride", help="2 halves the sides of the image.")
WIDTH = Param("width", "int", 4, 1, 100_000, label="Inner channels", help="The narrow part; it gives four times these.")
EXPANSION = Param(
    "expansion", "int", 6, 1, 64, label="Expansion", help="How many times wider it is inside than where it begins."
)
REDUCTION = Param(
    "reduction", "int", 4, 1, 1024, label="Reduction", help="Its hidden layer has channels / reduction units."
)
FOUR = 4  # a bottleneck gives four times its inner channels
HE = "He et al. (2016), Deep Residual Learning for Image Recognition, CVPR"


def channels_of(x: TensorSpec) -> dict[str, Any]:
    """Of an image channel × height × width, as many channels out as in."""
    return {"in_channels": x.shape[0], "channels": x.shape[0]} if len(x.shape) == 3 else {}


def convolved(channels: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> tuple[str, dict[str, Any]]:
    """A Conv2d that keeps the size at stride 1; without bias, since a BatchNorm2d follows."""
    params: dict[str, Any] = {"out_channels": channels, "kernel_size": kernel, "bias": False}
    optional = {"stride": (stride, 1), "padding": (kernel // 2, 0), "groups": (groups, 1)}
    return "Conv2d", params | {name: value for name, (value, plain) in optional.items() if value != plain}


def _shortcut(s: Sketch, x: str, channels_in: int, channels: int, stride: int) -> str:
    """``x`` itself, or projected to the new shape (option B of the paper)."""
    if channels_in == channels and stride == 1:
        return x
    return s.chain(x, convolved(channels, kernel=1, stride=stride), "BatchNorm2d", row=1)


def residual(p: Params) -> Graph:
    s = Sketch()
    x = s.add("Input")
    y = s.chain(x, convolved(p["channels"], stride=p["stride"]), "BatchNorm2d", "ReLU")
    y = s.chain(y, convolved(p["channels"]), "BatchNorm2d")
    skip = _shortcut(s, x, p["in_channels"], p["channels"], p["stride"])
    s.chain(s.add("Add", y, skip), "ReLU", "Output")
    return s.graph


def bottleneck(p: Params) -> Graph:
    s = Sketch()
    x, width = s.add("Input"), p["width"]
    y = s.chain(x, convolved(width, kernel=1), "BatchNorm2d", "ReLU")
    y = s.chain(y, convolved(width, stride=p["stride"]), "BatchNorm2d", "ReLU")
    y = s.chain(y, convolved(FOUR * width, kernel=1), "BatchNorm2d")
    skip = _shortcut(s, x, p["in_channels"], FOUR * width, p["stride"])
    s.chain(s.add("Add", y, skip), "ReLU", "Output")
    return s.graph


def inverted_residual(p: Params) -> Graph:
    s = Sketch()
    wide = p["in_channels"] * p["expansion"]
    x = y = s.add("Input")
    if p["expansion"] > 1:
        y = s.chain(y, convolved(wide, kernel=1), "BatchNorm2d", "ReLU6")
    y = s.chain(y, convolved(wide, stride=p["stride"], groups=wide), "BatchNorm2d", "ReLU6")
    y = s.chain(y, convolved(p["channels"], kernel=1), "BatchNorm2d")
    if p["stride"] == 1 and p["in_channels"] == p["channels"]:
        y = s.add("Add", y, x)
    s.add("Output", y)
    return s.graph


def squeeze_excitation(p: Params) -> Graph:
    s = Sketch()
    x = s.add("Input")
    hidden = max(1, p["in_channels"] // p["reduction"])
    squeeze = ("Conv2d", {"out_channels": hidden, "kernel_size": 1})
    excite = ("Conv2d", {"out_channels": p["in_channels"], "kernel_size": 1})
    gate = s.chain(x, "AdaptiveAvgPool2d", squeeze, "ReLU", excite, "Sigmoid", row=1)
    s.add("Output", s.add("Multiply", x, gate))
    return s.graph


BLOCKS = (
    BlockSpec(
        "residual",
        "Residual block",
        "Two convolutions whose result is added to what came in. Where the channels or the size change, a 1 × 1 "
        "convolution brings what came in to the new shape. ResNet-18, -20 and -34 are stacks of these.",
        residual,
        (CHANNELS_IN, CHANNELS, STRIDE),
        "y = ReLU(x + BN(W₂∗ReLU(BN(W₁∗x))))",
        HE,
        channels_of,
        "resnet skip basic",
    ),
    BlockSpec(
        "bottleneck",
        "Bottleneck block",
        "A residual block that narrows the channels, looks at the neighbourhood there, and widens them again, which "
        "costs less. ResNet-50 and deeper are stacks of these.",
        bottleneck,
        (CHANNELS_IN, WIDTH, STRIDE),
        "y = ReLU(x + BN(W₃∗ReLU(BN(W₂∗ReLU(BN(W₁∗x))))))",
        HE,
        lambda x: {"in_channels": x.shape[0], "width": max(1, x.shape[0] // FOUR)} if len(x.shape) == 3 else {},
        "resnet skip",
    ),
    BlockSpec(
        "inverted_residual",
        "Inverted residual block",
        "Widens the channels, filters each one by itself (depthwise), and narrows them without an activation; adds "
        "what came in where the shape is the same. Few weights and little arithmetic: made for phones.",
        inverted_residual,
        (CHANNELS_IN, CHANNELS, STRIDE, EXPANSION),
        "y = x + BN(W₃∗ReLU6(BN(W₂∗ReLU6(BN(W₁∗x))))), W₂ depthwise",
        "Sandler et al. (2018), MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR",
        channels_of,
        "mobilenet depthwise separable",
    ),
    BlockSpec(
        "squeeze_excitation",
        "Squeeze and excitation",
        "Looks at the mean of each channel and decides how much of each channel passes: attention over channels.",
        squeeze_excitation,
        (CHANNELS_IN, REDUCTION),
        "y = x·σ(W₂·ReLU(W₁·mean(x)))",
        "Hu, Shen & Sun (2018), Squeeze-and-Excitation Networks, CVPR",
        lambda x: {"in_channels": x.shape[0]} if len(x.shape) == 3 else {},
        "senet se gate channel attention",
    ),
)
