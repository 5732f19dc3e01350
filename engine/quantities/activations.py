"""Quantities of the output of a node over the batch of a watched step, as it was in training mode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.quantities.quantity import Activations, Array, Measured, Need, Quantity, Seen

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
        a = activations(seen)
        std: Array = np.sqrt(np.maximum(a.mean_square - a.mean**2, 0))
        return std


class DeadShare(Quantity):
    """ReLU family: share of the units whose output is ≤ 0 for the whole batch, which then learn nothing.

    A unit is a feature, or a whole channel of a feature map.
    """

    name = "dead"
    needs = NEEDS
    cost = 1

    def measure(self, seen: Seen) -> Sequence[float | None]:
        a = activations(seen)
        return [_dead(node, output) for node, output in zip(a.nodes, a.outputs, strict=True)]


class SaturatedShare(Quantity):
    """Share of the values in the flat ends, where hardly any gradient passes: tanh beyond ±0.97, sigmoid outside
    [0.03, 0.97]."""

    name = "saturated"
    needs = NEEDS
    cost = 1

    def measure(self, seen: Seen) -> Sequence[float | None]:
        a = activations(seen)
        return [_saturated(node, output) for node, output in zip(a.nodes, a.outputs, strict=True)]


def activations(seen: Seen) -> Activations:
    assert seen.activations is not None  # declared in needs
    return seen.activations


def _dead(node: Measured, output: Array) -> float | None:
    if node.kind != "relu":
        return None
    unit = node.unit_axis % output.ndim
    alive = (output > 0).any(axis=tuple(i for i in range(output.ndim) if i != unit))
    return 1.0 - float(alive.mean())


def _saturated(node: Measured, output: Array) -> float | None:
    if node.kind == "tanh":
        return float((np.abs(output) > TANH_LIMIT).mean())
    if node.kind == "sigmoid":
        return float((np.abs(output - 0.5) > 0.5 - SIGMOID_LIMIT).mean())
    return None
