"""Watches single training steps: what each layer puts out, how its gradient flows, how far its weights move."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from engine.events import Kind
from engine.flat import FlatParameters
from engine.pace import READINGS, Ledger
from engine.quantities import HISTOGRAM, QUANTITIES
from engine.quantities.quantity import SAMPLE, Activations, Array, Measured, Reading, Seen, numbers
from engine.quantities.vectors import Layout, Vectors
from engine.regularizers import Knobs, strengths

Bodies = dict[Kind, dict[str, Any]]


class Observer:
    """Watches one step at a time: call ``before``, hand ``tap`` to the forward pass, call ``gradients`` before clipping
    and ``bodies`` after the optimizer's step. It only reads, so a watched step computes what an unwatched one does.

    ``ledger`` takes down what each quantity costs.
    """

    def __init__(
        self, flat: FlatParameters, nodes: Sequence[Measured], knobs: Callable[[], Knobs], ledger: Ledger
    ) -> None:
        self.flat, self.nodes, self.knobs, self.ledger = flat, nodes, knobs, ledger
        self._place = {node.id: i for i, node in enumerate(nodes)}
        self._outputs: list[Tensor | None] = [None] * len(nodes)
        self._weights: Tensor | None = None
        self._norms: Array | None = None
        self._whole: tuple[Tensor, Tensor] | None = None  # gradient of the step before, and of this one
        self._cost = 0.0  # CPU-seconds spent on this step and not yet told

    def before(self, looks: frozenset[str]) -> None:
        """The gradient of the step before still stands in its place, as it was applied."""
        began = time.process_time()
        previous = self.flat.gradient.clone() if READINGS in looks else None
        self._whole = (previous, previous) if previous is not None else None
        self._cost = time.process_time() - began

    def tap(self, node: str, output: Tensor) -> None:
        place = self._place.get(node)
        if place is not None:
            self._outputs[place] = output.detach()

    def gradients(self) -> None:
        """The gradient is that of data loss and penalties, and the weights those it was taken at."""
        began = time.process_time()
        self._weights = self.flat.weights.clone()
        self._norms = self.flat.norms(self.flat.gradient)
        if self._whole:
            self._whole = self._whole[0], self.flat.gradient.clone()
        self._cost += time.process_time() - began

    def bodies(self, looks: frozenset[str], readings: Sequence[Reading] = ()) -> tuple[Bodies, dict[str, float]]:
        """The bodies of the events in ``looks`` ("layers", "hist" or both) and of ``readings``; the CPU-seconds of each
        look."""
        began = time.process_time()
        seen = self._seen()
        shared = self._cost + time.process_time() - began
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
        body: dict[str, Any] = {q.name: [] for q in QUANTITIES}
        total = 0.0
        for q in QUANTITIES:
            if seen.activations or "activations" not in q.needs:
                body[q.name], cost = self.ledger.timed(q.name, lambda q=q: numbers(q.measure(seen)))  # type: ignore[misc]
                total += cost
        return body, total

    def _hist(self, seen: Seen) -> tuple[dict[str, Any], float]:
        found, cost = self.ledger.timed("hist", lambda: HISTOGRAM.measure(seen) if seen.activations else [])
        return {n.id: h for n, h in zip(self.nodes, found, strict=False) if h}, cost

    def _seen(self) -> Seen:
        assert self._weights is not None
        assert self._norms is not None
        outputs = [readable(o) for o in self._outputs if o is not None]
        moved = self.flat.weights - self._weights
        update, weights = self.flat.norms(moved), self.flat.norms(self._weights)
        activations = Activations(self.nodes, outputs) if outputs else None
        vectors = self._vectors(self._weights, moved) if self._whole else None
        seen = Seen(self._norms, weights, update, activations, vectors)
        self._outputs = [None] * len(self.nodes)
        self._weights = self._norms = self._whole = None
        return seen

    def _vectors(self, weights: Tensor, moved: Tensor) -> Vectors:
        assert self._whole is not None
        flat, knobs = self.flat, self.knobs()
        layout = Layout(flat.starts, flat.layer_of, tuple(flat.layers), flat.decayed)
        previous, gradient, at, update = (v.float().cpu().numpy() for v in (*self._whole, weights, moved))
        return Vectors(layout, gradient, previous, at, update, *strengths(knobs), knobs["weight_decay"])


def readable(output: Tensor) -> Array:
    """``output`` as NumPy sees it: without a copy on the CPU; elsewhere thinned before it is fetched."""
    if output.device.type != "cpu" and output.numel() > SAMPLE:
        output = output[:: -(-output.numel() // SAMPLE)]
    array: Array = output.float().cpu().numpy()
    return array
