"""Following runs for all who look at them: each log is read once, however many browsers are open."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

from builder.diagnostic import Diagnostic, Refused
from engine.events import LATEST, Kind
from engine.executor import LocalExecutor
from engine.knobs import change
from engine.log import Record
from engine.store import RunFolder
from engine.tail import Tail
from engine.timeline import last_step

POLL_SECONDS = 0.025
STATUS_SECONDS = 0.25
LINGER_SECONDS = 60.0  # a reload comes back to a run that is still followed: opening an hour's log takes seconds
RECENT = 512  # lines kept for viewers; who is further behind gets the thinned history from the tail


class Line(NamedTuple):
    """A record as it is sent."""

    id: int
    kind: Kind
    text: str


def encode(record: Record) -> Line:
    return Line(record.id, record.kind, json.dumps(list(record), separators=(",", ":"), ensure_ascii=False))


class Watch:
    """One run and everybody who looks at it. ``poll`` and ``since`` read files, so they belong in a thread."""

    def __init__(self, run: RunFolder, executor: LocalExecutor) -> None:
        self.run = run
        self.viewers: set[asyncio.Event] = set()
        self.left = time.monotonic()  # when the last viewer went
        self.knobs: dict[str, float] = {}
        self.steps = run.config.steps  # until the run is finished
        self.status: dict[str, Any] = {}
        self.recent: tuple[Line, ...] = ()
        self.floor = self.newest = 0  # ids: ``recent`` holds what is above floor, up to newest
        self._executor = executor
        self._tail = Tail(run)
        self._status_due = 0.0
        records = self._tail.snapshot()
        self._learn(records)
        self.floor = self.newest = records[-1].id if records else 0
        self._ask_status()

    def poll(self) -> bool:
        """Reads what is new; whether there is something to send."""
        records = self._tail.news(self.newest)
        if records:
            self._learn(records)
            lines = (*self.recent, *map(encode, records))
            if len(lines) > RECENT:
                self.floor = lines[-RECENT - 1].id
            self.recent, self.newest = lines[-RECENT:], records[-1].id
        told = any(r.kind == "state" for r in records)
        before = self.status
        if told or time.monotonic() >= self._status_due:
            self._ask_status()
        return bool(records) or self.status != before

    def since(self, after: int) -> list[Line]:
        """The records above ``after``, thinned where that is long past."""
        records = self._tail.news(after) if after else self._tail.snapshot()
        return [encode(r) for r in records]

    def refuse_knob(self, name: str, value: object) -> Diagnostic | None:
        """Why knob ``name`` cannot be set to ``value``. Before the run has started, the executor says."""
        if not self.knobs:
            return None
        return change(self.knobs, name, value)[1]

    def wake(self) -> None:
        for event in self.viewers:
            event.set()

    def close(self) -> None:
        self._tail.close()

    def _learn(self, records: list[Record]) -> None:
        for record in records:
            if record.kind == "started":
                self.knobs = dict(record.body["knobs"])
                self.steps = last_step(self.run.config.steps, record.body["resumed_from"] or 0)
            elif record.kind == "knob":
                self.knobs = self.knobs | {record.body["name"]: record.body["new"]}

    def _ask_status(self) -> None:
        self._status_due = time.monotonic() + STATUS_SECONDS
        self.status = asdict(self._executor.status(self.run.id)) | {"steps": self.steps}


class Viewer:
    """One browser's place in a run: ``packet`` gives all that it has not seen, as one message."""

    def __init__(self, watch: Watch, after: int) -> None:
        self.watch = watch
        self.after = after
        self.event = asyncio.Event()
        self._status: dict[str, Any] | None = None

    async def packet(self) -> str:
        """Waits until there is something new. A slow browser gets fewer and larger packets, never a queue of them."""
        while True:
            lines = await self._lines()
            if lines or self.watch.status != self._status:
                self._status = self.watch.status
                return message(lines, self._status)
            await self.event.wait()
            self.event.clear()

    async def _lines(self) -> list[Line]:
        watch = self.watch
        if self.after < watch.floor or self._status is None:
            lines = await asyncio.to_thread(watch.since, self.after)
        else:
            lines = [line for line in watch.recent if line.id > self.after]
        if lines:
            self.after = lines[-1].id
        newest = {line.kind: line for line in lines if line.kind in LATEST}
        return [line for line in lines if newest.get(line.kind, line) is line]


def message(lines: list[Line], status: dict[str, Any], refused: Diagnostic | None = None) -> str:
    """A packet of the live route, see ARCHITECTURE.md."""
    body: dict[str, Any] = {"status": status, "now": time.time()}
    if refused:
        body["refused"] = refused.to_json()
    return '{"records":[' + ",".join(line.text for line in lines) + "]," + json.dumps(body)[1:]


class Watches:
    """All runs that somebody looks at, or did a moment ago. One task polls them together, and ends with the last."""

    def __init__(self, executor: Callable[[], LocalExecutor]) -> None:
        self._executor = executor
        self._open: dict[str, Watch] = {}
        self._opening: dict[str, asyncio.Task[Watch]] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def count(self) -> int:
        """How many runs are watched."""
        return len(self._open)

    async def enter(self, run_id: str, after: int) -> Viewer:
        """Joins the viewers of a run. Raises Refused for an unknown one."""
        viewer = Viewer(await self._watch(run_id), after)
        viewer.watch.viewers.add(viewer.event)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow())
        return viewer

    async def _watch(self, run_id: str) -> Watch:
        """The watch of a run. Opening a long log takes seconds, in which the viewers of other runs do not wait."""
        if run_id in self._open:
            return self._open[run_id]
        if run_id not in self._opening:
            self._opening[run_id] = asyncio.create_task(asyncio.to_thread(self._make, run_id))
        opening = self._opening[run_id]
        try:
            watch = await asyncio.shield(opening)
        finally:
            if opening.done():
                self._opening.pop(run_id, None)
        return self._open.setdefault(run_id, watch)

    def leave(self, viewer: Viewer) -> None:
        viewer.watch.viewers.discard(viewer.event)
        viewer.watch.left = time.monotonic()

    def _make(self, run_id: str) -> Watch:
        executor = self._executor()
        return Watch(RunFolder.open(executor.home, run_id), executor)

    async def _follow(self) -> None:
        while self._open:
            past = time.monotonic() - LINGER_SECONDS
            for run_id in [i for i, w in self._open.items() if not w.viewers and w.left < past]:
                self._open.pop(run_id).close()
            watches = list(self._open.values())
            for watch in await asyncio.to_thread(poll_all, watches):
                watch.wake()
            await asyncio.sleep(POLL_SECONDS)


def poll_all(watches: list[Watch]) -> list[Watch]:
    """Those with something new. One thread hop for all of them."""
    return [watch for watch in watches if poll_one(watch)]


def poll_one(watch: Watch) -> bool:
    try:
        return watch.poll()
    except Refused:  # the folder was deleted, or the disk fails: the run's page says so when it is opened again
        return False
