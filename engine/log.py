"""The log of one run: append-only facts in SQLite, one writer at a time, many readers, safe against kill -9.

WAL with ``synchronous=NORMAL``: a commit reaches the operating system before ``append`` returns, so a killed process
loses nothing; only a power cut may lose the last moments, never the file (https://sqlite.org/wal.html).
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from builder.diagnostic import Diagnostic, Refused
from engine.events import LATEST, Event, Kind

SCHEMA = """
CREATE TABLE IF NOT EXISTS record(
    id INTEGER PRIMARY KEY, step INTEGER NOT NULL, time REAL NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS record_kind ON record(kind, id);
CREATE TABLE IF NOT EXISTS latest(
    kind TEXT PRIMARY KEY, id INTEGER NOT NULL, step INTEGER NOT NULL, time REAL NOT NULL, body TEXT NOT NULL);
"""
COLUMNS = "id, step, time, kind, body"
NEWEST_ID = "SELECT max((SELECT coalesce(max(id), 0) FROM record), (SELECT coalesce(max(id), 0) FROM latest))"
BUSY_SECONDS = 10.0


class Record(NamedTuple):
    """An Event as recorded: ``id`` grows along the log, ``time`` is in seconds since 1970."""

    id: int
    step: int
    time: float
    kind: Kind
    body: dict[str, Any]


class Log:
    """``record`` keeps history, ``latest`` only the newest of each picture; both draw ids from one sequence."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()  # one connection serves all threads of a process
        with told(path):
            self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(SCHEMA)

    def append(self, events: Iterable[Event]) -> int:
        """Writes all of ``events`` or none; returns the newest id. Raises ValueError on NaN, Refused on a full disk."""
        rows = [(e.step, e.kind, json.dumps(e.body, allow_nan=False, separators=(",", ":"))) for e in events]
        now = time.time()
        with self._lock, told(self.path), self._transaction():
            newest = self._newest()
            for step, kind, body in rows:
                newest += 1
                table = "latest" if kind in LATEST else "record"
                sql = f"REPLACE INTO {table}({COLUMNS}) VALUES (?, ?, ?, ?, ?)"
                self._db.execute(sql, (newest, step, now, kind, body))
        return newest

    def after(self, id_: int, limit: int = 1000) -> list[Record]:
        """The first ``limit`` records with an id above ``id_``, oldest first."""
        tables = (f"SELECT {COLUMNS} FROM {table} WHERE id > ?1" for table in ("record", "latest"))
        return self._select(" UNION ALL ".join(tables) + " ORDER BY id LIMIT ?2", id_, limit)

    def last(self, kind: Kind) -> Record | None:
        """The newest record of ``kind``."""
        table = "latest" if kind in LATEST else "record"
        found = self._select(f"SELECT {COLUMNS} FROM {table} WHERE kind = ?1 ORDER BY id DESC LIMIT 1", kind)
        return found[0] if found else None

    def every(self, *kinds: Kind) -> list[Record]:
        """All records of ``kinds`` that keep their history, oldest first."""
        marks = ", ".join("?" * len(kinds))
        return self._select(f"SELECT {COLUMNS} FROM record WHERE kind IN ({marks}) ORDER BY id", *kinds)

    def newest(self) -> int:
        with self._lock, told(self.path):
            return self._newest()

    def changed(self) -> int:
        """A number that moves when another process or thread has written. Costs microseconds."""
        with self._lock, told(self.path):
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _newest(self) -> int:
        return int(self._db.execute(NEWEST_ID).fetchone()[0])

    def _select(self, sql: str, *values: Any) -> list[Record]:
        with self._lock, told(self.path):
            rows = self._db.execute(sql, values).fetchall()
        return [Record(id_, step, at, kind, json.loads(body)) for id_, step, at, kind, body in rows]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


@contextmanager
def told(path: Path) -> Iterator[None]:
    """What the disk or SQLite cannot do, as a Refused in plain words."""
    try:
        yield
    except (OSError, sqlite3.Error) as fault:
        raise Refused(disk_diagnostic(path, fault)) from fault


def disk_diagnostic(path: Path, fault: Exception) -> Diagnostic:
    text, number = str(fault), getattr(fault, "errno", None)
    if "full" in text or number == 28:  # ENOSPC
        return Diagnostic(
            "run/disk-full",
            f"The disk is full: {path.name} needs room and gets none.",
            "Free some space, then press Continue; what is recorded is kept.",
        )
    if isinstance(fault, sqlite3.DatabaseError) and ("malformed" in text or "not a database" in text):
        return Diagnostic(
            "run/log-broken",
            f"The run's log {path.name} is damaged and cannot be read.",
            "Restore the run folder from a copy, or delete the run.",
        )
    return Diagnostic(
        "run/disk",
        f"{path.name} cannot be written or read in {path.parent}.",
        "Make that folder writable, or point LAYERLOOM_HOME to one that is.",
    )
