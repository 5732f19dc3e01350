"""Measuring a run that is over, as it was at its last checkpoint: in memory, and only its log is written to."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace
from pathlib import Path

from builder.diagnostic import Diagnostic
from engine import data
from engine import device as devices
from engine.checkpoint import Checkpoint
from engine.events import Event
from engine.limits import settle
from engine.loop import Training
from engine.pace import EveryN
from engine.store import START, RunFolder
from engine.timeline import last_step
from engine.worker import why

STEPS = 2  # a cosine needs two; they are made in memory and thrown away


def measure(run: RunFolder, name: str) -> tuple[Event, ...]:
    """What the measurement ``name`` says of the last checkpoint. A reading looks at the step that would follow."""
    training = as_it_ended(run)
    step, measuring = training.step, training.report.measuring
    assert measuring is not None  # a run is always watched
    if problem := measuring.ask(name):
        return (Event("diagnostic", step, problem.to_json()),)
    with devices.tuned():
        found = measuring.complete()
    return found or _next_step(training, step, name)


def as_it_ended(run: RunFolder) -> Training:
    """The training of ``run`` at its last checkpoint; of several copies the first."""
    name = "last" if run.checkpoint_step is not None else START if run.origin else None
    checkpoint = Checkpoint.load(run.path, name) if name else None
    config = replace(run.config, steps=last_step(run.config.steps, checkpoint.step if checkpoint else 0))
    return Training(run.graph, config, data.load(config.data, config.seed, run.path), resume=checkpoint, lane="auto")


def _next_step(training: Training, step: int, name: str) -> tuple[Event, ...]:
    training.report.pace = EveryN(sys.maxsize)
    for _, events in zip(range(STEPS), training.run(), strict=False):
        if found := [Event(e.kind, step, e.body) for e in events if e.kind == name]:
            return tuple(found)
    return ()


def main(path: str, name: str, control: int) -> int:
    """The process that measures, from its first line to its exit code. ``control`` is there for form's sake."""
    run = RunFolder(Path(path))
    settle(run.path)
    with socket.socket(fileno=control):
        try:
            events = measure(run, name)
        except Exception as error:
            reason, node = why(run, error)
            problem = Diagnostic("measure/failed", reason, "The run itself is as it was.", node, severity="warning")
            events = (Event("diagnostic", 0, problem.to_json()),)
        run.log.append(events)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
