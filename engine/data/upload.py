"""Uploaded tables: kept once under their SHA-256, read by a process of their own, mapped where they are needed.

The app process never parses one and never holds one: of 50 MB it keeps the name of a folder. No pandas.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from builder.diagnostic import Diagnostic, Refused
from engine.data import importing, stored
from engine.data.csv import FILE, CsvReport
from engine.data.csv_read import check_size, refuse
from engine.data.importing import Import
from engine.data.spec import Dataset, Options
from engine.log import told
from engine.store import write_beside

UPLOADS = "uploads"
MAX_KEPT, MAX_BYTES = 20, 2**30  # of all uploads; the newest stay
FRESH = 3600.0  # s since its last use in which an upload stays in any case: a session may be at work on it
TICK = 0.25  # s between two signs of life while an import is waited for
T = TypeVar("T")

_writing = threading.Lock()


def keep(data: bytes, home: Path) -> str:
    """Writes ``data`` to ``home/uploads/<sha>/data.csv`` and returns the SHA-256. Raises Refused over the limit or
    where the disk does not take it. The file never changes again, so that runs may link to it."""
    check_size(len(data))
    sha = hashlib.sha256(data).hexdigest()
    folder = home / UPLOADS / sha
    with _writing, told(folder / FILE):
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / FILE).is_file():
            write_beside(folder / FILE, data)
        os.utime(folder)
        prune(home)
    importing.forget(folder)
    return sha


def prune(home: Path) -> None:
    """Removes the uploads that were used longest ago, beyond MAX_KEPT or MAX_BYTES. Runs have the file themselves."""
    uploads = sorted((home / UPLOADS).iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
    room = MAX_BYTES
    for place, folder in enumerate(uploads):
        room -= sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        if (place >= MAX_KEPT or room < 0) and time.time() - folder.stat().st_mtime > FRESH:
            shutil.rmtree(folder, ignore_errors=True)


def ignore(_import: Import) -> None:
    """For who only waits."""


@dataclass(frozen=True)
class Upload:
    """The upload ``sha`` under ``home``. ``tick`` is called every TICK seconds while an import is waited for; what
    it raises ends the waiting, not the import."""

    home: Path
    sha: str

    @property
    def folder(self) -> Path:
        return self.home / UPLOADS / self.sha

    @property
    def file(self) -> Path:
        """The table. Raises Refused where it has been pruned."""
        self.touch()
        return self.folder / FILE

    def touch(self) -> None:
        """Says that it is in use. Raises Refused where it has been pruned."""
        try:
            os.utime(self.folder)
        except OSError:
            refuse("no-file", "The uploaded file is no longer kept here.", "Choose it again.")

    def report(self, options: Options, seed: int = 0, tick: Callable[[Import], None] = ignore) -> CsvReport:
        """What is in the table. Raises Refused. The import goes on to the data set that ``options`` make with the
        default target, which is what will be asked for next."""
        request = {**options, "target": None}
        return self._await(lambda: stored.read_report(self.folder), request, seed, tick)

    def dataset(self, options: Options, seed: int = 0, tick: Callable[[Import], None] = ignore) -> Dataset:
        """What ``csv_dataset`` makes with ``options`` (target, which must be named, task and test_share), with arrays
        that are mapped from disk. Raises Refused."""
        place = stored.set_folder(self.folder, options, seed)

        def find() -> Dataset | None:
            made = stored.read_dataset(place)
            if made is None:
                stored.read_report(self.folder)  # raises where no set can be made of the table
            return made

        return self._await(find, options, seed, tick)

    def _await(self, find: Callable[[], T | None], options: Options, seed: int, tick: Callable[[Import], None]) -> T:
        self.touch()
        while (found := find()) is None:
            running = importing.begin(self.folder, options, seed)
            while not running.wait(TICK) and find() is None:
                tick(running)
            if running.over and find() is None and running.request == importing.wanted(options, seed):
                lost = "The table was read, and what was found in it is gone."
                raise Refused(running.problem or Diagnostic("csv/lost", lost, importing.AGAIN, field="file"))
        return found
