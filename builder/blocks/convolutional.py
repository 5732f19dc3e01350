"""Blocks that look at an image in several ways and put the results side by side."""

from __future__ import annotations

from typing import Any

from builder.blocks.residual import convolved
from builder.blocks.sketch import Sketch
from builder.blocks.spec import BlockSpec
from builder.graph import Graph
from builder.spec import Param, Params

GROWTH = Param("growth", "int", 12, 1, 10_000, label="Growth", symbol="k", help="How many channels each layer adds.")
NARROW = 4  # the 1 × 1 convolution of a dense layer gives 4k channels (DenseNet-B)


def _filters(name: str, default: int, label: str, help_: str) -> Param:
    return Param(name, "int", default, 1, 10_000, label=label, help=help_)


# Their names in table 1 of the paper are the labels.
INCEPTION = (
    _filters("ones", 16, "#1×1", "Filters of the 1 × 1 branch."),
    _filters("three_reduce", 16, "#3×3 reduce", "1 × 1 filters before the 3 × 3 ones."),
    _filters("threes", 24, "#3×3", "Filters of the 3 × 3 branch."),
    _filters("five_reduce", 4, "#5×5 reduce", "1 × 1 filters before the 5 × 5 ones."),
    _filters("fives", 8, "#5×5", "Filters of the 5 × 5 branch."),
    _filters("pooled", 8, "pool proj", "1 × 1 filters behind the pooling."),
)


def inception(p: Params) -> Graph:
    def filters(name: str, kernel: int = 1) -> tuple[tuple[str, dict[str, Any]], str]:
        padding = {"padding": kernel // 2} if kernel > 1 else {}
        size = {"out_channels": p[name], "kernel_size": kernel, **padding}
        return ("Conv2d", size | {"init": "kaiming_normal"}), "ReLU"  # no norm keeps the signals at their size

    s = Sketch()
    x = s.add("Input", row=1.5)
    branches = (
        s.chain(x, *filters("ones")),
        s.chain(x, *filters("three_reduce"), *filters("threes", 3), row=1),
        s.chain(x, *filters("five_reduce"), *filters("fives", 5), row=2),
        s.chain(x, ("MaxPool2d", {"kernel_size": 3, "stride": 1, "padding": 1}), *filters("pooled"), row=3),
    )
    s.add("Output", s.add("Concat", *branches, row=1.5), row=1.5)
    return s.graph


def dense(p: Params) -> Graph:
    s = Sketch()
    x = s.add("Input")
    y = s.chain(x, "BatchNorm2d", "ReLU", convolved(NARROW * p["growth"], kernel=1), row=1)
    y = s.chain(y, "BatchNorm2d", "ReLU", convolved(p["growth"]), row=1)
    s.add("Output", s.add("Concat", x, y))
    return s.graph


BLOCKS = (
    BlockSpec(
        "inception",
        "Inception block",
        "Looks at the same place through windows of three sizes and through a pooling, side by side, and lets the next "
        "layer choose. 1 × 1 convolutions keep it cheap.",
        inception,
        INCEPTION,
        "y = [W₁∗x, W₃∗(V₃∗x), W₅∗(V₅∗x), V∗maxpool(x)], ReLU after each",
        "Szegedy et al. (2015), Going Deeper with Convolutions, CVPR",
        keywords="googlenet multi-scale branches",
    ),
    BlockSpec(
        "dense",
        "Dense block",
        "Computes a few new channels from all that came in, and puts them behind those. Repeated, each layer sees the "
        "channels of all before it. The name means dense connections, not Dense layers.",
        dense,
        (GROWTH,),
        "y = [x, W₂∗ReLU(BN(W₁∗ReLU(BN(x))))]",
        "Huang et al. (2017), Densely Connected Convolutional Networks, CVPR",
        keywords="densenet concatenate growth",
    ),
)
