"""What can be done about a run that broke: from which kept moment it can go on, and with which knobs. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from engine.kept import Moment
from engine.knobs import BY_NAME, spoken
from engine.timeline import PACE

Kind = Literal["numbers", "memory"]
RISE = 2.0  # a loss of so many times the lowest one before: it had gone wrong already
LEAP = 10.0  # the same of a single batch, which scatters
CLIP = 1.0
LARGE, GROWN = 1e3, 1e6  # losses of standardised targets are about 1; beyond both it will not come back


class Growth:
    """Knows beyond which ``bound`` a loss that is still finite has grown too far."""

    def __init__(self) -> None:
        self.lowest = math.inf

    def mean(self, loss: float) -> None:
        """``loss`` is a mean over many batches. Single ones scatter too much to be a measure for others."""
        self.lowest = min(self.lowest, loss)

    @property
    def bound(self) -> float:
        return max(LARGE, GROWN * self.lowest)


def healthy(moments: Sequence[Moment]) -> Moment | None:
    """The newest moment at which the loss had not begun to rise."""
    best, found = math.inf, moments[0] if moments else None
    for moment in moments:
        if _steady(moment, best):
            found = moment
        best = min(best, math.inf if moment.loss is None else moment.loss)
    return found


def _steady(moment: Moment, best: float) -> bool:
    if moment.loss is None:
        return moment.after is None or math.isfinite(moment.after)
    return moment.loss <= RISE * best and (moment.after is None or moment.after <= LEAP * min(best, moment.loss))


Knobs = Mapping[str, float]
Change = tuple[dict[str, float], str]  # knobs to set, and what that is in words


def cures(
    kind: Kind, moments: Sequence[Moment], knobs: Knobs, then: Callable[[int], Knobs], adaptive: bool
) -> list[dict[str, Any]]:
    """Forks that may not break: each a step, the knobs to set there, and what it is in words.

    ``knobs`` are those with which the run broke; ``then`` gives those that stood at the step of a moment. The steps of
    an ``adaptive`` optimizer do not depend on how long the gradients are, so that clipping them does not help.
    """
    moment = (moments[-1] if moments else None) if kind == "memory" else healthy(moments)
    if moment is None:
        return []
    stood = then(moment.step)
    changes = _less_memory(knobs) if kind == "memory" else [*_undone(knobs, stood), *_calmer(knobs, stood, adaptive)]
    where = f"Go back to step {moment.step:,}" if moment.step else "Start again"
    return [{"step": moment.step, "knobs": turned, "label": f"{where} with {words}"} for turned, words in changes]


def _less_memory(knobs: Knobs) -> list[Change]:
    half = int(knobs["batch_size"]) // 2
    return [({"batch_size": half}, f"half the batch size ({half})")] if half else []


def _undone(knobs: Knobs, stood: Knobs) -> list[Change]:
    """The knobs that were turned since, as they ``stood`` before."""
    turned = {name: value for name, value in stood.items() if name != PACE and knobs.get(name, value) != value}
    words = ", ".join(f"{spoken(name)} {value:g}" for name, value in turned.items())
    return [(turned, f"{words}, as {'it was' if len(turned) == 1 else 'they were'} then")] if turned else []


def _calmer(knobs: Knobs, stood: Knobs, adaptive: bool) -> list[Change]:
    """A smaller learning rate, if turning it back is not that already, or shorter gradients."""
    lr = max(BY_NAME["lr"].low or 0.0, knobs["lr"] / 10)
    found: list[Change] = [({"lr": lr}, f"a tenth of the learning rate ({lr:.3g})")] if lr < stood["lr"] else []
    if not adaptive and not 0 < knobs["clip_norm"] <= CLIP:
        found.append(({"clip_norm": CLIP}, f"the gradient clipped to length {CLIP:g}"))
    return found
