"""Imports of uploaded tables, the app's side: a child process for each (importer.py), two at once, the others wait.

Who asks for what is being made already waits for the same process. No pandas.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from builder.diagnostic import Diagnostic, Refused
from engine.data.importer import DISK, MEMORY
from engine.data.spec import Options
from engine.log import told

ROOT = Path(__file__).resolve().parents[2]
LOG = "import.log"
AT_ONCE = 2
PATIENCE = 300.0  # seconds for one table
LESS = "Upload a part of it: a few thousand rows are plenty to learn from."
AGAIN = "Choose the file again; where that does not help, upload a part of it."

_lock = threading.Lock()
_slots = threading.BoundedSemaphore(AT_ONCE)
_newest: dict[Path, Import] = {}  # by the folder of the upload
_failed: dict[tuple[Path, str], Import] = {}  # a table that brings its process down is not tried at every look


class Import:
    """One import, begun. ``waiting`` until a slot is free; once it is over, ``problem`` says what went wrong.

    Only what is no answer is a problem: a table that cannot be learned from is told by what lies in ``folder``.
    """

    def __init__(self, folder: Path, request: str) -> None:
        self.folder, self.request = folder, request
        self.waiting = True
        self.pid: int | None = None
        self.problem: Diagnostic | None = None
        self._thread = threading.Thread(target=self._carry_out, name="import", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> bool:
        """Whether it is over, at most ``seconds`` from now."""
        self._thread.join(seconds)
        return self.over

    def _carry_out(self) -> None:
        with _slots:
            self.waiting = False
            try:
                self.problem = _problem(self._run())
            except Refused as refused:
                self.problem = refused.diagnostics[0]

    def _run(self) -> int | None:
        """The exit code of the child; None where it took too long."""
        with told(self.folder), open(self.folder / LOG, "wb") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "engine.data.importer", str(self.folder)],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )
        self.pid = child.pid
        assert child.stdin
        try:
            with child.stdin as lines:  # open until the child is done: it ends where the app is gone
                lines.write(self.request.encode() + b"\n")
                lines.flush()
                return child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return None
        except OSError:  # it has died before it read
            return child.wait()
        finally:
            child.kill()
            child.wait()


def begin(folder: Path, options: Options, seed: int) -> Import:
    """The import that makes this data set of the table in ``folder``, or the one that is going on there already."""
    request = wanted(options, seed)
    with _lock:
        now = _newest.get(folder)
        if now and not now.over:
            return now
        if now and now.problem:
            _failed[folder, now.request] = now
        if failed := _failed.get((folder, request)):
            return failed
        _newest[folder] = Import(folder, request)
        return _newest[folder]


def wanted(options: Options, seed: int) -> str:
    """A request as the child reads it."""
    return json.dumps({"options": dict(options), "seed": seed}, sort_keys=True)


def forget(folder: Path) -> None:
    """What failed there may be tried again."""
    with _lock:
        if folder in _newest and _newest[folder].over:
            del _newest[folder]
        for key in [k for k in _failed if k[0] == folder]:
            del _failed[key]


def _problem(code: int | None) -> Diagnostic | None:
    """In plain words, from the exit code of a child (minus the signal; None where it took too long)."""
    if code == 0:
        return None
    if code is None:
        what = f"Reading this table took longer than {PATIENCE / 60:.0f} minutes and was ended."
        return Diagnostic("csv/slow", what, LESS, field="file")
    if code == MEMORY:
        return Diagnostic("csv/memory", "Reading this table needs more memory than is free.", LESS, field="file")
    if code == DISK:
        what = "The disk is full or the folder of uploads cannot be written, so the table could not be read."
        return Diagnostic("csv/disk", what, "Free some space, then choose the file again.", field="file")
    if code == -signal.SIGKILL:
        what = "The process that read this table was killed, by somebody or because the machine's memory ran out."
        return Diagnostic("csv/killed", what, AGAIN, field="file")
    what = f"The process that read this table ended unexpectedly (code {code})."
    return Diagnostic("csv/crashed", what, AGAIN, field="file")
