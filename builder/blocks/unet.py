"""The U-Net, as a level that holds the next one."""

from __future__ import annotations

from typing import Any

from builder.blocks.residual import convolved
from builder.blocks.sketch import Sketch
from builder.blocks.spec import BlockSpec
from builder.graph import Graph
from builder.spec import Param, Params, TensorSpec

FIRST = Param(
    "channels", "int", 16, 1, 10_000, label="Channels", help="At this level; each deeper level has twice as many."
)
DEPTH = Param(
    "depth", "int", 2, 0, 6, label="Levels below", help="Each halves the sides, so the image must be divisible."
)
MOST = 3


def unet_level(p: Params) -> Graph:
    s = Sketch()
    twice = (convolved(p["channels"]), "BatchNorm2d", "ReLU") * 2
    skip = s.chain(s.add("Input"), *twice)
    if p["depth"] > 0:
        inner = unet_level({"channels": 2 * p["channels"], "depth": p["depth"] - 1})
        below = s.block(inner, s.add("MaxPool2d", skip, row=1), name="level", row=1, label="U-Net level")
        up = s.add("ConvTranspose2d", below, row=1, out_channels=p["channels"])
        skip = s.chain(s.add("Concat", skip, up), *twice)
    s.add("Output", skip)
    return s.graph


def _depth_of(x: TensorSpec) -> dict[str, Any]:
    """As many levels as an image can be halved without a rest, at most MOST."""
    if len(x.shape) != 3:
        return {}
    return {"depth": next(d for d in range(MOST, -1, -1) if all(side % 2**d == 0 for side in x.shape[1:]))}


BLOCKS = (
    BlockSpec(
        "unet_level",
        "U-Net level",
        "Two convolutions, then the next level at half the size with twice the channels, then back to the full size, "
        "where what was seen before joins in. Each level holds the next one.",
        unet_level,
        (FIRST, DEPTH),
        "z = conv(conv(x)), y = conv(conv([z, up(level(pool(z)))]))",
        "Ronneberger, Fischer & Brox (2015), U-Net, MICCAI",
        _depth_of,
        "unet segmentation encoder decoder skip",
    ),
)
