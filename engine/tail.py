"""Following the log of a run: its history, thinned, and what is new. For the live route and for pages; no torch."""

from __future__ import annotations

import threading
from collections import deque

from engine.events import LATEST, MEASURED, Kind
from engine.log import Log, Record
from engine.store import RunFolder
from engine.thin import series, thin

THINNED: tuple[Kind, ...] = ("point", "layers", *MEASURED)
DRAG_SECONDS = 1.0  # turns of one knob that follow each other within this are one drag
RECENT = 512  # records that a slow reader may be behind before it gets the thinned history instead
CHUNK = 1000


class History:
    """The records of one kind, never more than thrice ``limit``."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.records: list[Record] = []

    def add(self, record: Record) -> None:
        self.records.append(record)
        if len(self.records) > self.limit * 3:
            self.records = self.thinned()

    def rewind(self, step: int) -> None:
        """Drops what a continued run does again."""
        self.records = [r for r in self.records if r.step <= step]

    def thinned(self) -> list[Record]:
        kept = thin([r.step for r in self.records], series([r.body for r in self.records]), self.limit)
        return [self.records[i] for i in kept]


class Tail:
    """One run's log as its readers want it; may be shared by threads and by all readers of the run.

    A run that is continued from step S does the steps after S again. What was recorded of them stays in the log; here
    the points of the first time are left out, so that curves do not run back. Readers that hold them drop points beyond
    ``resumed_from`` when they meet a ``started`` record.
    """

    def __init__(self, run: RunFolder, limit: int = 1000) -> None:
        self._log = Log(run.path / "log.sqlite")  # its own: SQLite tells a connection of the writes of others only
        self._lock = threading.Lock()
        self._limit = limit
        self._seen = -1
        self._newest = self._floor = 0
        self._facts: list[Record] = []
        self._history = {kind: History(limit) for kind in THINNED}
        self._pictures: dict[Kind, Record] = {}
        self._recent: deque[Record] = deque()

    def snapshot(self) -> list[Record]:
        """The whole run in about ``limit`` points per kind, every other fact, and the newest pictures; oldest first."""
        with self._lock:
            self._read()
            return self._all()

    def news(self, after: int) -> list[Record]:
        """The records above ``after``, oldest first; thinned where ``after`` is long past. Quick if there are none."""
        with self._lock:
            self._read()
            if after >= self._newest:
                return []
            if after < self._floor:
                return [r for r in self._all() if r.id > after]
            return [r for r in self._recent if r.id > after and self._pictures.get(r.kind, r) is r]

    def close(self) -> None:
        self._log.close()

    def _all(self) -> list[Record]:
        thinned = [r for history in self._history.values() for r in history.thinned()]
        return sorted([*self._facts, *thinned, *self._pictures.values()])

    def _read(self) -> None:
        if (changed := self._log.changed()) == self._seen:
            return
        while rows := self._log.after(self._newest, CHUNK):
            for record in rows:
                self._take(record)
            self._newest = rows[-1].id
        self._seen = changed

    def _add_fact(self, record: Record) -> None:
        """A knob that is dragged is many turns, and one fact: from where it stood to where it was left."""
        last = self._facts[-1] if self._facts else record
        same = last.kind == record.kind == "knob" and last.body["name"] == record.body["name"]
        if same and self._facts and record.time - last.time < DRAG_SECONDS:
            self._facts.pop()
            record = record._replace(body={**record.body, "old": last.body["old"]})
        self._facts.append(record)

    def _take(self, record: Record) -> None:
        if record.kind in LATEST:
            self._pictures[record.kind] = record
        elif record.kind in self._history:
            self._history[record.kind].add(record)
        else:
            self._add_fact(record)
        if record.kind == "started" and (step := record.body.get("resumed_from")) is not None:
            for history in self._history.values():
                history.rewind(step)
        self._recent.append(record)
        if len(self._recent) > RECENT:
            self._floor = self._recent.popleft().id
