"""Every layer the app knows, in the order of the palette."""

from __future__ import annotations

from builder.block import BLOCK
from builder.catalog import (
    activation,
    attention,
    axes,
    convolution,
    data,
    dense,
    merge,
    normalisation,
    pooling,
    recurrent,
    regularisation,
    resize,
    shape,
    sharing,
    transposed,
)
from builder.spec import LayerSpec

FAMILIES: tuple[LayerSpec, ...] = (
    *data.LAYERS,
    *dense.LAYERS,
    *convolution.LAYERS,
    *transposed.LAYERS,
    *pooling.LAYERS,
    *recurrent.LAYERS,
    *attention.LAYERS,
    *normalisation.LAYERS,
    *regularisation.LAYERS,
    *activation.LAYERS,
    *shape.LAYERS,
    *axes.LAYERS,
    *resize.LAYERS,
    *merge.LAYERS,
)
CATALOG = tuple(sharing.shareable(spec) for spec in FAMILIES)
BY_TYPE: dict[str, LayerSpec] = {spec.type: spec for spec in (*CATALOG, BLOCK)}  # a block is made by grouping
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(spec.group for spec in BY_TYPE.values()))
