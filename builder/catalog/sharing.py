"""Two layers, one set of weights: the parameter by which a layer uses the weights of another."""

from __future__ import annotations

from dataclasses import replace

from builder.spec import LayerSpec, Param, nothing

SHARE = Param(
    "share",
    "node",
    None,
    label="Shares weights with",
    help="The id of another layer of this type, with the same settings and inputs. Both then use and train one set of "
    "weights, as the two branches of a siamese network do.",
    optional=True,
)


def shareable(spec: LayerSpec) -> LayerSpec:
    """``spec`` with the parameter, if the layer has weights."""
    return spec if spec.weights is nothing else replace(spec, params=(*spec.params, SHARE))
