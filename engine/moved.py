"""One step of all parameters of a network, kept beside it: what was the gradient, what the weights, what became of
them."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.flat import FlatParameters, PerLayer
from engine.squares import Squares


class Moved:
    """``gradient`` (P,) is that of data loss and penalties, before clipping; ``weights`` (P,) are those it was taken
    at; ``update`` (P,) is how far the step moved them. All are in memory that the next step uses again: (3, P)."""

    def __init__(self, flat: FlatParameters) -> None:
        self.flat = flat
        self.vectors: Tensor = flat.weights.new_empty((3, len(flat.weights)))
        self.gradient, self.weights, self.update = self.vectors
        on_cpu = self.vectors.device.type == "cpu"
        self._squares = Squares([g for v in self.vectors for g in flat.by_layer(v.numpy())]) if on_cpu else None

    def begin(self) -> None:
        """Before clipping and the optimizer's step."""
        self.gradient.copy_(self.flat.gradient)
        self.weights.copy_(self.flat.weights)

    def end(self) -> tuple[PerLayer, PerLayer, PerLayer]:
        """After it: the lengths of gradient, weights and update."""
        flat = self.flat
        torch.sub(flat.weights, self.weights, out=self.update)
        if self._squares is None:
            return flat.norms(self.gradient), flat.norms(self.weights), flat.norms(self.update)
        gradient, weights, update = (self._squares() ** 0.5).reshape(3, -1)
        return gradient, weights, update
