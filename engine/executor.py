"""Starting, steering and ending runs from the app: slots, a fair queue, the truth about dead workers. No torch."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from builder.diagnostic import Diagnostic, Refused
from engine.aftermath import claim, how_it_ended, mark_orphans, what_remains
from engine.control import Command, check
from engine.events import OVER, Event, State
from engine.going import Live, deliver, returned, stands
from engine.home import home as default_home
from engine.link import RunnerLink
from engine.queue import Waiting, fair_order
from engine.store import RunFolder, alive

# Small nets share a core better than they wait. LAYERLOOM_SLOTS where the memory of an accelerator is the limit.
SLOTS_PER_CORE = 8
GRACE_SECONDS = 5.0  # between asking a run to stop and killing it
MAX_KNOWN = 64  # runs whose log is kept open
SEND_SECONDS = 0.2  # for a command to fit into the socket's buffer, which only a hanging worker leaves full
CONTINUE_PATIENCE = 3.0  # a worker whose app has died needs a moment for its last checkpoint


@dataclass(frozen=True)
class Status:
    """What a page shows of a run right now. ``queue`` is the place, from 1, of a run that waits."""

    state: State
    queue: int | None = None
    reason: str = ""
    node: str | None = None


class Executor(Protocol):
    """The seam: where runs are executed. Whatever does it writes the same run folder."""

    def start(self, run: RunFolder) -> None: ...
    def send(self, run_id: str, command: Command) -> Diagnostic | None: ...
    def status(self, run_id: str) -> Status: ...
    def cancel(self, run_id: str) -> Diagnostic | None: ...
    def close(self) -> None: ...


class LocalExecutor:
    """Workers on this machine, forked by one runner. Every method may be called from any thread."""

    def __init__(self, home: Path, slots: int | None = None) -> None:
        self.home = home.resolve()
        self.slots = slots or default_slots()
        self._lock = threading.RLock()
        self._live: dict[int, Live] = {}
        self._keys = 0
        self._measuring: dict[int, tuple[str, str]] = {}  # runs that are over, and what is measured of them
        self._waiting: list[Waiting] = []
        self._places: dict[str, int] = {}
        self._known: dict[str, RunFolder] = {}
        self._unwritten: dict[str, Status] = {}  # ends that a full disk did not take
        self._returning: set[str] = set()  # runs that go on as soon as their last worker has ended
        self._link: RunnerLink | None = None
        self._closing = False
        self._mine = claim(self.home)
        if self._mine is not None:
            mark_orphans(self.home)

    # ---- what pages and routes call

    def prewarm(self) -> None:
        """Starts the runner, which then loads torch on its own."""
        with self._lock:
            self._runner()

    @property
    def runner_pid(self) -> int:
        """The runner's process, started if need be."""
        with self._lock:
            return self._runner().pid

    def start_probe(self, control: socket.socket) -> Callable[[], None]:
        """Forks a process that previews drawings over ``control`` (see probing.py). The result kills it."""
        with self._lock:
            link = self._runner()
            self._keys += 1
            key = self._keys
        link.probe(key, control)
        return lambda: link.kill(key)

    def start(self, run: RunFolder) -> None:
        """Queues a new run; it starts at once where a slot is free. Raises Refused where the disk is full."""
        self._enqueue(Waiting(run, "start"))

    def continue_(self, run_id: str) -> Diagnostic | None:
        """Goes on from the last checkpoint, in the same log; a finished run goes on for as many steps again."""
        try:
            run = self._run(run_id)
        except Refused as refused:
            return refused.diagnostics[0]
        if not self._ending(run):
            return self._continue_now(run)
        with self._lock:
            if run_id not in self._returning:
                self._returning.add(run_id)
                threading.Thread(target=self._continue_later, args=(run,), name="continue", daemon=True).start()
        return None

    def _continue_now(self, run: RunFolder) -> Diagnostic | None:
        with self._lock:
            if self._key(run.id) is not None or self._place(run.id) or alive(run):
                return Diagnostic("run/busy", "This run is still going.", "Stop it before continuing it.")
            return returned(lambda: self._enqueue(Waiting(run, "continue")))

    def _continue_later(self, run: RunFolder) -> None:
        """Waits for the last words of the worker that is ending, in a thread of its own: who asked need not."""
        deadline = time.monotonic() + CONTINUE_PATIENCE
        while self._ending(run) and time.monotonic() < deadline:
            time.sleep(0.02)
        with self._lock:
            self._returning.discard(run.id)
        if (problem := self._continue_now(run)) is not None:
            with contextlib.suppress(Refused):
                run.log.append([Event("diagnostic", run.step, problem.to_json())])

    def send(self, run_id: str, command: Command) -> Diagnostic | None:
        """Hands ``command`` to the run's worker, or says why not. ``{"do": "continue"}`` is ``continue_``."""
        if isinstance(command, dict) and command.get("do") == "continue":
            return self.continue_(run_id)
        if problem := check(command):
            return problem
        with self._lock:
            key = self._key(run_id)
            if key is None or (command["do"] == "measure" and self._ending(self._live[key].run)):
                return returned(lambda: self._send_to_waiting(run_id, command))
            return returned(lambda: self._send_to_live(self._live[key], command))

    def status(self, run_id: str) -> Status:
        """The true state. Raises Refused for an unknown run."""
        run = self._run(run_id)
        with self._lock:
            place, ours = self._place(run_id), self._key(run_id) is not None
            if run_id in self._unwritten:
                return self._unwritten[run_id]
        record = run.log.last("state")
        body: dict[str, Any] = record.body if record else {"state": "interrupted"}
        if place:
            return Status("queued", place)
        if body["state"] == "paused" and ours:
            with self._lock:
                self._fill()
        if body["state"] not in OVER and not ours and not alive(run):
            return Status("interrupted", reason="The app ended while this run was going. Press Continue.")
        return Status(body["state"], None, body.get("reason") or "", body.get("node"))

    def cancel(self, run_id: str) -> Diagnostic | None:
        """Stops the run, and kills its worker where it does not end by itself within some seconds."""
        problem = self.send(run_id, {"do": "stop"})
        if (key := self._key(run_id)) is not None:
            problem = None  # it will end, one way or the other
            timer = threading.Timer(GRACE_SECONDS, self._kill, (key,))
            timer.daemon = True
            timer.start()
        return problem

    def close(self) -> None:
        """Ends everything: workers save a checkpoint and say "interrupted". A second call does nothing."""
        with self._lock:
            self._closing = True
            for waiting in self._waiting:
                with contextlib.suppress(Refused):
                    waiting.run.say("interrupted", "The app was closed while this run waited. Press Continue.")
            self._waiting, self._places = [], {}
            for live in self._live.values():
                live.control.close()
        deadline = time.monotonic() + GRACE_SECONDS
        while self._live and time.monotonic() < deadline:
            time.sleep(0.01)
        if self._link:
            self._link.close()
            self._link = None
        if self._mine is not None:
            os.close(self._mine)
            self._mine = None

    # ---- slots and queue, all under the lock

    def _enqueue(self, waiting: Waiting) -> None:
        with self._lock:
            self._known[waiting.run.id] = waiting.run
            self._unwritten.pop(waiting.run.id, None)
            self._waiting.append(waiting)
            if refused := self._fill().get(waiting.run.id):
                raise refused

    def _fill(self) -> dict[str, Refused]:
        """Serves who waits while slots are free, and tells the others their place.

        A run whose folder cannot be written is given up; these are returned by id with the reason. One user's full
        disk must not hold up another's run.
        """
        refused: dict[str, Refused] = {}
        for live in self._live.values():
            live.slot = live.slot and not stands(live)
        holders = [live.run.meta.owner for live in self._live.values() if live.slot]
        order = fair_order(self._waiting, holders)
        free = self.slots - len(holders)
        while order and free > 0:
            waiting = order.pop(0)
            self._waiting.remove(waiting)
            try:
                self._begin(waiting)
                free -= 1
            except Refused as reason:
                self._unwritten[waiting.run.id] = Status("failed", reason=reason.diagnostics[0].text)
                refused[waiting.run.id] = reason
        self._tell_places({w.run.id: place for place, w in enumerate(order, 1)})
        return refused

    def _tell_places(self, places: dict[str, int]) -> None:
        moved = [w.run for w in self._waiting if self._places.get(w.run.id) != places[w.run.id]]
        self._places = places
        for run in moved:
            with contextlib.suppress(Refused):  # status() knows the place too
                run.say("queued", "All slots are taken; this run starts by itself.", queue=places[run.id])

    def _begin(self, waiting: Waiting) -> None:
        key = self._key(waiting.run.id)
        if waiting.then == "resume" and key is not None:
            self._live[key].slot, self._live[key].told = True, time.monotonic()
            deliver(self._live[key].control, {"do": "resume"})
        elif waiting.then != "resume":
            waiting.run.say("starting")
            self._launch(waiting.run, resume=waiting.then == "continue")

    def _launch(self, run: RunFolder, resume: bool) -> None:
        link = self._runner()
        ours, theirs = socket.socketpair()
        ours.settimeout(SEND_SECONDS)
        self._keys += 1
        self._live[self._keys] = Live(run, ours, link)
        with theirs:
            link.start(self._keys, run.path, resume, theirs)

    def _send_to_waiting(self, run_id: str, command: Command) -> Diagnostic | None:
        waiting = next((w for w in self._waiting if w.run.id == run_id), None)
        if waiting is None and command["do"] == "measure":
            return self._measure(self._run(run_id), command)
        if waiting is None:
            cure = "Press Continue to go on from its last checkpoint."
            return Diagnostic("run/not-running", "This run is not going.", cure)
        if command["do"] != "stop":
            return Diagnostic("run/queued", "This run waits for a slot and has not started.", "Wait, or stop it.")
        self._waiting.remove(waiting)
        waiting.run.say("stopped", "Stopped before it started.")
        self._fill()
        return None

    def _measure(self, run: RunFolder, command: Command) -> Diagnostic | None:
        """Has a run that is over measured by a process of its own, which writes to its log and ends."""
        what = (run.id, command["name"])
        if command.get("value") == 0 or what in self._measuring.values():
            return None
        if len(self._measuring) >= self.slots:
            return Diagnostic("measure/busy", "Many runs are being measured right now.", "Try again in a moment.")
        self._keys += 1
        self._measuring[self._keys] = what
        self._runner().measure(self._keys, run.path, command["name"])
        return None

    def _send_to_live(self, live: Live, command: Command) -> Diagnostic | None:
        """Passes on ``command``. A paused run gives its slot away, and must get one back before it resumes."""
        if command["do"] not in ("set", "break", "measure"):  # whatever was asked before is replaced
            self._waiting = [w for w in self._waiting if w.run.id != live.run.id]
        problem = None
        live.told = time.monotonic()
        if command["do"] == "resume" and not live.slot:
            self._waiting.append(Waiting(live.run, "resume"))
        else:
            problem = deliver(live.control, command)
        if command["do"] in ("pause", "step"):
            live.slot = False
        self._fill()
        return problem

    # ---- what the runner reports, in its thread

    def _heard(self, message: dict[str, Any]) -> None:
        with self._lock:
            if "pid" in message and (live := self._live.get(message["key"])):
                live.pid = message["pid"]
            if "exit" in message:
                self._measuring.pop(message["key"], None)
                self._ended(message["key"], message["exit"])

    def _lost(self, link: RunnerLink) -> None:
        """The runner died. Its workers live on; their end shows as the end of their sockets."""
        with self._lock:
            self._measuring = {}  # if one lives on, it may be asked for twice
            for key, live in self._live.items():
                if live.link is link:
                    threading.Thread(target=self._await_end, args=(key, live), daemon=True).start()

    def _await_end(self, key: int, live: Live) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: closed meanwhile
            select.select([live.control], [], [])  # a worker sends nothing, so this returns when it ends
        deadline = time.monotonic() + GRACE_SECONDS
        while alive(live.run) and time.monotonic() < deadline:  # its lock is freed a moment later
            time.sleep(0.01)
        self._ended(key, None)

    def _ended(self, key: int, code: int | None) -> None:
        with self._lock:
            if (live := self._live.pop(key, None)) is None:
                return
            live.control.close()
            self._waiting = [w for w in self._waiting if w.run.id != live.run.id]
            self._close_log_of(live, code)
            if not self._closing:
                self._fill()

    def _close_log_of(self, live: Live, code: int | None) -> None:
        """Records the end of a worker that could not do so itself."""
        run = live.run
        if alive(run):  # the lock was another's, and so is the log
            return
        try:
            last = run.log.last("state")
            if last is None or last.body["state"] not in OVER:
                how = "It did not answer, so its worker was ended." if live.cancelled else how_it_ended(code)
                run.say("stopped" if live.cancelled else "failed", f"{how} {what_remains(run)}")
        except Refused as refused:
            self._unwritten[run.id] = Status("failed", reason=refused.diagnostics[0].text)

    # ---- small helpers

    def _runner(self) -> RunnerLink:
        if self._link is None or not self._link.alive:
            link = RunnerLink(self.home, self._heard, lambda: self._lost(link))
            self._link = link
        return self._link

    def _run(self, run_id: str) -> RunFolder:
        opened = RunFolder.open(self.home, run_id)
        with self._lock:
            if run_id not in self._known and len(self._known) >= MAX_KNOWN:
                self._known.pop(next(iter(self._known)))  # its log closes when the last reader lets go of it
            return self._known.setdefault(run_id, opened)

    def _ending(self, run: RunFolder) -> bool:
        """Whether a worker is about to be gone: it has said so, or the app that it belonged to has died."""
        if self._key(run.id) is None:
            return self._mine is not None and alive(run)  # else it may be a run of the app that owns this home
        last = run.log.last("state")
        return last is not None and last.body["state"] in OVER

    def _key(self, run_id: str) -> int | None:
        with self._lock:
            return next((key for key, live in self._live.items() if live.run.id == run_id), None)

    def _place(self, run_id: str) -> int | None:
        return self._places.get(run_id)

    def _kill(self, key: int) -> None:
        with self._lock:
            if live := self._live.get(key):
                live.cancelled = True
                live.link.kill(key)


def default_slots() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(os.environ.get("LAYERLOOM_SLOTS") or SLOTS_PER_CORE * cores))


_default: LocalExecutor | None = None
_default_lock = threading.Lock()


def default_executor() -> LocalExecutor:
    """The one executor of the app process, made when it is first asked for."""
    global _default
    with _default_lock:
        if _default is None:
            _default = LocalExecutor(default_home())
            atexit.register(_default.close)
        return _default
