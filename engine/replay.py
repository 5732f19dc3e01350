"""Doing a training again from its document, and proving by a hash that the same weights come out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from engine import data
from engine.account import Account
from engine.checkpoint import Checkpoint
from engine.lanes.native.layout import Unfit
from engine.origin import Segment
from engine.replicas.group import Trainer, training_of

STRIDE_SECONDS = 0.05
Progress = Callable[[int], None]


def replay(account: Account, folder: Path | None = None, progress: Progress = lambda step: None) -> Checkpoint:
    """The state after the last step of ``account``; ``folder`` holds its table, if it has one.

    Nothing is watched and nothing waits. ``progress`` is told the steps done. Raises Refused and RunFault like a run.
    """
    state: Checkpoint | None = None
    for segment in account.segments:
        with closing(begin(account, segment, folder, state)) as training:
            play(training, segment, progress)
            state = training.checkpoint()
    if state is None:
        with closing(begin(account, Segment(account.config, "eager", 0), folder, None)) as training:
            state = training.checkpoint()
    return state


def begin(account: Account, segment: Segment, folder: Path | None, state: Checkpoint | None) -> Trainer:
    """The training at the start of ``segment``, in its lane, or where this machine does not have that in another."""
    config = replace(segment.config, breakpoints=())
    loaded = data.load(config.data, config.seed, folder)
    try:
        return training_of(account.graph, config, loaded, watch=False, resume=state, lane=segment.lane)
    except (Unfit, OSError):
        return training_of(account.graph, config, loaded, watch=False, resume=state)


def play(training: Trainer, segment: Segment, progress: Progress) -> None:
    """Trains up to the end of ``segment``, turning its knobs at their steps."""
    ahead = list(segment.turns)
    run = training.run()
    training.stride.seconds = STRIDE_SECONDS
    while training.step < segment.until and not training.over:
        while ahead and ahead[0].step <= training.step:
            turn = ahead.pop(0)
            training.set(turn.name, turn.value)
        stop = min(segment.until, ahead[0].step if ahead else segment.until)
        training.stride.most = stop - training.step
        if next(run, None) is None:
            return
        progress(training.step)


def verdict(account: Account, found: Checkpoint) -> tuple[bool, str]:
    """Whether the weights are the same to the bit, and that in plain words."""
    sha256 = found.sha256
    if not account.sha256:
        return False, f"The run has not recorded what its weights were. The repetition ends with {sha256[:16]}…"
    if sha256 == account.sha256:
        return True, f"The same to the bit after {found.step:,} steps: the SHA-256 of all weights is {sha256[:16]}…"
    why = "Another processor, another version of torch or another lane adds up in another order."
    return False, f"Different after {found.step:,} steps: {sha256[:16]}… where the run had {account.sha256[:16]}… {why}"
