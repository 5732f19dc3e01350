"""Quantities of the output of a node over the batch of a watched step, as it was in training mode.

Of an output of more than SAMPLE values they are estimates from a part of it: see ``cut`` in quantity.py.
"""

from __future__ import annotations

import numpy as np

from engine.quantities.quantity import Activations, Array, Need, Quantity, Seen

NEEDS: frozenset[Need] = frozenset({"activations"})
TANH_LIMIT = 0.97
SIGMOID_LIMIT = 0.03  # from either end: where the slope y·(1 − y) is below 0.03, against 0.25 in the middle


class ActivationMean(Quantity):
    """Mean of the output. Far from 0 in a hidden layer, the next one starts off-centre."""

    name = "mean"
    needs = NEEDS
    cost = 1

    def measure(self, seen: Seen) -> Array:
        return activations(seen).mean


class ActivationStd(Quantity):
    """Standard deviation of the output (of the population). Shrinking from layer to layer, the signal dies out."""

    name = "std"
    needs = NEEDS
    cost = 2

    def measure(self, seen: Seen) -> Array:
        return activations(seen).std


class DeadShare(Quantity):
    """ReLU family: share of the units whose output is ≤ 0 for the whole batch, which then learn nothing.

    A unit is a feature, or a whole channel of a feature map.
    """

    name = "dead"
    needs = NEEDS
    cost = 1

    def measure(self, seen: Seen) -> Array:
        a = activations(seen)
        room = a.room
        if not room.relu.any():
            return np.full(len(a.nodes), np.nan)
        alive = np.maximum.reduceat(a.values, room.segments) > 0
        share: Array = 1 - np.bincount(room.segment_of, weights=alive, minlength=len(a.nodes)) / room.units
        return np.where(room.relu, share, np.nan)


class SaturatedShare(Quantity):
    """Share of the values in the flat ends, where hardly any gradient passes: tanh beyond ±0.97, sigmoid outside
    [0.03, 0.97]."""

    name = "saturated"
    needs = NEEDS
    cost = 1

    def measure(self, seen: Seen) -> Array:
        a = activations(seen)
        share = np.full(len(a.nodes), np.nan)
        for i, (node, part) in enumerate(zip(a.nodes, a.room.parts, strict=True)):
            if node.kind == "tanh":
                share[i] = np.count_nonzero(np.abs(part) > TANH_LIMIT) / len(part)
            elif node.kind == "sigmoid":
                share[i] = np.count_nonzero(np.abs(part - 0.5) > 0.5 - SIGMOID_LIMIT) / len(part)
        return share


def activations(seen: Seen) -> Activations:
    assert seen.activations is not None  # declared in needs
    return seen.activations
