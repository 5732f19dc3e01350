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
    "kept",
    "breakpoints",
    "hit",
]
State = Literal["queued", "starting", "running", "paused", "finished", "stopped", "failed", "interrupted"]
LATEST: tuple[Kind, ...] = ("hist", "boundary", "kept")  # only the newest is kept: pictures, not history
OVER: tuple[State, ...] = ("finished", "stopped", "failed", "interrupted")


@dataclass(frozen=True)
class Event:
    """``body`` is plain JSON: finite floats, None for what does not apply. ARCHITECTURE.md lists its fields."""

    kind: Kind
    step: int
    body: dict[str, Any]
