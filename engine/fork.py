"""Going on from a moment of a run, as another run: with other knobs or settings, or as it was. No torch.

Nothing is lost: the first run stays as it is. A fork that changes nothing ends with the same weights to the bit, for
the knobs that were turned after the moment are turned again at their steps, all but those that the fork sets itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.diagnostic import Diagnostic, Refused
from engine.ahead import turns_ahead
from engine.config import TrainConfig
from engine.kept import about, checkpoint
from engine.knobs import change, spoken
from engine.origin import Origin, Turn, same_knob
from engine.store import RunFolder
from engine.timeline import PACE, segments

Knobs = Mapping[str, float]
NO_CHANGE = ("steps", "max_seconds", "breakpoints", "knobs", "data")  # the last two are told apart from settings


def fork(
    home: Path,
    run: RunFolder,
    step: int,
    knobs: Knobs | None = None,
    config: TrainConfig | None = None,
    *,
    owner: str = "",
) -> RunFolder:
    """A new run that goes on from the state of ``run`` after ``step`` steps, with ``knobs`` set there.

    ``config`` are the settings from there on (its own knobs do not count), by default those of ``run``. Raises
    Refused where the moment is not kept, or a knob or setting does not fit.
    """
    start, standing = checkpoint(run, step), dict(about(run, step)["knobs"])
    turned = checked(standing, knobs or {})
    past = segments(run, step)
    before = replace(past[-1].config if past else run.config, breakpoints=stops(run))
    now = settings(config or before, before, step)
    others = [t for t in turns_ahead(run, step) if t.name != PACE]
    again = [t for t in others if not any(same_knob(t.name, name) for name in knobs or {})]
    ahead = (*(Turn(step, name, value) for name, value in turned.items()), *again)
    csv = run.path / "data.csv"
    try:
        return RunFolder.create(
            home,
            run.graph,
            now,
            owner=owner,
            title=titled(run, step, turned, now, before),
            csv=csv if csv.is_file() else None,
            origin=Origin(run.id, step, ahead, past),
            start=start,
        )
    except Refused:
        checkpoint(run, step)  # which says so where it has been thinned out meanwhile
        raise


def stops(run: RunFolder) -> tuple[str, ...]:
    """The breakpoints that hold in ``run`` now."""
    last = run.log.last("breakpoints")
    return tuple(last.body["when"]) if last else run.config.breakpoints


def checked(standing: dict[str, float], knobs: Knobs) -> dict[str, float]:
    """Those of ``knobs`` that differ from what stands. Raises Refused with all that does not fit."""
    problems, values = [], standing
    for name, value in knobs.items():
        values, problem = change(values, name, value)
        problems += [problem] if problem else []
    if problems:
        raise Refused(*problems)
    return {name: value for name, value in values.items() if value != standing[name]}


def settings(config: TrainConfig, before: TrainConfig, step: int) -> TrainConfig:
    """``config`` with the knobs that the run began with, and an end that lies ahead."""
    if config.data != before.data:
        what = "A run goes on with the data that it began with, and these settings have other data."
        raise Refused(Diagnostic("run/other-data", what, "Choose the data of the run, or start a new one."))
    steps = config.steps if config.steps > step else (step // config.steps + 1) * config.steps
    return replace(config, knobs=before.knobs, steps=steps)


def changes(now: TrainConfig, before: TrainConfig) -> dict[str, Any]:
    """The settings in which ``now`` differs, by name; not how far it goes, which is no change to the training."""
    ours, theirs = now.to_json(), before.to_json()
    return {k: v for k, v in ours.items() if v != theirs[k] and k not in NO_CHANGE}


def titled(run: RunFolder, step: int, knobs: Knobs, now: TrainConfig, before: TrainConfig) -> str:
    """What tells the fork from its parent: where it left, and what it changed."""
    words = [f"{spoken(name)} {value:g}" for name, value in knobs.items()]
    words += [f"{name.replace('_', ' ')} {value}" for name, value in changes(now, before).items()]
    return f"From step {step:,}{': ' if words else ''}{', '.join(words)} · {run.meta.title or run.id}"
