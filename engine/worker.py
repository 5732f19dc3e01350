"""One run in a process of its own: trains, records, obeys, and ends with the truth in the log.

``work`` is also what the command line runs, so that both train the same way. A command acts between two batches.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch

from builder.diagnostic import Diagnostic, Refused
from builder.graph import Edge, Graph, Node
from engine import data
from engine.aftermath import BUSY, DISK, what_remains
from engine.checkpoint import Checkpoint
from engine.config import DataRef, TrainConfig
from engine.control import Command, Inbox
from engine.events import OVER, Event, State
from engine.faults import RunFault, is_out_of_memory
from engine.lanes.lane import Wanted
from engine.limits import settle
from engine.log import Log, Record, told
from engine.loop import Training
from engine.store import RunFolder
from engine.throttle import Throttle

FLUSH_SECONDS = 0.03  # facts are written together, at most this late
CHECKPOINT_SECONDS = 10.0
STRIDE_SECONDS = 0.01  # a call to a lane that can train several batches takes about that long; commands and looks wait
LOOK_SECONDS = 0.01  # a run that waits looks so often for a command
CHECKPOINT_SHARE = 0.05  # of the time, at most, goes into periodic checkpoints of large networks

LANES: tuple[Wanted, ...] = ("eager", "auto")

Listener = Callable[[Sequence[Event]], None]


class Recorder:
    """Gathers events and writes them in few transactions; the first at once."""

    def __init__(self, log: Log, listener: Listener | None = None) -> None:
        self.log, self.listener = log, listener
        self.pending: list[Event] = []
        self.due = 0.0

    def add(self, *events: Event) -> None:
        self.pending += events

    def write(self, now: float) -> None:
        """Writes what there is, if enough time has passed."""
        if self.pending and now >= self.due:
            self.flush()

    def flush(self) -> None:
        events, self.pending = self.pending, []
        self.log.append(events)
        self.due = time.monotonic() + FLUSH_SECONDS
        if self.listener:
            self.listener(events)


class Worker:
    """Drives one Training: ``train`` returns the state in which it ended."""

    def __init__(self, run: RunFolder, training: Training, inbox: Inbox, recorder: Recorder) -> None:
        self.run, self.training, self.inbox, self.recorder = run, training, inbox, recorder
        self.state: State = "running"
        self.reason = ""
        self.deadline = time.monotonic() + run.config.max_seconds
        self.next_checkpoint = time.monotonic() + CHECKPOINT_SECONDS
        self.saved: dict[str, int] = {}  # the step of each checkpoint on disk
        self.turns = turns_after(run, training.resumed_from)
        self.throttle = Throttle()

    def train(self) -> State:
        self.recorder.add(self.training.started(), self._state_event())
        self.recorder.flush()
        self.recorder.due = 0.0  # nor does the first point wait
        self._turn_again()
        for events in self.training.run():
            self._take(events)
            self._keep_time(time.monotonic())
            self._obey()
            self._turn_again()
            self._hold_back()
            if self.state in OVER:
                break
        self._checkpoint()
        self._say()
        return self.state

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.kind == "state":  # it has ended by itself; the log says so when the last checkpoint is safe
                self._end(event.body["state"], event.body["reason"])
            else:
                self.recorder.add(event)

    def _keep_time(self, now: float) -> None:
        self.recorder.write(now)
        if now >= self.next_checkpoint:
            self._checkpoint()
            self.next_checkpoint = now + max(CHECKPOINT_SECONDS, (time.monotonic() - now) / CHECKPOINT_SHARE)
        if now >= self.deadline:
            self._end("stopped", f"The time limit of {self.run.config.max_seconds} s was reached.")

    def _obey(self) -> None:
        """Acts on what has arrived. A paused run waits here, so that pausing is not calling ``next``."""
        if self.state == "paused":  # and yet a batch was made: that was a step
            self._say()
        while self.state == "paused" or (self.state == "running" and not self.inbox.empty()):
            began = time.monotonic()
            command = self.inbox.get()
            self.deadline += time.monotonic() - began  # waiting is not training
            self._act(command)
            if command["do"] == "step":
                break

    def _hold_back(self) -> None:
        """Waits where the run is faster than its speed knob allows; a command ends the wait."""
        limit, began = self.training.tuning.values["speed"], time.monotonic()
        self.training.stride.most = max(1, int(limit * STRIDE_SECONDS)) if limit else sys.maxsize
        ahead = self.throttle.ahead(limit, self.training.step, began) if self.state == "running" else 0.0
        if ahead > FLUSH_SECONDS:
            self.recorder.flush()
        while (left := began + ahead - time.monotonic()) > 0 and self.inbox.empty():
            time.sleep(min(left, LOOK_SECONDS))
        if ahead:
            self.training.idle(time.monotonic() - began)

    def _turn_again(self) -> None:
        """Turns knobs at the steps at which they were turned before the worker was lost, batch by batch until then."""
        while self.turns and self.turns[0].step <= self.training.step:
            turn = self.turns.pop(0).body
            name, value = turn["name"], turn["new"]
            if self.training.tuning.values.get(name) != value:
                self._set(name, value)
        one_batch = self.turns or self.state != "running"
        self.training.stride.seconds = 0.0 if one_batch else STRIDE_SECONDS

    def _act(self, command: Command) -> None:
        match command["do"]:
            case "pause":
                self._pause()
            case "step":
                self.state = "paused"
            case "resume":
                self.state = "running"
                self._say()
            case "stop":
                self._end("stopped", "")
            case "gone":
                self._end("interrupted", "The app ended while this run was going. Press Continue.")
            case "set":  # a new turn of a knob takes the place of its old ones
                self.turns = [t for t in self.turns if t.body["name"] != command["name"]]
                self._set(command["name"], command["value"])

    def _pause(self) -> None:
        self.state = "paused"
        self._checkpoint()
        self._say()

    def _end(self, state: State, reason: str) -> None:
        self.state, self.reason = state, reason

    def _set(self, name: str, value: float) -> None:
        found = self.training.set(name, value)
        if isinstance(found, Diagnostic):
            found = Event("diagnostic", self.training.step, found.to_json())
        self.recorder.add(found)
        self.recorder.flush()

    def _say(self) -> None:
        self.recorder.add(self._state_event())
        self.recorder.flush()

    def _state_event(self) -> Event:
        body = {"state": self.state, "reason": self.reason, "node": None, "queue": None}
        return Event("state", self.training.step, body)

    def _checkpoint(self) -> None:
        """Saves where the run stands, and the best weights if there are better ones; skips what is saved already."""
        for which, found in (("last", self.training.checkpoint()), ("best", self.training.best)):
            if found is None or self.saved.get(which) == found.step:
                continue
            with told(self.run.path):
                found.save(self.run.path, which)
            self.saved[which] = found.step
            self.recorder.add(Event("checkpoint", found.step, {"which": which, "val_loss": found.meta.get("val_loss")}))


def work(run: RunFolder, inbox: Inbox, *, resume: bool = False, listener: Listener | None = None) -> State:
    """Trains ``run`` to its end and returns how it ended. Raises Refused if the run is busy or the disk is full."""
    with run.locked():
        recorder = Recorder(run.log, listener)
        try:
            training = prepare(run, resume)
            return Worker(run, training, inbox, recorder).train()
        except Exception as error:
            recorder.flush()
            run.say("failed", *why(run, error))
            return "failed"


def turns_after(run: RunFolder, step: int | None) -> list[Record]:
    """The knobs turned at or after ``step``, from which a run goes on: its checkpoint does not have them."""
    if step is None:
        return []
    return sorted((r for r in run.log.every("knob") if r.step >= step), key=lambda r: r.step)


def prepare(run: RunFolder, resume: bool) -> Training:
    """The training of ``run``, at its last checkpoint where there is one to resume from."""
    config = run.config
    checkpoint = Checkpoint.load(run.path, "last") if resume and run.checkpoint_step is not None else None
    if checkpoint and checkpoint.step >= config.steps:  # it was finished: as many steps again
        config = replace(config, steps=(checkpoint.step // config.steps + 1) * config.steps)
    return Training(run.graph, config, data.load(config.data, config.seed, run.path), resume=checkpoint, lane="auto")


def why(run: RunFolder, error: Exception) -> tuple[str, str | None]:
    """The reason in plain words and the layer at fault. What nobody foresaw goes to worker.log with its traceback."""
    if isinstance(error, RunFault):
        return error.reason, error.node
    if isinstance(error, Refused):
        return error.diagnostics[0].text, error.diagnostics[0].node
    with told(run.path), open(run.path / "worker.log", "a", encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    if is_out_of_memory(error):
        return f"The run needs more memory than it may use. Use a smaller network or batch. {what_remains(run)}", None
    return f"Layerloom made a mistake here; worker.log in the run folder has the details. {what_remains(run)}", None


def main(path: str, control: int, resume: bool) -> int:
    """The worker process, from its first line to its exit code."""
    run = RunFolder(Path(path))
    settle(run.path)
    inbox = Inbox(socket.socket(fileno=control))
    signal.signal(signal.SIGTERM, lambda *_: inbox.put({"do": "stop"}))
    try:
        work(run, inbox, resume=resume)
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        return BUSY if refused.diagnostics[0].code == "run/busy" else DISK
    return 0


def rehearse() -> None:
    """A few batches of a small network in memory, so that processes forked afterwards find everything warm.

    Where the fast kernel is not compiled yet, its compilation begins here, beside everything else.
    Not where torch could reach an accelerator: its state would not survive the fork, and importing has to do there.
    """
    if torch.accelerator.current_accelerator(check_available=False) is not None:
        return
    nodes = (
        Node("input_1", "Input"),
        Node("linear_1", "Linear"),
        Node("relu_1", "ReLU"),
        Node("dropout_1", "Dropout"),
        Node("linear_2", "Linear", {"out_features": 2}),
        Node("output_1", "Output"),
    )
    edges = tuple(Edge(a.id, b.id) for a, b in pairwise(nodes))
    config = TrainConfig(DataRef("circle"), steps=5)
    for lane in LANES:
        training = Training(Graph(nodes, edges), config, data.load(config.data), lane=lane)
        training.started()
        for _ in training.run():
            pass
        training.checkpoint()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1"))
