"""A fact from a run. The log stores it, the live route sends it, charts draw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "started",
    "point",
    "layers",
    "hist",
    "boundary",
    "knob",
    "state",
    "checkpoint",
    "diagnostic",
    "lane",
    "costs",
    "cosine",
    "penalty",
    "rank",
    "duplicates",
    "grad_hist",
    "update_hist",
    "noise",
    "sharpness",
    "gain",
    "examples",
    "kept",
    "breakpoints",
    "hit",
]
State = Literal["queued", "starting", "running", "paused", "finished", "stopped", "failed", "interrupted"]
# Measured only when asked for: along the run, and as pictures.
MEASURED: tuple[Kind, ...] = ("cosine", "penalty", "rank", "duplicates", "noise", "sharpness", "gain")
PICTURES: tuple[Kind, ...] = ("grad_hist", "update_hist", "examples")
MEASUREMENTS = (*MEASURED, *PICTURES)
# Only the newest is kept: no history.
LATEST: tuple[Kind, ...] = ("hist", "boundary", "kept", "costs", *PICTURES)
OVER: tuple[State, ...] = ("finished", "stopped", "failed", "interrupted")


@dataclass(frozen=True)
class Event:
    """``body`` is plain JSON: finite floats, None for what does not apply. ARCHITECTURE.md lists its fields."""

    kind: Kind
    step: int
    body: dict[str, Any]
