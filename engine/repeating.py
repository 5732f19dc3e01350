"""The app's end of a repetition: a process that does a run again, how far it is, and what came out. No torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

from builder.diagnostic import Diagnostic
from engine.link import ROOT
from engine.runner import ENVIRONMENT
from engine.store import RunFolder

NICE = 10  # a repetition can wait; runs that somebody watches go before it
_one_at_a_time = threading.Semaphore(1)
ENDED = Diagnostic(
    "replay/ended",
    "The process that repeats the run ended before it was done.",
    "Try again; a run that needs much memory needs as much again.",
)


class Repetition:
    """Begins when the one before is done. ``done`` means that ``same`` and ``says`` are there, or ``problem``."""

    def __init__(self, run: RunFolder) -> None:
        self.step, self.steps = 0, run.checkpoint_step or 0
        self.same, self.says = False, ""
        self.problem: Diagnostic | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._work, args=(run,), name="repeat", daemon=True).start()

    @property
    def done(self) -> bool:
        return self._ended.is_set()

    def wait(self) -> None:
        self._ended.wait()

    def _work(self, run: RunFolder) -> None:
        try:
            with _one_at_a_time:
                self._run(run)
        except (OSError, ValueError):
            self.problem = ENDED
        finally:
            self._ended.set()

    def _run(self, run: RunFolder) -> None:
        command = [sys.executable, "-m", "engine", "replay", str(run.path), "--json"]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.nice(NICE),  # noqa: PLW1509 (nothing is locked in between)
        )
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                self._hear(json.loads(line))
        if not self.says:
            self.problem = ENDED

    def _hear(self, message: dict[str, object]) -> None:
        if isinstance(step := message.get("step"), int):
            self.step = step
        if "says" in message:
            self.same, self.says = bool(message["same"]), str(message["says"])
