"""From what happens to what is written: events gathered into few transactions of the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from engine.events import Event
from engine.log import Log

FLUSH_SECONDS = 0.03  # facts are written together, at most this late

Listener = Callable[[Sequence[Event]], None]


class Recorder:
    """Gathers events and writes them in few transactions; the first at once."""

    def __init__(self, log: Log, listener: Listener | None = None) -> None:
        self.log, self.listener = log, listener
        self.pending: list[Event] = []
        self.due = 0.0

    def add(self, *events: Event) -> None:
        self.pending += events

    def write(self, now: float) -> float:
        """Writes what there is, if enough time has passed. The CPU-seconds that took."""
        if not self.pending or now < self.due:
            return 0.0
        began = time.thread_time()
        self.flush()
        return time.thread_time() - began

    def flush(self) -> None:
        events, self.pending = self.pending, []
        self.log.append(events)
        self.due = time.monotonic() + FLUSH_SECONDS
        if self.listener:
            self.listener(events)
