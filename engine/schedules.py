"""Learning-rate schedules: the factor on the learning-rate knob, as pure functions of progress."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int, int], float]
WARMUP = 0.05  # share of the run


def constant(_step: int, _steps: int) -> float:
    return 1.0


def step(step: int, steps: int) -> float:
    """A tenth from half of the run on, a hundredth from three quarters on (as in He et al. 2016)."""
    return 0.1 ** ((2 * step >= steps) + (4 * step >= 3 * steps))


def cosine(step: int, steps: int) -> float:
    """(1 + cos(π·t)) / 2 for progress t from 0 to 1 (Loshchilov & Hutter 2017, without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))


def warmup(step: int, steps: int) -> float:
    """Rises in a straight line over the first 5 % of the run, then stays 1 (Goyal et al. 2017)."""
    return min(1.0, (step + 1) / max(1, round(WARMUP * steps)))


def warmup_cosine(step: int, steps: int) -> float:
    """The warm-up, then a cosine over what is left."""
    rise = max(1, round(WARMUP * steps))
    if step < rise:
        return warmup(step, steps)
    return cosine(step - rise, max(1, steps - rise))


SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "step": step,
    "cosine": cosine,
    "warmup": warmup,
    "warmup_cosine": warmup_cosine,
}  # factor(step, steps) with step counted from 0
