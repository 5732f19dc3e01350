"""A run as a folder: everything needed to open it again, watch it and go on with it. Imports no torch."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from builder import document
from builder.diagnostic import Diagnostic, Refused
from builder.graph import Graph
from engine.config import TrainConfig
from engine.events import OVER, Event, State
from engine.home import is_run_id, new_run_id
from engine.log import Log, told
from engine.origin import Origin

FORMAT, VERSION = "layerloom-run", 2  # 1 had no origin
MAX_TITLE = 200
START = "start"  # the checkpoint that a run which goes on from another one begins with
Csv = bytes | Path | None  # a table, or where an upload lies that never changes


@dataclass(frozen=True)
class Meta:
    """Whose run it is: ``owner`` is what the queue is fair between, ``created`` in seconds since 1970."""

    id: str
    owner: str
    title: str
    created: float


class RunFolder:
    """``run.json`` never changes; ``log`` is the only source of what happened; see ARCHITECTURE.md for the files."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    @staticmethod
    def create(
        home: Path,
        graph: Graph,
        config: TrainConfig,
        *,
        owner: str = "",
        title: str = "",
        csv: Csv = None,
        origin: Origin | None = None,
        start: Path | None = None,
    ) -> RunFolder:
        """A new run under ``home``. Raises Refused where the disk does not take it.

        ``start`` is the checkpoint that a run with an ``origin`` goes on from.
        """
        path = home / "runs" / new_run_id()
        return RunFolder.create_at(path, graph, config, owner=owner, title=title, csv=csv, origin=origin, start=start)

    @staticmethod
    def create_at(
        path: Path,
        graph: Graph,
        config: TrainConfig,
        *,
        owner: str = "",
        title: str = "",
        csv: Csv = None,
        origin: Origin | None = None,
        start: Path | None = None,
    ) -> RunFolder:
        """A new run in ``path``, which must not hold one already."""
        run = RunFolder(path)
        meta = Meta(run.path.name, owner, title[:MAX_TITLE], time.time())
        body = {"format": FORMAT, "version": VERSION, **asdict(meta)}
        body |= {"network": document.to_json(graph), "config": config.to_json()}
        body |= {"origin": origin.to_json() if origin else None}
        with told(run.path):
            if (run.path / "run.json").exists():
                cure = "Choose a folder that is empty or new."
                raise Refused(Diagnostic("run/exists", f"{path} already holds a run.", cure))
            run.path.mkdir(parents=True, exist_ok=True)
            if csv is not None:
                _place(csv, run.path / "data.csv")
            if start is not None:
                _place(start, run.path / f"{START}.safetensors")
            write_beside(run.path / "run.json", json.dumps(body, allow_nan=False).encode())
        return run

    @staticmethod
    def open(home: Path, run_id: str) -> RunFolder:
        """The run with that id. Raises Refused (``run/unknown``) for anything else, a path above all."""
        if is_run_id(run_id) and (home / "runs" / run_id / "run.json").is_file():
            return RunFolder(home / "runs" / run_id)
        raise Refused(Diagnostic("run/unknown", "There is no run with this id.", "Pick one from the list of runs."))

    @property
    def id(self) -> str:
        return self.path.name

    @cached_property
    def meta(self) -> Meta:
        return Meta(self.id, *(self._body[key] for key in ("owner", "title", "created")))

    @cached_property
    def graph(self) -> Graph:
        return document.from_json(self._body["network"])

    @cached_property
    def config(self) -> TrainConfig:
        return TrainConfig.from_json(self._body["config"])

    @cached_property
    def origin(self) -> Origin | None:
        """Which run it goes on from; None for one that began with its first batch."""
        body = self._body.get("origin")
        return Origin.from_json(body) if body else None

    @cached_property
    def log(self) -> Log:
        return Log(self.path / "log.sqlite")

    @cached_property
    def _body(self) -> dict[str, Any]:
        try:
            body = json.loads((self.path / "run.json").read_bytes())
            if body["format"] == FORMAT and body["version"] <= VERSION:
                return dict(body)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        raise Refused(
            Diagnostic(
                "run/unreadable",
                f"run.json of run {self.id} is damaged or from a newer version.",
                "Delete the run, or restore the folder from a copy.",
            )
        )

    def say(self, state: State, reason: str = "", node: str | None = None, *, queue: int | None = None) -> None:
        """Records a state at the step reached so far."""
        body = {"state": state, "reason": reason, "node": node, "queue": queue}
        self.log.append([Event("state", self.step, body)])

    @property
    def step(self) -> int:
        """The step of the newest record."""
        newest = self.log.after(self.log.newest() - 1)
        return newest[-1].step if newest else 0

    @property
    def checkpoint_step(self) -> int | None:
        """The step that Continue goes on from; None where there is no checkpoint yet."""
        try:
            return int(json.loads((self.path / "last.json").read_bytes())["step"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @contextmanager
    def locked(self, patience: float = 10.0) -> Iterator[None]:
        """Holds the run: one worker at a time. Waits ``patience`` seconds for another to end, then raises Refused."""
        with told(self.path), open(self.path / "lock", "ab") as file:
            deadline = time.monotonic() + patience
            while not _take(file.fileno(), fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise Refused(Diagnostic("run/busy", f"Run {self.id} is already being trained.", "Stop it first."))
                time.sleep(0.02)
            yield


def _place(content: bytes | Path, target: Path) -> None:
    """Puts a file into a run's folder; one that never changes is linked: 30 runs on an upload take the room of one."""
    if isinstance(content, bytes):
        target.write_bytes(content)
        return
    try:
        os.link(content, target)
    except OSError:  # a disk without links, or another disk
        shutil.copyfile(content, target)


def _take(file: int, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def alive(run: RunFolder) -> bool:
    """Whether a worker holds the run. The kernel frees the lock of a dead process, however it died."""
    try:
        with open(run.path / "lock", "rb") as file:
            return not _take(file.fileno(), fcntl.LOCK_SH)
    except OSError:
        return False


def write_beside(path: Path, content: bytes) -> None:
    """Writes and renames, so that ``path`` is either old or new, never half."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_bytes(content)
    os.replace(part, path)


@dataclass(frozen=True)
class RunSummary:
    """A line in the list of runs. ``point`` is the body of the newest point, ``metric`` what its metrics are called;
    ``state`` is what ``state_of`` says."""

    id: str
    owner: str
    title: str
    state: State
    step: int
    created: float
    dataset: str
    point: dict[str, Any] | None
    metric: str | None = None


def state_of(run: RunFolder) -> State:
    """The recorded state, or "interrupted" where the log says running and no process holds the run."""
    found = run.log.last("state")
    state: State = found.body["state"] if found else "interrupted"
    return "interrupted" if state in ("running", "paused") and not alive(run) else state


def summary(run: RunFolder) -> RunSummary:
    point, started = run.log.last("point"), run.log.last("started")
    meta = run.meta
    return RunSummary(
        run.id,
        meta.owner,
        meta.title,
        state_of(run),
        run.step,
        meta.created,
        run.config.data.name,
        point.body if point else None,
        started.body.get("metric") if started else None,
    )


Look = tuple[int, ...]  # times and sizes of a log's files: while they stay, so does the summary
_over: dict[Path, tuple[Look, RunSummary]] = {}  # of runs that have ended


def runs(home: Path) -> list[RunSummary]:
    """All runs under ``home``, newest first. A run that is over is read once; an unreadable folder is left out."""
    try:
        paths = [p for p in (home / "runs").iterdir() if is_run_id(p.name)]
    except OSError:
        return []
    found = [s for s in map(_quick_summary, paths) if s]
    return sorted(found, key=lambda s: s.created, reverse=True)


def _quick_summary(path: Path) -> RunSummary | None:
    look = _look(path)
    if (known := _over.get(path)) and known[0] == look:
        return known[1]
    run = RunFolder(path)
    try:
        found = summary(run)
        run.log.close()
    except Refused:
        return None
    if found.state in OVER and found.state != "interrupted":  # that may be only how it looks from outside
        _over[path] = (_look(path), found)
    return found


def _look(path: Path) -> Look:
    looks: list[int] = []
    for name in ("log.sqlite", "log.sqlite-wal"):
        try:
            stat = (path / name).stat()
            looks += (stat.st_mtime_ns, stat.st_size)
        except OSError:
            looks.append(-1)
    return tuple(looks)


def trash(home: Path, run_id: str) -> None:
    """Puts a run into the bin, from where ``restore`` takes it back. Raises Refused while it is being trained."""
    run = RunFolder.open(home, run_id)
    if alive(run) or state_of(run) in ("queued", "starting"):
        raise Refused(Diagnostic("run/busy", "This run is still going.", "Stop it, then delete it."))
    _move(run.path, home / "trash" / run_id)


def restore(home: Path, run_id: str) -> None:
    """Takes a run back out of the bin."""
    if not is_run_id(run_id) or not (home / "trash" / run_id).is_dir():
        raise Refused(Diagnostic("run/unknown", "There is no such run in the bin.", "Pick one from the list of runs."))
    _move(home / "trash" / run_id, home / "runs" / run_id)


def _move(source: Path, target: Path) -> None:
    with told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(source, target)
