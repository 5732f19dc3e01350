"""Layers that work against overfitting."""

from __future__ import annotations

from builder.catalog.rules import needs_float
from builder.diagnostic import Diagnostic
from builder.spec import Inputs, LayerSpec, Param, Params, TensorSpec, call


def _dropout(_p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    return needs_float("Dropout", xs[0]) or xs[0]


LAYERS = (
    LayerSpec(
        "Dropout",
        "Regularisation",
        "While training it sets a random share of the values to zero and scales up the rest, so that no unit can "
        "rely on another. In evaluation it does nothing.",
        _dropout,
        params=(
            Param(
                "p",
                "float",
                0.5,
                0.0,
                0.95,
                label="Share dropped",
                symbol="p",
                help="Chance of each value to be zeroed.",
            ),
        ),
        module=lambda p, _xs: call("nn.Dropout", p["p"]),
        flops=lambda _p, _xs, _out: 0,
        summary="p = {p:g}",
        keywords="regularization noise overfitting",
        formula="y = x·m / (1 − p), m = 0 with probability p, else 1",
        source="Srivastava et al. (2014), Dropout, JMLR 15",
        kind="dropout",
    ),
)
