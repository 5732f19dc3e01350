"""Quantities of the parameters of a layer, all of its tensors taken as one vector."""

from __future__ import annotations

import numpy as np

from engine.quantities.quantity import Array, Quantity, Seen


class GradientNorm(Quantity):
    """‖∂L/∂w‖: on a log axis, layers far below the others learn slowly or not at all (vanishing gradients)."""

    name = "grad_norm"
    needs = frozenset({"gradient"})
    cost = 1

    def measure(self, seen: Seen) -> Array:
        return seen.gradient


class WeightNorm(Quantity):
    """‖w‖: one that keeps growing asks for a penalty or weight decay."""

    name = "weight_norm"
    needs = frozenset({"weights"})
    cost = 1

    def measure(self, seen: Seen) -> Array:
        return seen.weights


class UpdateRatio(Quantity):
    """‖Δw‖ / ‖w‖ of one step: about 0.001 is healthy; far more shakes the network, far less leaves it as it is.

    0 for a layer whose weights are all zero.
    """

    name = "update_ratio"
    needs = frozenset({"weights", "update"})
    cost = 2

    def measure(self, seen: Seen) -> Array:
        return np.divide(seen.update, seen.weights, out=np.zeros_like(seen.weights), where=seen.weights > 0)
