"""The moments of a run that are kept to go back to: many of the last while, few of long ago. No torch.

A moment is a checkpoint ``kept/<step>.safetensors``; its ``.json`` also holds the pictures that were newest then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.diagnostic import Diagnostic, Refused
from engine.store import RunFolder

MOST = 64  # moments
ROOM = 256 * 2**20  # bytes, of all of them together
DEAR = 4.0  # a moment right before a knob was turned is worth so many others
NAME = re.compile(r"(\d{1,8})\.safetensors")


@dataclass(frozen=True)
class Moment:
    """The state after ``step`` steps. ``loss`` is the mean over the batches before it, as last measured, and ``after``
    that of the batch which followed; infinite, where that broke the run."""

    step: int
    bytes: int = 0
    turned: bool = False
    loss: float | None = None
    after: float | None = None


def surplus(moments: Sequence[Moment], most: int = MOST, room: int = ROOM) -> list[Moment]:
    """Which of ``moments`` (in order of their steps) have to go.

    The first and the last stay. Of the others goes the one that leaves the smallest hole, as a share of how long ago
    it is: what remains lies ever further apart the further back it is, as the ticks of a logarithmic axis do.
    """
    left, gone = list(moments), []
    while len(left) > 2 and (len(left) > most or sum(m.bytes for m in left) > room):
        now = left[-1].step
        holes = [
            (after.step - before.step) / (now - m.step) * (DEAR if m.turned else 1)
            for before, m, after in zip(left, left[1:-1], left[2:], strict=False)
        ]
        gone.append(left.pop(1 + min(range(len(holes)), key=holes.__getitem__)))
    return gone


def folder(run: RunFolder) -> Path:
    return run.path / "kept"


def steps(run: RunFolder) -> list[int]:
    """The steps that one can go back to, in order."""
    try:
        found = [NAME.fullmatch(p.name) for p in folder(run).iterdir()]
    except OSError:
        return []
    return sorted(int(m[1]) for m in found if m)


def about(run: RunFolder, step: int) -> dict[str, Any]:
    """What is kept of the moment beside its tensors. Raises Refused where there is none, naming those next to it."""
    try:
        body = json.loads((folder(run) / f"{int(step)}.json").read_bytes())
    except (OSError, ValueError, OverflowError):
        raise Refused(_not_kept(run, step)) from None
    assert isinstance(body, dict)
    return body


def checkpoint(run: RunFolder, step: int) -> Path:
    """Where the checkpoint of the moment lies. Raises Refused where there is none."""
    path = folder(run) / f"{int(step)}.safetensors"
    if not path.is_file():
        raise Refused(_not_kept(run, step))
    return path


def _not_kept(run: RunFolder, step: int) -> Diagnostic:
    there = steps(run)
    near = [*[s for s in there if s < step][-1:], *[s for s in there if s > step][:1]]
    cure = f"Go back to step {' or '.join(f'{s:,}' for s in near)}." if near else "Start a new run."
    return Diagnostic("run/not-kept", f"Step {step:,} of this run is not kept.", cure)
