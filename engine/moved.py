"""How long a step of all parameters is: its gradient, the weights that it starts from, and how far it moves them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from engine.flat import FlatParameters, PerLayer
from engine.squares import Squares


class Moved:
    """Call ``begin`` before the gradient, that of data loss and penalties, is clipped, and ``end`` after the
    optimizer's step. Only the weights are copied, into memory that is used again."""

    def __init__(self, flat: FlatParameters) -> None:
        self.flat = flat
        self._before = torch.empty_like(flat.weights)  # then what the step did to them
        self._gradient, self._weights, self._update = (
            _lengths(flat, vector) for vector in (flat.gradient, flat.weights, self._before)
        )
        self._begun: tuple[PerLayer, PerLayer] | None = None

    def begin(self) -> None:
        self._begun = self._gradient(), self._weights()
        self._before.copy_(self.flat.weights)

    def end(self) -> tuple[PerLayer, PerLayer, PerLayer] | None:
        """The lengths of gradient, weights and update; None where no step has begun since they were asked for."""
        if self._begun is None:
            return None
        torch.sub(self.flat.weights, self._before, out=self._before)
        begun, self._begun = self._begun, None
        return (*begun, self._update())


def _lengths(flat: FlatParameters, vector: Tensor) -> Callable[[], PerLayer]:
    """Gives the length of each layer's part of ``vector`` (P,), as it is when it is called."""
    if vector.device.type != "cpu":
        return lambda: flat.norms(vector)
    squares = Squares(flat.by_layer(vector.numpy()))
    return lambda: np.sqrt(squares())
