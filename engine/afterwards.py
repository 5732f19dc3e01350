"""Measuring a run that is over, as it was at its last checkpoint: in memory, and only its log is written to."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from builder.diagnostic import Diagnostic
from engine import data
from engine import device as devices
from engine.agenda import unknown
from engine.checkpoint import Checkpoint
from engine.events import MEASUREMENTS, Event
from engine.faults import RunFault
from engine.limits import settle
from engine.loop import Training
from engine.pace import EveryN
from engine.replicas.copies import apart
from engine.replicas.merge import merged
from engine.replicas.variants import variants
from engine.store import START, RunFolder
from engine.timeline import last_step
from engine.worker import why

STEPS = 2  # a cosine needs two; they are made in memory and thrown away


def measure(run: RunFolder, name: str) -> tuple[Event, ...]:
    """What the measurement ``name`` says of the last checkpoint. A reading looks at the step that would follow.

    Of several copies each is measured as it ended, one after another; one that broke has no end to speak of.
    """
    kind = next((kind for kind in MEASUREMENTS if kind == name), None)
    if kind is None:
        return (Event("diagnostic", 0, unknown(name).to_json()),)
    checkpoint = last(run)
    step = checkpoint.step if checkpoint else 0
    found, fault = list[Event | None](), None
    for training in as_they_ended(run, checkpoint):
        try:
            found.append(_measured(training, name) if training else None)
        except RunFault as error:  # the next step breaks, as of a copy whose last state is the one before it broke
            found.append(None)
            fault = fault or error
    there = [event for event in found if event]
    if fault and not there:
        raise fault
    problems = [event for event in there if event.kind != kind]
    if problems or run.config.copies == 1:
        return tuple(replace(event, step=step) for event in (problems or there)[:1])
    return (merged(kind, step, [event.body if event else None for event in found]),) if there else ()


def last(run: RunFolder) -> Checkpoint | None:
    name = "last" if run.checkpoint_step is not None else START if run.origin else None
    return Checkpoint.load(run.path, name) if name else None


def as_they_ended(run: RunFolder, checkpoint: Checkpoint | None) -> Iterator[Training | None]:
    """The training of ``run`` at ``checkpoint``, or at its beginning; of several copies one at a time, and None for
    one that broke: it was left behind, and not because early stopping held it there."""
    loaded = data.load(run.config.data, run.config.seed, run.path)
    each = variants(run.config)
    states = apart(checkpoint) if checkpoint else [None] * len(each)
    for config, state in zip(each, states, strict=True):
        if state and checkpoint and state.step < checkpoint.step and not config.early_stopping:
            yield None
            continue
        own = replace(config, steps=last_step(config.steps, state.step if state else 0))
        yield Training(run.graph, own, loaded, resume=state, lane="auto")


def _measured(training: Training, name: str) -> Event | None:
    """A result, or a diagnostic; nothing where the next steps tell nothing."""
    measuring = training.measuring
    assert measuring is not None  # a run is always watched
    measuring.ask(name)
    with devices.tuned():
        found = measuring.complete()
    return found[0] if found else _next_step(training, name)


def _next_step(training: Training, name: str) -> Event | None:
    training.report.pace = EveryN(sys.maxsize)
    for _, events in zip(range(STEPS), training.run(), strict=False):
        if found := next((event for event in events if event.kind == name), None):
            return found
    return None


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
