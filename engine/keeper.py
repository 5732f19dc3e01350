"""Keeps moments of a training beside it: the copy takes a moment of the loop, all the rest is done by a thread."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from queue import Queue

from builder.diagnostic import Refused
from engine.checkpoint import Checkpoint
from engine.events import Event
from engine.kept import MOST, Moment, about, folder, steps, surplus
from engine.replicas.group import Trainer
from engine.store import RunFolder

SECONDS = 0.25  # between two moments at the least
SHARE = 0.01  # of the time, at most, goes into keeping
PICTURES = ("hist", "boundary", "layers")  # what was newest of these is kept with a moment


class Keeper:
    """Told of every event by ``see``. ``keep`` takes a moment at once, ``pass_by`` when the last is long enough ago.

    ``news`` gets the body of a "kept" event when the list of moments has changed.
    """

    def __init__(self, run: RunFolder, training: Trainer) -> None:
        self.training, self.folder = training, folder(run)
        there = known(run)
        self.moments = [m for m in there if m.step <= training.step]  # the others are done again
        self.next = time.monotonic() + SECONDS
        self.began = time.monotonic()
        # A list takes and gives single items safely between threads.
        self.news: list[dict[str, list[int]]] = [self._list()] if there else []
        self._pictures: dict[str, Event] = {}
        self._loss: float | None = None
        newest = self.moments[-1] if self.moments else Moment(-1)
        self._taken, self._turned = newest.step, newest.turned
        self._after: dict[int, float] = {}  # loss that followed each moment
        self.cost = 0.0  # CPU-seconds of the thread for one moment
        self._waiting: Queue[Checkpoint | None] = Queue()
        self._thread: threading.Thread | None = None
        self._forget(m.step for m in there if m.step > training.step)

    def see(self, events: Sequence[Event]) -> None:
        if self.training.step > self._taken:
            self._after.setdefault(self._taken, self.training.report.newest)
        for event in events:
            if event.kind in PICTURES:
                self._pictures[event.kind] = event
            elif event.kind == "point" and event.body["batch_loss"] is not None:
                self._loss = event.body["batch_loss"]

    def pass_by(self, now: float) -> None:
        if now >= self.next and self._waiting.empty():
            self.keep()

    def keep(self, turned: bool = False) -> None:
        """Takes the moment as it is now, unless it has been taken already: as one before a turn where it is that."""
        step = self.training.step
        if step == self._taken and self._turned >= turned:
            return
        began = time.monotonic()
        checkpoint = lean(self.training.checkpoint(), self.training.stopping.on)
        more = {
            "turned": turned,
            "loss": self._loss,
            "pictures": {kind: [e.step, e.body] for kind, e in self._pictures.items()},
        }
        self._waiting.put(replace(checkpoint, meta={**checkpoint.meta, **more}))
        self._taken, self._turned = step, turned
        now = time.monotonic()
        rest = max(SECONDS, (now - began + self.cost) / SHARE, (now - self.began) / MOST)
        self.next = now + rest
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="keeper", daemon=True)
            self._thread.start()

    def followed(self) -> list[Moment]:
        """The moments, with what followed them, of a run that has broken."""
        broke = {self.training.step: math.inf}
        return [replace(m, after=self._after.get(m.step, broke.get(m.step))) for m in self.moments]

    def close(self) -> None:
        """Waits until all is written."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _write(self) -> None:
        while (checkpoint := self._waiting.get()) is not None:
            began = time.thread_time()
            try:
                self._save(checkpoint)
            except OSError:  # a full disk: the run itself will say so; what is kept stays
                continue
            self.cost = time.thread_time() - began

    def _save(self, checkpoint: Checkpoint) -> None:
        self.folder.mkdir(exist_ok=True)
        meta, step = checkpoint.meta, checkpoint.step
        more = {**meta, "sha256": checkpoint.sha256}
        replace(checkpoint, meta=more).save(self.folder, str(step), durable=False)
        moment = Moment(step, size(self.folder, step), meta["turned"], meta["loss"])
        new = [*(m for m in self.moments if m.step < step), moment]
        gone = {m.step for m in surplus(new)}
        self.moments = [m for m in new if m.step not in gone]
        self._forget(gone)
        self.news.append(self._list())

    def _forget(self, gone: Iterable[int]) -> None:
        for step in gone:
            for kind in ("safetensors", "json"):
                (self.folder / f"{step}.{kind}").unlink(missing_ok=True)

    def _list(self) -> dict[str, list[int]]:
        """The body of a "kept" event."""
        return {"steps": [m.step for m in self.moments], "turned": [m.step for m in self.moments if m.turned]}


def known(run: RunFolder) -> list[Moment]:
    """The moments of a run that goes on, as they were kept."""
    found = []
    for step in steps(run):
        try:
            meta = about(run, step)
            found.append(Moment(step, size(folder(run), step), meta["turned"], meta["loss"]))
        except (Refused, OSError, KeyError):  # killed between the two files: without its description it is no use
            (folder(run) / f"{step}.safetensors").unlink(missing_ok=True)
    return found


def size(place: Path, step: int) -> int:
    return (place / f"{step}.safetensors").stat().st_size


def lean(checkpoint: Checkpoint, stopping: bool) -> Checkpoint:
    """Without the best weights so far, which go on to matter only where early stopping may put them back."""
    if stopping:
        return checkpoint
    copies = tuple(lean(copy, stopping) for copy in checkpoint.copies)
    return replace(checkpoint, best={}, meta={**checkpoint.meta, "best": {"step": 0, "loss": None}}, copies=copies)
