"""Readings of the units of a layer taken together: how many different things do they say?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.quantities.activations import NEEDS, activations
from engine.quantities.quantity import Array, Measured, Reading, Seen, numbers

ALIKE = 0.99  # from this correlation on two units say the same

Matrix = NDArray[np.float64]  # (example or place, unit)


class EffectiveRank(Reading):
    """exp(−Σ p_k·ln p_k) with p_k = σ_k/Σσ, of the singular values σ of the outputs (example × unit) of a layer
    (Roy & Vetterli 2007): how many directions the outputs fill, from 1 to ``most``, the lesser of units and rows.

    It shrinks where a network collapses: then many units are of no use. A convolution has a row for every place.
    """

    name = "rank"
    needs = NEEDS
    cost = 50

    def read(self, seen: Seen) -> dict[str, Any]:
        found = [matrix(node, output) for node, output in pairs(seen)]
        return {"rank": numbers([effective_rank(m) for m in found]), "most": [min(m.shape) for m in found]}


class DuplicateUnits(Reading):
    """Share of the units of a layer whose outputs over the batch correlate with those of an earlier unit by ALIKE or
    more, either way: without them the next layer would know as much. Units that never change do not count.
    """

    name = "duplicates"
    needs = NEEDS
    cost = 20

    def read(self, seen: Seen) -> dict[str, Any]:
        return {"share": numbers([duplicates(matrix(node, output)) for node, output in pairs(seen)])}


def pairs(seen: Seen) -> list[tuple[Measured, Array]]:
    a = activations(seen)
    return list(zip(a.nodes, a.outputs, strict=True))


def matrix(node: Measured, output: Array) -> Matrix:
    """``output`` with its units as columns, and a row for every example and every place in it."""
    units = np.moveaxis(output, node.unit_axis, -1) if output.ndim > 1 else output[:, None]
    return units.reshape(-1, units.shape[-1]).astype(np.float64)


def effective_rank(m: Matrix) -> float:
    """NaN for outputs that are not finite, or all zero."""
    if not np.isfinite(m).all():
        return np.nan
    sigma = np.linalg.svd(m, compute_uv=False)
    p = sigma[sigma > 0] / sigma.sum() if sigma.any() else np.array([np.nan])
    return float(np.exp(-(p * np.log(p)).sum()))


def duplicates(m: Matrix) -> float:
    """NaN for outputs that are not finite."""
    if not np.isfinite(m).all():
        return np.nan
    centred = m - m.mean(0)
    length = np.linalg.norm(centred, axis=0)
    lively = length > 1e-6 * np.abs(m).max(initial=0)
    unit = np.divide(centred, length, out=np.zeros_like(m), where=lively)
    alike = np.abs(unit.T @ unit) >= ALIKE
    return float(np.triu(alike, k=1).any(axis=0).mean())
