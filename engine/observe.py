"""Watches single training steps: what each layer puts out, how its gradient flows, how far its weights move."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from engine.events import Kind
from engine.flat import FlatParameters
from engine.quantities import HISTOGRAM, QUANTITIES
from engine.quantities.quantity import SAMPLE, Activations, Array, Measured, Seen


class Observer:
    """Watches one step at a time: hand ``tap`` to the forward pass, call ``gradients`` before clipping and
    ``bodies`` after the optimizer's step. It only reads, so a watched step computes what an unwatched one does."""

    def __init__(self, flat: FlatParameters, nodes: Sequence[Measured]) -> None:
        self.flat, self.nodes = flat, nodes
        self._place = {node.id: i for i, node in enumerate(nodes)}
        self._outputs: list[Tensor | None] = [None] * len(nodes)
        self._before: Tensor | None = None
        self._gradient: Array | None = None
        self._cost = 0.0  # CPU-seconds spent on this step and not yet told

    def tap(self, node: str, output: Tensor) -> None:
        place = self._place.get(node)
        if place is not None:
            self._outputs[place] = output.detach()

    def gradients(self) -> None:
        """The gradient is that of data loss and penalties, and the weights those it was taken at."""
        began = time.process_time()
        self._before = self.flat.weights.clone()
        self._gradient = self.flat.norms(self.flat.gradient)
        self._cost = time.process_time() - began

    def bodies(self, looks: frozenset[str]) -> tuple[dict[Kind, dict[str, Any]], dict[str, float]]:
        """The bodies of the events in ``looks`` ("layers", "hist" or both), and the CPU-seconds each took."""
        began = time.process_time()
        seen = self._seen()
        bodies: dict[Kind, dict[str, Any]] = {}
        costs = {}
        if "layers" in looks:
            apply = [q for q in QUANTITIES if seen.activations or "activations" not in q.needs]
            bodies["layers"] = {q.name: [] for q in QUANTITIES} | {q.name: numbers(q.measure(seen)) for q in apply}
            costs["layers"] = self._cost + time.process_time() - began
            began, self._cost = time.process_time(), 0.0
        if "hist" in looks:
            hists = HISTOGRAM.measure(seen) if seen.activations else []
            bodies["hist"] = {n.id: h for n, h in zip(self.nodes, hists, strict=False) if h}
            costs["hist"] = self._cost + time.process_time() - began
        return bodies, costs

    def _seen(self) -> Seen:
        assert self._before is not None
        assert self._gradient is not None
        outputs = [readable(o) for o in self._outputs if o is not None]
        update = self.flat.norms(self.flat.weights - self._before)
        weights = self.flat.norms(self._before)
        seen = Seen(self._gradient, weights, update, Activations(self.nodes, outputs) if outputs else None)
        self._outputs = [None] * len(self.nodes)
        self._before = self._gradient = None
        return seen


def readable(output: Tensor) -> Array:
    """``output`` as NumPy sees it: without a copy on the CPU; elsewhere thinned before it is fetched."""
    if output.device.type != "cpu" and output.numel() > SAMPLE:
        output = output[:: -(-output.numel() // SAMPLE)]
    array: Array = output.float().cpu().numpy()
    return array


def numbers(values: Sequence[Any] | Array) -> list[float | None]:
    """JSON numbers of 6 significant digits; None for what does not apply and for NaN and infinity."""
    return [float(f"{v:.6g}") if v is not None and math.isfinite(v) else None for v in values]
