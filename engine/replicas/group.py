"""R copies as one training: what a worker drives like any other, and what one run's log holds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from builder.diagnostic import Diagnostic, Refused
from builder.graph import Graph
from engine.agenda import READ
from engine.checkpoint import Checkpoint
from engine.config import TrainConfig
from engine.data.spec import Dataset
from engine.events import Event
from engine.faults import RunFault
from engine.knobs import change, initial
from engine.lanes.lane import Wanted
from engine.lanes.stride import Stride
from engine.loop import Training
from engine.pace import Governor, Pace
from engine.replicas.copies import Copy, Local, Script, apart
from engine.replicas.merge import merged
from engine.replicas.parallel import Remote, parallel
from engine.replicas.together import Together
from engine.replicas.variants import told, variants, varied
from engine.report import POINT

BATCHED = "All copies train in one program: the compiled kernel takes them in turn, many batches each."
COMING = " Until it is compiled, PyTorch trains them in turn."
TURNS = "The copies take turns, one after another: {why}"
WORKERS = "Each copy trains in a process of its own: {why}"
STRETCHES = 4  # of time, at most, between two commands: as long as from one look to the next


class Group:
    """The copies of ``config`` (see variants.py) in lock step, with the interface of a Training.

    Copy k computes what a Training of the k-th variant on the same data does. A copy that diverges or stops early
    leaves the others going; the group is over when all are.
    """

    def __init__(
        self,
        graph: Graph,
        config: TrainConfig,
        data: Dataset,
        *,
        watch: bool = True,
        resume: Checkpoint | None = None,
        pace: Pace | None = None,
        lane: Wanted = "eager",
    ) -> None:
        self.graph, self.config, self.pace = graph, config, pace or Governor()

        def start(own: TrainConfig, script: Script) -> Training:
            return Training(graph, own, data, watch=watch, pace=script, lane=lane)

        each = variants(config)
        fitting(graph, each)
        self.first = Local(partial(start, each[0]))
        training = self.first.training
        make = self._choose(training)
        self.copies: list[Copy] = [self.first]
        for own in each[1:]:
            self.copies.append(make(partial(start, own)))
        self.names = [f"copy {k + 1} ({told(config, k)})" for k in range(len(each))]
        self.tuning, self.stride = training.tuning, Stride()
        self.flat, self.report, self.batches = training.flat, training.report, training.batches  # of the first copy
        self.stopping = training.stopping
        self.measuring = Together(self.copies, lambda: self.step) if watch else None
        self.step, self.seconds, self.over = 0, 0.0, False
        self.resumed_from: int | None = None
        self._since = (0, 0.0)  # step and seconds at the last point
        self._ended: set[str] = set()  # names of copies of which it is told
        self._states: dict[int, Checkpoint] = {}  # of each copy, as last saved
        if resume is not None:
            self._restore(resume)

    def _choose(self, training: Training) -> type[Local] | type[Remote]:
        """How the other copies train, told in ``how`` and ``why``."""
        self.how, self.why = "batched", BATCHED
        if training.lane.better:  # the kernel is on its way
            self.why += COMING
        if training.lane.name == "native" or training.lane.better:
            return Local
        forks, reason = parallel(training.device)
        self.how, words = ("parallel", WORKERS) if forks else ("turns", TURNS)
        self.why = words.format(why=reason or training.lane.reason)
        return Remote if forks else Local

    def run(self) -> Iterator[tuple[Event, ...]]:
        """Trains all copies by one batch per ``next``, or by as many as fit into the stride, and gives the events due,
        each once for all copies (see merge.py). Raises RunFault when no copy can go on."""
        while not self.over:
            began = time.perf_counter()
            count = self._free()
            looks = self.pace.due(self.step + count, self.seconds)
            looks = looks | POINT if self.step == 0 else looks
            looks = self.measuring.looks(looks, self.seconds) if self.measuring else looks
            said = self._advance(self.step + count, looks)
            took = time.perf_counter() - began
            self.seconds += took
            # Each copy has its stretch of time, as long as commands need not wait too long.
            self.stride.done(count, (took - self._pay()) / min(len(self.copies), STRETCHES))
            yield (*self._events(looks, said), *self._measured(said))

    def _free(self) -> int:
        going = [copy for copy in self.copies if not copy.over]
        left = self.config.steps - self.step
        return max(1, min(self.stride.count, left, self.pace.free(self.step + 1), *(copy.free() for copy in going)))

    def _advance(self, step: int, looks: frozenset[str]) -> list[tuple[Event, ...]]:
        going = [copy for copy in self.copies if not copy.over]
        readings = [reading.name for reading in self.measuring.readings] if self.measuring else []
        for copy in going:
            copy.begin(step, looks, readings)
        # What is in a process of its own computes while the first one does.
        said = [copy.end() if copy in going else () for copy in self.copies]
        self.step = step
        faults = [copy.fault for copy in self.copies]
        self.over = all(copy.over for copy in self.copies)
        if all(faults) and faults[0]:
            raise faults[0]
        return said

    def _events(self, looks: frozenset[str], said: Sequence[tuple[Event, ...]]) -> Iterator[Event]:
        """What is asked for by ``looks``, of all copies together; then of each that ends why it does."""
        wanted = looks | POINT if self.over else looks
        for kind in dict.fromkeys(event.kind for events in said for event in events):
            bodies = [next((e.body for e in events if e.kind == kind), None) for events in said]
            if kind in wanted or kind in READ:
                event = merged(kind, self.step, bodies)
                yield self._timed(event) if kind == "point" else event
            if kind == "lane":
                yield Event("lane", self.step, next(body for body in bodies if body))
        for copy, name, events in zip(self.copies, self.names, said, strict=True):
            if copy.over and not self.over and name not in self._ended:
                self._ended.add(name)
                yield Event("diagnostic", copy.step, ending(copy, name, events).to_json())
        if self.over:
            yield self._finish(said)

    def _measured(self, said: Sequence[tuple[Event, ...]]) -> tuple[Event, ...]:
        """What a study found, a piece of which is done here, and what watching costs."""
        if self.measuring is None:
            return ()
        self.measuring.take(said, self.seconds)
        began = time.perf_counter()
        found = () if self.over else self.measuring.between(self.seconds)
        self.seconds += time.perf_counter() - began
        return (*found, *self.measuring.due(self.seconds))

    def _finish(self, said: Sequence[tuple[Event, ...]]) -> Event:
        """The last to end say why; where one could not go on, that has been told."""
        states = [event.body for events in said for event in events if event.kind == "state"]
        reason = states[0]["reason"] if states else "No copy can go on."
        return Event("state", self.step, {"state": "finished", "reason": reason, "node": None, "queue": None})

    def _pay(self) -> float:
        """What looking costs in this process is paid together, and given; other processes have other clocks."""
        costs: dict[str, float] = {}
        for copy in self.copies:
            if isinstance(copy, Local):
                for look, cost in copy.script.costs:
                    costs[look] = costs.get(look, 0.0) + cost
                copy.script.costs.clear()
        for look, cost in costs.items():
            self.pace.paid(look, self.seconds, cost)
        return sum(costs.values())

    def _timed(self, event: Event) -> Event:
        """With the clock of the group, not that of a copy alone."""
        step, seconds = self._since
        rate = (self.step - step) / max(self.seconds - seconds, 1e-9)
        self._since = self.step, self.seconds
        return Event(
            "point", event.step, {**event.body, "seconds": round(self.seconds, 4), "steps_per_s": round(rate, 1)}
        )

    def idle(self, seconds: float) -> None:
        """Takes note that whoever iterates waited for so long on purpose, to be watched."""
        self.seconds += seconds
        self.pace.idle(seconds)
        if self.measuring:
            self.measuring.waited += seconds

    def started(self) -> Event:
        """That of the first copy, and what is special about each."""
        event = self.first.started()
        copies = {"count": len(self.copies), "names": self.names, "how": self.how, "reason": self.why}
        copies["vary"] = {name: list(values) for name, values in varied(self.config).items()}
        return Event("started", self.step, {**event.body, "copies": copies, "resumed_from": self.resumed_from})

    def set(self, name: str, value: object) -> Event | Diagnostic:
        """Turns a knob of all copies, also one that differed between them."""
        found = [copy.set(name, value) for copy in self.copies if not copy.over]
        return next((f for f in found if isinstance(f, Diagnostic)), found[0])

    @property
    def best(self) -> Checkpoint | None:
        """The best weights of the first copy, with those of the others."""
        found = [copy.best() for copy in self.copies]
        return replace(found[0], copies=tuple(f for f in found[1:] if f)) if found[0] else None

    def checkpoint(self) -> Checkpoint:
        """The state of all copies; of one that overflowed, the last good. Raises RunFault where it has none."""
        for k, copy in enumerate(self.copies):
            try:
                self._states[k] = copy.checkpoint()
            except RunFault as fault:
                if k not in self._states:
                    raise
                copy.fault = copy.fault or fault
            # Where others go on, so does the end of this one; when all have ended, who goes on begins all anew.
            ended = copy.over and not self.over
            self._states[k] = replace(self._states[k], meta={**self._states[k].meta, "ended": ended})
        first, *others = (self._states[k] for k in range(len(self.copies)))
        own = {"step": first.meta["step"], "seconds": first.meta["seconds"]}
        meta = {**first.meta, "step": self.step, "seconds": self.seconds, "first": own}
        return replace(first, meta=meta, copies=tuple(others))

    def _restore(self, checkpoint: Checkpoint) -> None:
        each = apart(checkpoint)
        if len(each) != len(self.copies):
            what = f"The checkpoint holds {len(each)} copies of the network, and this run has {len(self.copies)}."
            raise Refused(Diagnostic("checkpoint/copies", what, "Start a new run.", field="copies"))
        for copy, state in zip(self.copies, each, strict=True):
            copy.restore(state)
        self.step = self.resumed_from = checkpoint.step
        self.seconds = float(checkpoint.meta["seconds"])
        self._since = self.step, self.seconds

    def close(self) -> None:
        """Ends the processes of the copies."""
        for copy in self.copies:
            copy.close()


Trainer = Training | Group


def training_of(graph: Graph, config: TrainConfig, data: Dataset, **options: Any) -> Trainer:
    """What trains ``config``: one network, or several copies at once. ``options`` are those of Training."""
    return (Group if config.copies > 1 else Training)(graph, config, data, **options)


def ending(copy: Copy, name: str, events: Sequence[Event]) -> Diagnostic:
    """Why one copy ends before the others."""
    label = name[0].upper() + name[1:]
    if copy.fault:
        return Diagnostic(
            "copies/fault", f"{label} ended: {copy.fault.reason}", "", copy.fault.node, severity="warning"
        )
    reason = next((e.body["reason"] for e in events if e.kind == "state"), "")
    return Diagnostic("copies/ended", f"{label} ended at step {copy.step}.", reason, severity="warning")


def fitting(graph: Graph, each: Sequence[TrainConfig]) -> None:
    """Raises Refused with everything that is wrong with the knobs of the copies, before one of them begins."""
    problems: dict[str, Diagnostic] = {}
    for config in each:
        values = initial(graph, config.optimizer)
        for name, value in config.knobs.items():
            values, problem = change(values, name, value)
            if problem:
                problems.setdefault(problem.text, problem)
    if problems:
        raise Refused(*problems.values())
