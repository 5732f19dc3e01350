"""Holding a run back to a speed at which a person can follow it."""

from __future__ import annotations

LAG = 0.25  # seconds: who is further behind than this starts counting anew, and does not hurry to catch up


class Throttle:
    """Counts from a step and a time at which the run was neither early nor late."""

    def __init__(self) -> None:
        self.limit, self.step, self.began = 0.0, 0, 0.0

    def ahead(self, limit: float, step: int, now: float) -> float:
        """By how many seconds ``step`` is reached too early for ``limit`` steps per second; 0 without a limit."""
        if not limit:
            self.limit = 0.0
            return 0.0
        early = self.began + (step - self.step) / limit - now
        if limit != self.limit or early < -LAG:
            self.limit, self.step, self.began, early = limit, step, now, 0.0
        return max(0.0, early)
