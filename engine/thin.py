"""Fewer points, same picture: thinning that keeps the first, the last and the extremes of every series.

The idea is that of M4 and min-max decimation (Jugel et al., VLDB 2014): in each stretch of steps the points that are a
minimum or maximum of some series stay, so that a spike is never smoothed away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PER_STRETCH = 6  # points kept of one stretch: minimum and maximum of about three series


def thin(steps: Sequence[int], values: NDArray[np.float64], limit: int) -> list[int]:
    """The indices, ascending, of at most ``limit`` (>= 2) points to keep.

    ``steps`` (n,) does not fall; ``values`` is (n, series), NaN where a series has no value. Every series keeps its
    extremes as long as all extremes fit into ``limit``. Thinning what was thinned keeps them too.
    """
    n = len(steps)
    if n <= limit:
        return list(range(n))
    kept = {0, n - 1, *_ranked(values)[: limit - 2]}
    room = limit - len(kept)
    stretches = max(1, room // PER_STRETCH)
    edges = np.searchsorted(np.asarray(steps), np.linspace(steps[0], steps[-1], stretches + 1)[1:-1])
    for rows in np.split(np.arange(n), edges):
        rows = np.array([i for i in rows if i not in kept], dtype=np.intp)
        kept.update(_of_stretch(rows, values[rows], room // stretches))
    return sorted(kept)


def _of_stretch(rows: NDArray[np.intp], values: NDArray[np.float64], most: int) -> list[int]:
    """At most ``most`` of ``rows``: the extremes, and where there are fewer, others spread evenly."""
    spread = range(0, len(rows), max(1, len(rows) // max(1, most)))
    return [int(rows[i]) for i in list(dict.fromkeys([*_ranked(values), *spread]))[:most]]


def _ranked(values: NDArray[np.float64]) -> list[int]:
    """The rows that are an extreme of some series, those of most series first."""
    some = values[:, ~np.isnan(values).all(axis=0)] if len(values) else values
    if not some.size:
        return []
    lows = np.where(np.isnan(some), np.inf, some).argmin(axis=0)
    highs = np.where(np.isnan(some), -np.inf, some).argmax(axis=0)
    rows, votes = np.unique(np.concatenate([lows, highs]), return_counts=True)
    return [int(r) for r in rows[np.argsort(-votes, kind="stable")]]


def series(bodies: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """The numbers in ``bodies`` as (n, series): one column per number, however deep it lies in lists and objects."""
    rows = [_numbers(body) for body in bodies]
    width = max(map(len, rows), default=0)
    even = [row + [None] * (width - len(row)) for row in rows]
    return np.array(even, dtype=np.float64).reshape(len(rows), width)  # None becomes NaN


def _numbers(body: Mapping[str, Any] | Sequence[Any]) -> list[float | None]:
    found: list[float | None] = []
    for value in body.values() if isinstance(body, Mapping) else body:
        if isinstance(value, list | Mapping):
            found += _numbers(value)
        elif not isinstance(value, str):
            found.append(value)
    return found
