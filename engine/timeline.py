"""What was done to a run, read from its log: the segments that lead to its weights, each turn of a knob at its step.

What a continued run did again counts once. No torch.
"""

from __future__ import annotations

from dataclasses import replace

from engine.config import TrainConfig
from engine.log import Record
from engine.origin import Segment, Turn
from engine.store import RunFolder

OPEN = 2**62  # where a segment ends that still goes on
PACE = "speed"  # the knob that changes when steps are done, and nothing that they compute


def segments(run: RunFolder, until: int | None = None) -> tuple[Segment, ...]:
    """The way of ``run`` to its last checkpoint, or to the state after step ``until``, from the first batch on."""
    origin = run.origin
    found = list(origin.past) if origin else []
    for record in run.log.every("started", "lane", "knob"):
        found = _after(found, record, run.config)
    end = run.checkpoint_step if until is None else until
    return tuple(_cut(found, end or 0))


def _after(found: list[Segment], record: Record, config: TrainConfig) -> list[Segment]:
    """``found`` and what ``record`` adds to it."""
    body, step = record.body, record.step
    match record.kind:
        case "started":
            begun = body["resumed_from"] or 0
            now = replace(config, steps=last_step(config.steps, begun))
            return [*_cut(found, begun), Segment(now, body["lane"], OPEN)]
        case "lane":
            still = tuple(t for t in found[-1].turns if t.step >= step)
            return [*_cut(found, step), replace(found[-1], lane=body["lane"], until=OPEN, turns=still)]
        case "knob" if body["name"] != PACE:
            *before, last = found
            return [*before, replace(last, turns=(*last.turns, Turn(step, body["name"], body["new"])))]
    return found


def last_step(steps: int, begun: int) -> int:
    """Where a run of ``steps`` ends that begins at ``begun``: one that was finished goes on for as many steps again."""
    return (begun // steps + 1) * steps if begun >= steps else steps


def _cut(found: list[Segment], end: int) -> list[Segment]:
    """``found`` up to the state after step ``end``: a knob that was turned there is turned by what follows."""
    kept, begun = [], 0
    for segment in found:
        if begun >= end:
            break
        until = min(segment.until, end)
        turned = tuple(t for t in segment.turns if t.step < until)
        kept.append(replace(segment, until=until, turns=turned))
        begun = until
    return kept
