"""The training loop. ``Training.run`` is a generator: a batch or more per ``next``, and to pause is not to call it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from builder.compile import Tap, compile_graph
from builder.diagnostic import Diagnostic
from builder.graph import Graph
from builder.infer import infer
from engine import device as devices
from engine import losses, regularizers
from engine.boundary import Boundary
from engine.checkpoint import Checkpoint
from engine.config import TrainConfig
from engine.data.spec import Dataset
from engine.evaluate import Evaluator, Score, subset
from engine.events import Event
from engine.faults import Inquest, is_out_of_memory
from engine.flat import FlatParameters
from engine.goals import ends
from engine.lanes.choice import choose
from engine.lanes.lane import Wanted
from engine.lanes.stride import Stride
from engine.measuring import Measuring
from engine.network import Network
from engine.objective import Objective
from engine.observe import Observer
from engine.optimizers import ADAPTIVE, OPTIMIZERS
from engine.pace import Governor, Ledger, Pace
from engine.report import POINT, Reporter
from engine.resume import capture, capture_best, restore
from engine.schedules import SCHEDULES
from engine.stopping import EarlyStopping
from engine.tuning import Tuning


class Training:
    """One network in training. Raises Refused where settings do not fit the network, the data or the machine.

    ``watch`` False looks into no layer and draws no boundary. ``pace`` says when to look (see pace.py), by default
    as the clock allows. Neither changes what is computed. ``lane`` is how to compute it (see lanes/): "auto" takes the
    fastest that can, "eager" the reference.
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
        self.graph, self.config, self.data = graph, config, data
        self.device = devices.choose(config.device)
        self.objective = Objective(ends(infer(graph), data, config.loss))
        self.network = Network(graph)
        self.model = compile_graph(graph, config.seed).to(self.device).train()
        self.flat = FlatParameters(self.model, self.network.nodes)
        self.optimizer = OPTIMIZERS[config.optimizer](self.flat.weights)
        self.schedule = SCHEDULES[config.schedule]
        self.tuning = Tuning(self.network, config, self.model)
        self.batches = self.objective.batches(self.device, config.seed if config.order is None else config.order)
        self.stopping = EarlyStopping(self.model, config)
        self.inquest = Inquest(self.network, self.model, self.flat, config.optimizer in ADAPTIVE)
        scored = subset(data.n_train, data.n_val, config.seed)
        self.evaluator = Evaluator(self.model, self.objective, lambda: self.tuning.values, scored, self.device)
        seen = (self.flat, self.network.measured, lambda: self.tuning.values, Ledger())
        observer = Observer(*seen) if watch else None
        plane = watch and Boundary.fits(data) and self.objective.plain
        boundary = Boundary(self.model, self.loss, data, self.device) if plane else None
        self.report = Reporter(self.evaluator, pace or Governor(), observer, boundary)
        self.report.measuring = Measuring(self, self.report.ledger) if watch else None
        self.step, self.seconds, self.over = 0, 0.0, False  # steps done, time in them, whether it has ended
        self.resumed_from: int | None = None
        self.val_loss: float | None = None  # as last seen
        self._inputs: list[Tensor] = []
        self.stride = Stride()
        self.lane = choose(self, lane)
        torch.manual_seed(config.seed)
        if resume is not None:
            restore(self, resume)

    def run(self) -> Iterator[tuple[Event, ...]]:
        """Trains one batch per ``next``, or as many as fit into ``stride.seconds`` where the lane can, and gives the
        events due. Ends after the last step or by early stopping, with a "finished" event; raises RunFault where it
        cannot go on: no finite numbers, or no memory."""
        with devices.tuned():
            while self.step < self.config.steps and not self.over:
                began = time.perf_counter()
                try:
                    events = (*self._change_lane(), *self._train(began), *self.report.between(self.seconds))
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error):
                        raise
                    raise self.inquest.out_of_memory(self.step + 1, self._inputs) from error
                self.seconds += time.perf_counter() - began
                yield events

    def _train(self, began: float) -> tuple[Event, ...]:
        """One batch or several, of which the last is looked at where something is due."""
        before, count = self.step, self.lane.reach(self._free())
        looks = self.report.due(before + count, self.seconds)
        self.lane.train(count, self.report.tap(looks))
        self.stride.done(self.step - before, time.perf_counter() - began)
        return self._look(looks, self.lr(self.step - 1), began)

    def _free(self) -> int:
        """How many batches may be trained in one go: only with the last may it end, be looked at, or be validated."""
        if self.stride.count == 1:
            return 1
        ends = self.config.steps - self.step
        return max(1, min(self.stride.count, ends, self.report.free(self.step + 1), self.stopping.free(self.step)))

    def _change_lane(self) -> tuple[Event, ...]:
        lane = self.lane.better() if self.lane.better else None
        if lane is None:
            return ()
        self.lane = lane
        return (Event("lane", self.step, {"lane": lane.name, "reason": lane.reason}),)

    def lr(self, step: int) -> float:
        """The learning rate, as scheduled, of the step after ``step`` steps."""
        return self.tuning.values["lr"] * self.schedule(step, self.config.steps)

    @property
    def measuring(self) -> Measuring | None:
        """What it is asked to measure; None where nothing is watched."""
        return self.report.measuring

    @property
    def loss(self) -> losses.Loss:
        """Of the Output that speaks for all."""
        return self.objective.first.loss

    def backward(self, tap: Tap | None = None) -> float:
        """The loss of the next batch; its gradient, that of the penalties in it, is then in ``flat.gradient``.

        Raises RunFault where it is not finite. A preview (see probe.py) ends here, and so sees what step 1 will.
        """
        knobs, gradient = self.tuning.values, self.flat.gradient
        inputs, targets = self.batches.next(int(knobs["batch_size"]))
        self._inputs = inputs = [regularizers.noisy(x, knobs) for x in inputs]
        outputs = self.model(*inputs, tap=tap)
        loss = self.objective.loss(outputs, targets, knobs, knobs["label_smoothing"])
        gradient.zero_()
        loss.backward()  # type: ignore[no-untyped-call]
        regularizers.penalize(self.flat, knobs)
        value = loss.item()
        self.check(value, *inputs)
        return value

    def _look(self, looks: frozenset[str], lr: float, began: float) -> tuple[Event, ...]:
        """The events due after a step; with the last of them the run is over."""
        last = self.step == self.config.steps
        if not looks and not last and not self.stopping.due(self.step):
            return ()
        looks = looks | POINT if last else looks
        val = self._validate() if "evaluation" in looks or self.stopping.due(self.step) else None
        why = f"All {self.config.steps} steps are done." if last else None
        if self.stopping.exhausted(self.step):
            looks, why = looks | POINT, f"The validation loss has not improved for {self.config.patience} steps."
        seconds = self.seconds + time.perf_counter() - began
        events = self.report.events(self.step, looks, lr, seconds, val)
        return (*events, self._finish(why)) if why else tuple(events)

    def _validate(self) -> Score:
        score = self.evaluator.on_validation()
        self.val_loss = score.loss
        self.stopping.record(self.step, score.loss)
        return score

    def _finish(self, why: str) -> Event:
        self.over = True
        if self.stopping.on and self.stopping.weights and self.stopping.step < self.step:
            self.stopping.put_back()
            why += f" The weights of step {self.stopping.step} were the best and are back in place."
        return Event("state", self.step, {"state": "finished", "reason": why, "node": None, "queue": None})

    def check(self, loss: float, *inputs: Tensor) -> None:
        """Stops before the optimizer could take in a loss or gradient that is NaN or infinite.

        A sum is finite only if all its terms are, and one number is cheap to fetch.
        """
        if not math.isfinite(loss) or not math.isfinite(float(self.flat.gradient.sum())):
            self.over = True
            raise self.inquest.not_finite(self.step + 1, loss, inputs)

    def idle(self, seconds: float) -> None:
        """Takes note that whoever iterates waited for so long on purpose, to be watched."""
        self.seconds += seconds
        self.report.idle(seconds)

    def started(self) -> Event:
        """What the page must know of a run before its first number."""
        data, first = self.data, self.objective.first.field
        baseline = data.baseline if first is data.targets[0] else None
        body = {
            "device": self.device.type,
            "device_name": devices.name(self.device),
            "lane": self.lane.name,
            "lane_reason": self.lane.reason,
            "layers": self.network.layers(self.flat.layers, self.flat.sizes),
            "activations": [{"id": m.id, "type": m.type, "kind": m.kind} for m in self.network.measured],
            "knobs": dict(self.tuning.values),
            "task": first.task if first else "regression",
            "metric": first.score if first else None,
            "classes": list(first.words) if first and first.task == "classification" else [],
            "n_train": data.n_train,
            "n_val": data.n_val,
            "baseline": baseline and baseline.score,
            "guess": baseline and baseline.guess,
            **self.objective.told(self.graph),
            "resumed_from": self.resumed_from,
        }
        return Event("started", self.step, body)

    def set(self, name: str, value: object) -> Event | Diagnostic:
        """Turns a knob, from the next batch on. Weights, optimizer state and random streams stay as they are."""
        found = self.tuning.set(name, value)
        return found if isinstance(found, Diagnostic) else Event("knob", self.step, found)

    @property
    def best(self) -> Checkpoint | None:
        """The weights of the lowest validation loss so far; None before the first validation."""
        return capture_best(self)

    def checkpoint(self) -> Checkpoint:
        """A copy of the whole state, to go on from. Raises RunFault if the weights are no longer finite."""
        return capture(self)

    def close(self) -> None:
        """Nothing is held open: what trains several copies (see replicas/) has more to end here."""
