"""What is said and done about runs whose worker, runner or app has died. No torch."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

from builder.diagnostic import Refused
from engine.events import OVER
from engine.log import told
from engine.store import RunFolder, alive, runs

DISK, BUSY = 3, 4  # exit codes of a worker that could not write its own end


def how_it_ended(code: int | None) -> str:
    """In plain words, from the exit code of a worker (minus the signal; None where nobody could see it)."""
    if code is None:
        return "The process that trained this run is gone, together with the runner that started it."
    if code == -signal.SIGKILL:
        return "The worker was killed (signal 9), by somebody or because the machine's memory ran out."
    if code < 0:
        name = signal.strsignal(-code) or "unknown"
        return f"The worker crashed ({name}, signal {-code}); worker.log in the run folder may say more."
    if code == DISK:
        return "The disk is full or the run folder cannot be written, so the training ended."
    return f"The worker ended unexpectedly (code {code}); worker.log in the run folder says more."


def what_remains(run: RunFolder) -> str:
    step = run.checkpoint_step
    if step is None:
        return "There was no checkpoint yet; press Continue to start again."
    return f"The last checkpoint is from step {step}; press Continue to go on from there."


def claim(home: Path) -> int | None:
    """Takes the home for this app: a file descriptor to keep open, or None where another living app has it."""
    with told(home):
        home.mkdir(parents=True, exist_ok=True)
        file = os.open(home / "app.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def mark_orphans(home: Path) -> None:
    """Says "interrupted" in the log of every run that an app which died left behind as queued, starting or running."""
    for found in runs(home):
        if found.state not in OVER or found.state == "interrupted":
            try:
                _mark(RunFolder.open(home, found.id))
            except Refused:
                continue  # gone, or on a broken disk: the state is then told as it is read


def _mark(run: RunFolder) -> None:
    last = run.log.last("state")
    if (last is None or last.body["state"] not in OVER) and not alive(run):
        run.say("interrupted", f"The app ended while this run was going. {what_remains(run)}")
    run.log.close()
