"""Previews while editing, the app's side: one warm probe process for all sessions, of each session the newest edit.

An ask returns at once. A thread hands the asks to the process one by one, fairly, and keeps the newest answer of each
session. Whatever happens to the process is an answer too, and the next ask gets a new one. No torch.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.diagnostic import Diagnostic, Refused
from builder.document import to_json
from builder.graph import Graph
from engine.config import TrainConfig
from engine.executor import default_executor

SPACING = 0.15  # seconds between two previews for one session: edits in between are passed over, the last is not
PATIENCE = 10.0  # seconds for one preview
STARTING = 20.0  # more for the first of a process, which may wait for the runner to load torch
IDLE = 600.0  # seconds after which an idle process is let go
MAX_ANSWERS = 64  # sessions whose last answer is kept

Start = Callable[[socket.socket], Callable[[], None]]
SLOW = Diagnostic(
    "probe/slow",
    f"One pass through this network takes longer than {PATIENCE:.0f} s, so it is not previewed.",
    "Use a smaller batch or a smaller network for previews; training takes the time it needs.",
)
DIED = Diagnostic(
    "probe/died",
    "The process that previews networks ended, most likely because the memory ran out.",
    "Make the network or the batch smaller. Your drawing and your runs are not affected.",
)


@dataclass(frozen=True)
class Answer:
    """What probe.py found for ask number ``ticket``: see there. With a ``problem`` there is nothing else."""

    ticket: int
    problem: Diagnostic | None = None
    nodes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    norms: tuple[float | None, ...] = ()
    loss: float | None = None
    input_square: float | None = None
    looks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @staticmethod
    def from_json(ticket: int, body: Mapping[str, Any]) -> Answer:
        if said := body.get("problem"):
            return Answer(ticket, Diagnostic(**{k: v for k, v in said.items() if k != "fix"}))
        layers, norms = tuple(body["layers"]), tuple(body["norms"])
        numbers = body["loss"], body["input_square"]
        return Answer(ticket, None, body["nodes"], layers, norms, *numbers, body["looks"])


@dataclass(frozen=True)
class Ask:
    ticket: int
    graph: Graph
    config: TrainConfig
    csv: Path | None


class Process:
    """One probe process and the socket to it."""

    def __init__(self, start: Start) -> None:
        self.socket, theirs = socket.socketpair()
        with theirs:
            self.kill = start(theirs)
        self.patience = STARTING + PATIENCE
        self._lines = self.socket.makefile("rb")

    def put(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer; None where the process has died. Raises TimeoutError where it takes too long."""
        self.socket.settimeout(self.patience)
        self.patience = PATIENCE
        try:
            self.socket.sendall(json.dumps(request).encode() + b"\n")
            line = self._lines.readline()
        except TimeoutError:
            raise
        except OSError:
            return None
        return dict(json.loads(line)) if line.endswith(b"\n") else None

    def end(self) -> None:
        """Ends the process, at once even where it does not listen; who waits for its answer hears that it is gone."""
        with contextlib.suppress(OSError):  # it has died before
            self.socket.shutdown(socket.SHUT_RDWR)
        self.kill()


class Prober:
    """Asks and answers by ``feed``, the name of a session's drawing. ``start(socket)`` starts a process that serves it
    and returns how to kill it. Every method may be called from any thread."""

    def __init__(self, start: Start, spacing: float = SPACING) -> None:
        self._start, self._spacing = start, spacing
        self._changed = threading.Condition()
        self._waiting: dict[str, Ask] = {}  # in the order in which the sessions first asked
        self._answers: dict[str, Answer] = {}
        self._last: dict[str, float] = {}  # when each feed was last served
        self._serving: str | None = None
        self._tickets = 0
        self._process: Process | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def ask(self, feed: str, graph: Graph, config: TrainConfig, csv: Path | None = None) -> int:
        """Puts an ask in the place of an older one of ``feed`` that still waits; its number. ``csv`` is the folder of
        an upload."""
        with self._changed:
            self._tickets += 1
            self._waiting[feed] = Ask(self._tickets, graph, config, csv)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name="prober", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            return self._tickets

    def answer(self, feed: str) -> Answer | None:
        """The newest answer for ``feed``."""
        return self._answers.get(feed)

    def knows(self, feed: str) -> bool:
        """Whether there is an answer for ``feed``, or will be."""
        with self._changed:
            return feed in self._waiting or feed in self._answers or feed == self._serving

    def forget(self, feed: str) -> None:
        """Drops what ``feed`` asked for and was told."""
        with self._changed:
            self._waiting.pop(feed, None)
            self._answers.pop(feed, None)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread, process = self._thread, self._process
        if process:
            process.end()
        if thread:
            thread.join()

    def _serve(self) -> None:
        while (found := self._next()) is not None:
            feed, ask = found
            answer = self._carry_out(ask)
            with self._changed:
                self._answers.pop(feed, None)
                self._answers[feed], self._serving = answer, None
                for old in list(self._answers)[:-MAX_ANSWERS]:
                    del self._answers[old]

    def _next(self) -> tuple[str, Ask] | None:
        """Waits for the next ask that is due. None when closed or long idle; the thread then ends."""
        idle_at = time.monotonic() + IDLE
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                due = {feed: self._last.get(feed, -self._spacing) + self._spacing for feed in self._waiting}
                for feed in due:
                    if due[feed] <= now:
                        self._last = {f: t for f, t in self._last.items() if t + self._spacing > now} | {feed: now}
                        self._serving = feed
                        return feed, self._waiting.pop(feed)
                if not due and now >= idle_at:
                    break
                self._changed.wait(min([idle_at, *due.values()]) - now)
            self._end_process()
            self._thread = None
        return None

    def _carry_out(self, ask: Ask) -> Answer:
        try:
            body = {"graph": to_json(ask.graph), "config": ask.config.to_json(), "csv": ask.csv and str(ask.csv)}
            self._process = self._process or Process(self._start)
            found = self._process.put(body)
        except Refused as refused:
            return Answer(ask.ticket, refused.diagnostics[0])
        except TimeoutError:
            self._end_process()
            return Answer(ask.ticket, SLOW)
        if found is None:
            self._end_process()
            return Answer(ask.ticket, DIED)
        return Answer.from_json(ask.ticket, found)

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process:
            process.end()


_default: Prober | None = None
_default_lock = threading.Lock()


def default_prober() -> Prober:
    """The one prober of the app process, made when it is first asked for."""
    global _default
    with _default_lock:
        if _default is None:
            _default = Prober(lambda control: default_executor().start_probe(control))
        return _default
