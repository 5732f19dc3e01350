"""How a layer's gradient stands, as one number: the colour of a node. Mirrors ``pages/live/frontend/src/flow.ts``,
which colours the canvas during a run; a test holds the two together. No torch."""

from __future__ import annotations

import math


def health(norm: float, largest: float) -> float:
    """0 has vanished, 0.5 is healthy, 1 has exploded; continuous in between.

    Vanished is 1e-6 or less (healthy from 1e-3), or a 10,000th of the largest layer or less (healthy from a 100th);
    exploded is 1,000 or more (healthy up to 10).
    """
    if not norm > 0:
        return 0.0
    big = ramp(norm, 1, 3)
    small = min(ramp(norm, -6, -3), max(big, ramp(norm / largest, -4, -2)))
    return 0.5 * small + 0.5 * big


def ramp(norm: float, lo: float, hi: float) -> float:
    """0 where ``norm`` is at or below 10^lo, 1 from 10^hi on, linear in log10 between."""
    return min(1.0, max(0.0, (math.log10(norm) - lo) / (hi - lo)))
