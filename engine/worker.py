"""One run in a process of its own: trains, records, obeys, and ends with the truth in the log.

``work`` is also what the command line runs, so that both train the same way. A command acts between two batches.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from builder.diagnostic import Diagnostic, Refused
from builder.graph import Edge, Graph, Node
from engine import data
from engine.aftermath import BUSY, DISK, what_remains
from engine.ahead import turns_ahead
from engine.breakpoints import parse_all, without_layer
from engine.checkpoint import Checkpoint
from engine.config import DataRef, TrainConfig
from engine.control import Command, Inbox
from engine.cures import Growth, cures
from engine.events import OVER, Event, State
from engine.faults import RunFault, diverged, is_out_of_memory
from engine.fork import stops
from engine.guard import Guard, rows_of
from engine.keeper import Keeper
from engine.kept import about
from engine.lanes.lane import Wanted
from engine.limits import settle
from engine.log import told
from engine.loop import Training
from engine.optimizers import ADAPTIVE
from engine.origin import same_knob
from engine.recorder import FLUSH_SECONDS, Listener, Recorder
from engine.replicas.group import Trainer, training_of
from engine.store import START, RunFolder
from engine.throttle import Throttle
from engine.timeline import PACE, last_step

CHECKPOINT_SECONDS = 10.0
STRIDE_SECONDS = 0.025  # a call to a lane that trains many batches takes about that long; commands and looks wait
LOOK_SECONDS = 0.01  # a run that waits looks so often for a command
CHECKPOINT_SHARE = 0.05  # of the time, at most, goes into periodic checkpoints of large networks
DRAG_SECONDS = 1.0  # turns of knobs that follow each other within this are one: what was before it is kept

WANTED: Wanted = "auto"
LANES: tuple[Wanted, ...] = ("eager", "auto")


class Worker:
    """Drives one Training: ``train`` returns the state in which it ended."""

    def __init__(self, run: RunFolder, training: Trainer, inbox: Inbox, recorder: Recorder) -> None:
        self.run, self.training, self.inbox, self.recorder = run, training, inbox, recorder
        self.state: State = "running"
        self.reason = ""
        self.node: str | None = None  # the layer at fault
        self.cures: list[dict[str, Any]] = []
        self.deadline = time.monotonic() + run.config.max_seconds
        self.next_checkpoint = time.monotonic() + CHECKPOINT_SECONDS
        self.saved: dict[str, int] = {}  # the step of each checkpoint on disk
        self.turns = turns_ahead(run, training.resumed_from)
        self.throttle = Throttle()
        self.keeper = Keeper(run, training)
        self.guard = Guard(training)
        self.turned = float("-inf")  # when a knob was turned last
        self.begun = training.step  # before the batches at hand
        self.growth = Growth()

    def train(self) -> State:
        self.recorder.add(self.training.started(), self._state_event())
        self.recorder.flush()
        self.recorder.due = 0.0  # nor does the first point wait
        self._break_as_before()
        self.keeper.keep()
        self._turn_again()
        try:
            self._train()
            self._checkpoint()
            self.keeper.keep()
        except RunFault as fault:
            self._fail(fault)
        self._write_kept(wait=True)
        self._say()
        return self.state

    def _train(self) -> None:
        for events in self.training.run():
            self._take(events)
            self._keep_time(time.monotonic())
            self._obey()
            self._turn_again()
            self._hold_back()
            self.begun = self.training.step
            if self.state in OVER:
                break

    def _take(self, events: Sequence[Event]) -> None:
        past = [loss for loss in self._losses(events) if loss > self.growth.bound]
        self.keeper.see(events)
        for event in (*events, *self.guard.look(events)):
            if event.kind == "state":  # it has ended by itself; the log says so when the last checkpoint is safe
                self._end(event.body["state"], event.body["reason"])
                continue
            self.recorder.add(event)
            if event.kind == "point" and isinstance(loss := event.body["batch_loss"], float):
                self.growth.mean(loss)
            if event.kind == "hit" and self.state == "running":
                self._pause(event.body["says"])
        if past:
            self._diverge(past[0])

    def _losses(self, events: Sequence[Event]) -> list[float]:
        """By which it is seen whether the loss grows past all bounds: several copies go by the median over them."""
        if isinstance(self.training, Training):
            return [self.training.report.newest]
        return [e.body["batch_loss"] for e in events if e.kind == "point" and e.body["batch_loss"] is not None]

    def _diverge(self, loss: float) -> None:
        """Ends a run whose loss has grown past all bounds."""
        training, growth = self.training, f"has grown to {loss:.3g}, from {self.growth.lowest:.3g} at its lowest"
        if isinstance(training, Training):
            inputs, _ = training.batches.at(torch.tensor(rows_of(training, -1)))
            raise training.inquest.grown(growth, training.step, inputs)
        raise diverged(growth, training.step, training.config.optimizer in ADAPTIVE)

    def _fail(self, fault: RunFault) -> None:
        """The run broke: what remains is the last good state, the batch that did it, and what may help."""
        self.keeper.close()
        training, batch = self.training, self.training.step - self.begun
        hit = {"when": "", "says": fault.reason, "value": None, "node": fault.node, "rows": rows_of(training, batch)}
        self.recorder.add(Event("hit", training.step, hit))
        self._end("failed", fault.reason)
        self.node = fault.node
        knobs, adaptive = training.tuning.values, training.config.optimizer in ADAPTIVE
        self.cures = cures(fault.kind, self.keeper.followed(), knobs, self._knobs_then, adaptive)

    def _knobs_then(self, step: int) -> dict[str, float]:
        return dict(about(self.run, step)["knobs"])

    def _write_kept(self, wait: bool = False) -> None:
        """Tells which moments are kept by now."""
        if wait:
            self.keeper.close()
        while self.keeper.news:
            self.recorder.add(Event("kept", self.training.step, self.keeper.news.pop(0)))

    def _keep_time(self, now: float) -> None:
        self.keeper.pass_by(now)
        self._write_kept()
        if cost := self.recorder.write(now):
            self.training.report.recorded(self.training.seconds, cost)
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
            self._study()
            command = self.inbox.get()
            self.deadline += time.monotonic() - began  # waiting is not training
            self._act(command)
            if command["do"] == "step":
                break

    def _hold_back(self) -> None:
        """Waits where the run is faster than its speed knob allows; a command ends the wait."""
        limit, began = self.training.tuning.values[PACE], time.monotonic()
        self._bound(max(1, int(limit * STRIDE_SECONDS)) if limit else sys.maxsize)
        ahead = self.throttle.ahead(limit, self.training.step, began) if self.state == "running" else 0.0
        if ahead > FLUSH_SECONDS:
            self.recorder.flush()
        while (left := began + ahead - time.monotonic()) > 0 and self.inbox.empty():
            time.sleep(min(left, LOOK_SECONDS))
        if ahead:
            self.training.idle(time.monotonic() - began)

    def _bound(self, most: int) -> None:
        """At most ``most`` batches in one go, and none beyond the next turn of a knob or breakpoint."""
        step, stride = self.training.step, self.training.stride
        turn = self.turns[0].step - step if self.turns else most
        stride.bound = self.growth.bound
        stride.most = max(1, min(most, turn, self.guard.free(step)))
        stride.seconds = STRIDE_SECONDS if self.state == "running" else 0.0

    def _turn_again(self) -> None:
        """Turns the knobs that turn by themselves at this step (see ahead.py). One that stands there already is told
        as well: the log of this stretch has it then (see timeline.py)."""
        while self.turns and self.turns[0].step <= self.training.step:
            turn = self.turns.pop(0)
            self._set(turn.name, turn.value)

    def _act(self, command: Command) -> None:
        match command["do"]:
            case "pause":
                self._pause()
            case "step":
                self.state, self.reason = "paused", ""
            case "resume":
                self.state, self.reason = "running", ""
                self._say()
            case "stop":
                self._end("stopped", "")
            case "gone":
                self._end("interrupted", "The app ended while this run was going. Press Continue.")
            case "set":  # a new turn of a knob takes the place of its old ones
                self.turns = [t for t in self.turns if not same_knob(t.name, command["name"])]
                self._keep_before(command["name"])
                self._set(command["name"], command["value"])
            case "break":
                self._break(command["when"])
            case "measure":
                self._measure(command["name"], command.get("value") != 0)

    def _pause(self, reason: str = "") -> None:
        self.state, self.reason = "paused", reason
        self._checkpoint()
        self.keeper.keep()
        self._write_kept()
        self._say()

    def _keep_before(self, knob: str) -> None:
        """Keeps the moment before a knob is turned, so that one can go back and turn it otherwise."""
        now = time.monotonic()
        if knob != PACE and now - self.turned > DRAG_SECONDS:
            self.keeper.keep(turned=True)
        self.turned = now

    def _break_as_before(self) -> None:
        """Sets the breakpoints of the run, or those that were set in it last. It does not stop at once where it stood
        when it was interrupted."""
        hits = [r.body["when"] for r in self.run.log.every("hit") if r.step == self.training.step]
        self._break(stops(self.run), hits)

    def _break(self, when: Sequence[str], crossed: Sequence[str] = ()) -> None:
        """Sets all breakpoints anew; the log has those that hold."""
        points = parse_all(when)
        problems = without_layer(points, self.training.flat.layers)
        self.guard.set(tuple(b for b in points if not b.node or b.node in self.training.flat.layers), crossed)
        body = {"when": [str(b) for b in self.guard.breakpoints]}
        if when or self.run.log.last("breakpoints"):
            self.recorder.add(Event("breakpoints", self.training.step, body))
        self.recorder.add(*(Event("diagnostic", self.training.step, p.to_json()) for p in problems))
        self.recorder.flush()

    def _measure(self, name: str, on: bool) -> None:
        if (measuring := self.training.measuring) is not None and measuring.ask(name, on) is None:
            self.recorder.add(Event("costs", self.training.step, measuring.costs()))
            self.recorder.flush()

    def _study(self) -> None:
        """Measures what it is asked for while the run stands still, until a command comes."""
        if self.state == "paused" and (measuring := self.training.measuring) is not None:
            self.recorder.add(*measuring.complete(self.inbox.empty))
            self.recorder.flush()

    def _end(self, state: State, reason: str) -> None:
        self.state, self.reason = state, reason

    def _set(self, name: str, value: float) -> None:
        found = self.training.set(name, value)
        self.training.stride.restart()
        if isinstance(found, Diagnostic):
            found = Event("diagnostic", self.training.step, found.to_json())
        self.recorder.add(found)
        self.recorder.flush()

    def _say(self) -> None:
        self.recorder.add(self._state_event())
        self.recorder.flush()

    def _state_event(self) -> Event:
        body: dict[str, Any] = {"state": self.state, "reason": self.reason, "node": self.node, "queue": None}
        body |= {"cures": self.cures} if self.cures else {}
        return Event("state", self.training.step, body)

    def _checkpoint(self) -> None:
        """Saves where the run stands, and the best weights if there are better ones; skips what is saved already."""
        for which, found in (("last", self.training.checkpoint()), ("best", self.training.best)):
            if found is None or self.saved.get(which) == found.step:
                continue
            with told(self.run.path):
                found.save(self.run.path, which)
            self.saved[which] = found.step
            body = {"which": which, "val_loss": found.meta.get("val_loss"), "sha256": found.sha256}
            self.recorder.add(Event("checkpoint", found.step, body))


def work(run: RunFolder, inbox: Inbox, *, resume: bool = False, listener: Listener | None = None) -> State:
    """Trains ``run`` to its end and returns how it ended. Raises Refused if the run is busy or the disk is full."""
    with run.locked():
        recorder = Recorder(run.log, listener)
        try:
            with closing(prepare(run, resume)) as training:
                return Worker(run, training, inbox, recorder).train()
        except Exception as error:
            recorder.flush()
            run.say("failed", *why(run, error))
            return "failed"


def prepare(run: RunFolder, resume: bool) -> Trainer:
    """The training of ``run``, at its last checkpoint where there is one to resume from, or where it was forked."""
    again = resume and run.checkpoint_step is not None
    name = "last" if again else START if run.origin else None
    checkpoint = Checkpoint.load(run.path, name) if name else None
    config = replace(run.config, steps=last_step(run.config.steps, checkpoint.step if checkpoint else 0))
    loaded = data.load(config.data, config.seed, run.path)
    return training_of(run.graph, config, loaded, resume=checkpoint, lane=WANTED)


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
