"""What the tests of the lanes share: the same training in two of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from builder.graph import Graph
from engine.data import Dataset
from engine.lanes.native.layout import Unfit
from engine.loop import Training
from tests.engine.drawn import advance, chain, make

TOLERANCE = 1e-5  # of the largest weight, after 100 steps


def both(steps: int, *args: Any, lane: str = "native", **own: Any) -> tuple[Training, Training]:
    """The same training in the reference and in another lane, one after the other: they share torch's stream."""
    found = []
    for each in ("eager", lane):
        training = make(*args, lane=each, **own)
        advance(training, steps)
        found.append(training)
    return found[0], found[1]


def assert_alike(reference: Training, native: Training, tolerance: float = TOLERANCE) -> None:
    assert reference.lane.name == "eager" != native.lane.name
    assert reference.step == native.step
    most = float(reference.flat.weights.abs().max())
    assert float((reference.flat.weights - native.flat.weights).abs().max()) <= tolerance * most
    assert native.report.losses == pytest.approx(reference.report.losses, rel=tolerance)
    running = dict(native.model.named_buffers())  # averages of batch norms
    for name, expected in reference.model.named_buffers():
        assert torch.allclose(running[name].double(), expected.double(), rtol=tolerance, atol=tolerance)


def unfit(graph: Graph, data: Dataset) -> str | None:
    """Why the native lane does not take a network; None if it does."""
    try:
        make(graph, data, lane="native")
    except Unfit as why:
        return str(why)
    return None


def image(*layers: tuple[str, dict[str, Any]]) -> Graph:
    """From the digits (1, 8, 8) to ten classes."""
    start = ("Conv2d", {"out_channels": 3, "kernel_size": 1})  # so that what follows has channels, and a gradient below
    return chain(("Input", {"shape": (1, 8, 8)}), start, *layers, ("Flatten", {}), ("Linear", {"out_features": 10}),
                 ("Output", {}))  # fmt: skip
