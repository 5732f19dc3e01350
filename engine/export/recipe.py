"""What it takes to repeat a training: network, settings, data, and every knob as it stood at every step. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, pairwise
from pathlib import Path

from builder.diagnostic import Diagnostic, Refused
from builder.graph import Graph
from builder.infer import infer
from engine.config import TrainConfig
from engine.data import Dataset, load
from engine.data.spec import Field
from engine.fork import changes
from engine.goals import Ends, ends
from engine.knobs import WEIGHT, change, initial
from engine.preflight import preflight
from engine.replicas.variants import variants
from engine.store import RunFolder

HORIZON = "horizon"  # the steps that a schedule stretches over: turned like a knob where a run went on beyond its end
OF_THIS_MACHINE = "config/memory"  # says nothing about the machine that the export goes to

Values = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Recipe:
    """``knobs`` hold before the first step, with HORIZON; ``changes[step]`` are in effect from that step on, counted
    from 0. After ``steps`` steps the training ends, with early stopping perhaps before. ``trained`` says whether
    there are weights of it already.
    """

    graph: Graph
    config: TrainConfig
    data: Dataset
    knobs: Values
    steps: int
    changes: Mapping[int, Values] = field(default_factory=dict)
    device: str = "auto"
    trained: bool = False

    @cached_property
    def ends(self) -> Ends:
        return ends(infer(self.graph), self.data, self.config.loss)

    @cached_property
    def weights(self) -> list[str]:
        """The knobs of those Outputs whose loss is ever multiplied by something else than 1."""
        return [name for name in self.knobs if name.startswith(WEIGHT) and set(self.over_time(name)) != {1.0}]

    def numbers(self, field: Field) -> int:
        """How many numbers, or scores, ``field`` asks for."""
        return math.prod(field.answer)

    def over_time(self, knob: str) -> list[float]:
        return [self.knobs[knob], *(values[knob] for values in self.changes.values() if knob in values)]

    def turned(self, knob: str) -> bool:
        return len(self.over_time(knob)) > 1

    def acts(self, knob: str) -> bool:
        """Whether a regularizer is ever on."""
        return any(value > 0 for value in self.over_time(knob))


def planned(graph: Graph, config: TrainConfig, folder: Path | None = None) -> Recipe:
    """The training that Train would start; ``folder`` holds an uploaded data.csv. Raises Refused if it would not."""
    data = load(config.data, config.seed, folder)
    found = preflight(graph, config, data)
    if errors := [d for d in found if d.severity == "error" and d.code != OF_THIS_MACHINE]:
        raise Refused(*errors)
    first = variants(config)[0]  # a program trains one network: the first of several copies
    return Recipe(graph, first, data, _start(graph, first), config.steps, device=config.device)


def of_run(run: RunFolder, done: int) -> Recipe:
    """The training that led ``run`` to the weights of its last checkpoint, after ``done`` steps."""
    config = variants(run.config)[0]
    moments = list(_moments(run)) or [(0, _start(run.graph, config))]
    finished = config.early_stopping and _finished(run)
    steps = config.steps if finished else done
    standing = [(step, list(group)[-1][1]) for step, group in groupby(moments, lambda m: m[0]) if step < max(1, steps)]
    changes = {step: _difference(old, new) for (_, old), (step, new) in pairwise(standing)}
    started = run.log.last("started")
    return Recipe(
        run.graph,
        config,
        load(config.data, run.config.seed, run.path),
        standing[0][1],
        steps,
        {step: values for step, values in changes.items() if values},
        started.body["device"] if started else config.device,
        trained=True,
    )


def _start(graph: Graph, config: TrainConfig) -> Values:
    values = initial(graph, config.optimizer)
    for name, value in config.knobs.items():
        values, _ = change(values, name, value)
    return {**values, HORIZON: config.steps}


def _moments(run: RunFolder) -> Iterator[tuple[int, Values]]:
    """(step, all knobs) whenever one was turned, in order of the steps. What a continued run did again counts once."""
    moments = _past(run)
    for record in run.log.every("started", "knob", "state"):
        match record.kind:
            case "started":
                step = record.body["resumed_from"] or 0
                horizon = (step // run.config.steps + 1) * run.config.steps
                moments = [m for m in moments if m[0] <= step]
                moments.append((step, {**record.body["knobs"], HORIZON: horizon}))
            case "knob":
                values, _ = change(dict(moments[-1][1]), record.body["name"], record.body["new"])
                moments.append((record.step, values))
            case "state" if record.body["state"] == "finished" and run.config.early_stopping:
                break  # it went back to its best weights; what came after started from there
    yield from moments


def _past(run: RunFolder) -> list[tuple[int, Values]]:
    """The moments of the runs that ``run`` goes on from. Raises Refused where those had other settings."""
    past = run.origin.past if run.origin else ()
    moments: list[tuple[int, Values]] = []
    begun = 0
    for segment in past:
        if other := changes(run.config, segment.config):
            what = f"This run had other settings before step {segment.until:,} ({', '.join(other)})."
            cure = "A program has one set of settings: take the weights, or the document of the run to repeat it."
            raise Refused(Diagnostic("export/other-settings", what, cure))
        values = moments[-1][1] if moments else _start(run.graph, segment.config)
        moments.append((begun, {**values, HORIZON: segment.config.steps}))
        for turn in segment.turns:
            turned, _ = change(dict(moments[-1][1]), turn.name, turn.value)
            moments.append((turn.step, turned))
        begun = segment.until
    return moments


def _finished(run: RunFolder) -> bool:
    return any(record.body["state"] == "finished" for record in run.log.every("state"))


def _difference(old: Values, new: Values) -> dict[str, float]:
    return {name: value for name, value in new.items() if old[name] != value}
