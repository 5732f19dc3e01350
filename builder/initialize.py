"""How weights start, by the schemes of catalog/initialisation.py. Exported source carries the function as it stands."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def initialize(
    layer: nn.Module,
    fill: Callable[..., object],
    **options: object,
) -> None:
    """Fills the weight matrices of a layer; its biases start at zero."""
    for name, weight in layer.named_parameters():
        if weight.dim() > 1:
            fill(weight, **options)
        elif "bias" in name:
            nn.init.zeros_(weight)
