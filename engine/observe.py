"""Watches single training steps: what each layer puts out, how its gradient flows, how far its weights move."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from itertools import islice
from typing import Any

import numpy as np
from torch import Tensor

from engine.events import Kind
from engine.flat import FlatParameters
from engine.moved import Moved
from engine.pace import READINGS, Ledger
from engine.quantities import HISTOGRAM, QUANTITIES
from engine.quantities.quantity import SAMPLE, Activations, Array, Measured, Reading, Room, Seen, numbers
from engine.quantities.vectors import Layout, Vectors
from engine.regularizers import Knobs, strengths

Bodies = dict[Kind, dict[str, Any]]
Output = Tensor | Array  # of a node, (batch, …)


class Observer:
    """Watches one step at a time: call ``before``, hand ``tap`` to the forward pass, call ``gradients`` before clipping
    and ``bodies`` after the optimizer's step. It only reads, so a watched step computes what an unwatched one does.

    ``ledger`` takes down what each quantity costs.
    """

    def __init__(
        self, flat: FlatParameters, nodes: Sequence[Measured], knobs: Callable[[], Knobs], ledger: Ledger
    ) -> None:
        self.flat, self.nodes, self.knobs, self.ledger = flat, nodes, knobs, ledger
        self._measured = frozenset(node.id for node in nodes)
        self._outputs: dict[str, Output] = {}
        self._moved = Moved(flat)
        # Gradient of the step before, of this one, and the weights that it was taken at, where they are asked for.
        self._whole: tuple[Tensor, ...] = ()
        self._rooms: dict[Hashable, Room] = {}  # by the form of the outputs it is for; one at most
        self.cost = 0.0  # CPU-seconds spent on this step and not yet told

    def before(self, looks: frozenset[str]) -> None:
        """The gradient of the step before still stands in its place, as it was applied."""
        began = time.process_time()
        self._whole = (self.flat.gradient.clone(),) if READINGS in looks else ()
        self.cost = time.process_time() - began

    def tap(self, node: str, output: Output) -> None:
        if node in self._measured:
            self._outputs[node] = output

    def gradients(self) -> None:
        """The gradient is that of data loss and penalties, and the weights those it was taken at."""
        began = time.process_time()
        self._moved.begin()
        if self._whole:
            self._whole = (*self._whole, self.flat.gradient.clone(), self.flat.weights.clone())
        self.cost += time.process_time() - began

    @np.errstate(over="ignore", invalid="ignore")  # what is not finite is told as such
    def bodies(self, looks: frozenset[str], readings: Sequence[Reading] = ()) -> tuple[Bodies, dict[str, float]]:
        """The bodies of the events in ``looks`` ("layers", "hist" or both) and of ``readings``; the CPU-seconds of each
        look."""
        began = time.process_time()
        seen = self._seen()
        shared, self.cost = self.cost + time.process_time() - began, 0.0
        self.ledger.add("step", shared)
        bodies: Bodies = {}
        costs = {look: 0.0 for look in ("layers", "hist", READINGS) if look in looks}
        if "layers" in looks:
            bodies["layers"], costs["layers"] = self._layers(seen)
        if "hist" in looks:
            bodies["hist"], costs["hist"] = self._hist(seen)
        for reading in readings if READINGS in looks else ():
            body, cost = self.ledger.timed(reading.name, lambda reading=reading: reading.read(seen))  # type: ignore[misc]
            costs[READINGS] += cost
            if body is not None:
                bodies[reading.name] = body
        costs[next(iter(costs))] += shared
        return bodies, costs

    def _layers(self, seen: Seen) -> tuple[dict[str, Any], float]:
        """The numbers of all quantities are made fit for JSON in one go, which counts as work of the step."""
        began = before = time.process_time()
        found: dict[str, Array] = {}
        for q in QUANTITIES:
            if seen.activations or "activations" not in q.needs:
                found[q.name] = np.asarray(q.measure(seen))
                now = time.process_time()
                self.ledger.add(q.name, now - before)
                before = now
        told = iter(numbers(np.concatenate(list(found.values()))))
        body = {q.name: list(islice(told, len(found.get(q.name, ())))) for q in QUANTITIES}
        now = time.process_time()
        self.ledger.add("step", now - before, times=0)
        return body, now - began

    def _hist(self, seen: Seen) -> tuple[dict[str, Any], float]:
        found, cost = self.ledger.timed("hist", lambda: HISTOGRAM.measure(seen) if seen.activations else [])
        return {n.id: h for n, h in zip(self.nodes, found, strict=False) if h}, cost

    def _seen(self) -> Seen:
        lengths = self._moved.end()
        assert lengths is not None
        return Seen(*lengths, self._activations(), self._vectors())

    def _activations(self) -> Activations | None:
        if not self._outputs:
            return None
        outputs = [readable(self._outputs[node.id]) for node in self.nodes]
        self._outputs = {}
        form = outputs[0].shape, outputs[0].strides  # all else follows from the network and the lane
        room = self._rooms.get(form)
        found = Activations(self.nodes, outputs, room)
        if room is None:
            self._rooms = {form: found.room}
        return found

    def _vectors(self) -> Vectors | None:
        if not self._whole:
            return None
        flat, knobs = self.flat, self.knobs()
        layout = Layout(flat.starts, flat.layer_of, tuple(flat.layers), flat.decayed)
        whole = (*self._whole, flat.weights - self._whole[-1])
        previous, gradient, weights, update = (v.float().cpu().numpy() for v in whole)
        self._whole = ()
        return Vectors(layout, gradient, previous, weights, update, *strengths(knobs), knobs["weight_decay"])


def readable(output: Output) -> Array:
    """``output`` as NumPy sees it: without a copy on the CPU; elsewhere thinned before it is fetched."""
    if isinstance(output, np.ndarray):
        return output
    output = output.detach()
    if output.device.type != "cpu" and output.numel() > SAMPLE:
        output = output[:: -(-output.numel() // SAMPLE)]
    array: Array = output.float().cpu().numpy()
    return array
