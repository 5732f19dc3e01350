"""One colour per group of layers, for the canvas and for pictures.

They stay apart (16 or more in CIELAB) for every kind of dichromacy, as Machado et al. (2009) simulate it; the first
five are of Okabe & Ito (2008). Colour is never the only sign: the title of a layer stands beside it.
"""

from __future__ import annotations

from builder.catalog import GROUPS

OTHER = "#7f7f7f"  # of what belongs to no group
BLOCKS = "Blocks"
COLORS: tuple[str, ...] = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#a41580",
    "#9da361",
    "#a7df96",
    "#ca530c",
    "#5d40b5",
    "#0fe1f0",
    "#495537",
)
GROUP_COLORS: dict[str, str] = dict(zip(dict.fromkeys((*GROUPS, BLOCKS)), COLORS, strict=True))
