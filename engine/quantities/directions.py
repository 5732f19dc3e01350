"""Readings of the direction of a step: does it go on where the last one went, and who pulls at the weights?"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.quantities.quantity import Reading, Seen, number, numbers
from engine.quantities.vectors import PerLayer, Vectors


class GradientCosine(Reading):
    """cos(g_t, g_{t−1}) = ⟨g_t, g_{t−1}⟩ / (‖g_t‖·‖g_{t−1}‖), of the whole network and of each layer.

    Near 1 the steps agree, and a larger learning rate may do; below 0 each undoes the last, as where the learning rate
    is too large for the valley it is in, or the batches are small. g_t is taken before clipping, g_{t−1} as it was
    applied: clipping the norm turns neither.
    """

    name = "cosine"
    needs = frozenset({"vectors"})
    cost = 3

    def read(self, seen: Seen) -> dict[str, Any] | None:
        v = vectors(seen)
        g, before = v.gradient, v.previous
        dot, here, there = (v.layout.products(*pair) for pair in ((g, before), (g, g), (before, before)))
        if not there.any():
            return None  # there was no step before
        whole = cosine(*(each.sum(keepdims=True) for each in (dot, here, there)))
        return {"all": number(whole[0]), "layers": numbers(cosine(dot, here, there))}


def cosine(dot: PerLayer, a: PerLayer, b: PerLayer) -> PerLayer:
    """``dot`` / √(``a``·``b``) of inner products; NaN where a vector is zero."""
    length = np.sqrt(a) * np.sqrt(b)
    found: PerLayer = np.divide(dot, length, out=np.full_like(dot, np.nan), where=length > 0)
    return found


class PenaltyParts(Reading):
    """The two parts of the gradient, g = ∂L_data/∂w + ∂(l1·Σ|w| + l2/2·Σw²)/∂w, and weight decay beside it: their
    lengths per layer. Where penalty and data are equally long, the weights stop growing.

    ``penalty`` and ``data`` are taken before clipping; ``decay`` is ‖wd·w‖, so that all three are to be multiplied by
    the learning rate.
    """

    name = "penalty"
    needs = frozenset({"vectors"})
    cost = 5

    def read(self, seen: Seen) -> dict[str, Any]:
        v = vectors(seen)
        parts = {"data": v.data, "penalty": v.penalty, "decay": v.decayed}
        return {name: numbers(v.layout.norms(part)) for name, part in parts.items()}


def vectors(seen: Seen) -> Vectors:
    assert seen.vectors is not None  # declared in needs
    return seen.vectors
