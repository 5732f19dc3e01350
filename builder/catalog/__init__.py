"""Every layer the app knows, in the order of the palette."""

from __future__ import annotations

from builder.catalog import (
    activation,
    convolution,
    data,
    dense,
    merge,
    normalisation,
    pooling,
    recurrent,
    regularisation,
    shape,
)
from builder.spec import LayerSpec

CATALOG: tuple[LayerSpec, ...] = (
    *data.LAYERS,
    *dense.LAYERS,
    *convolution.LAYERS,
    *pooling.LAYERS,
    *recurrent.LAYERS,
    *normalisation.LAYERS,
    *regularisation.LAYERS,
    *activation.LAYERS,
    *shape.LAYERS,
    *merge.LAYERS,
)
BY_TYPE: dict[str, LayerSpec] = {spec.type: spec for spec in CATALOG}
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(spec.group for spec in CATALOG))
