"""Small networks, runs and patience for the tests of worker, runner, executor and command line."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from builder.graph import Edge, Graph, Node
from engine.config import DataRef, TrainConfig
from engine.log import Record
from engine.store import RunFolder

ENDLESS = 10_000_000
PATIENCE = 30.0  # seconds; the machine may be busy


def chain(*nodes: Node) -> Graph:
    return Graph(nodes, tuple(Edge(a.id, b.id) for a, b in pairwise(nodes)))


def mlp(hidden: int = 8) -> Graph:
    return chain(
        Node("input_1", "Input"),
        Node("linear_1", "Linear", {"out_features": hidden}),
        Node("relu_1", "ReLU"),
        Node("dropout_1", "Dropout", {"p": 0.2}),
        Node("linear_2", "Linear", {"out_features": 2}),
        Node("output_1", "Output"),
    )


def make(
    home: Path, steps: int = ENDLESS, *, graph: Graph | None = None, owner: str = "", **settings: Any
) -> RunFolder:
    config = TrainConfig(DataRef("circle", {"size": 200}), steps=steps, **settings)
    return RunFolder.create(home, graph or mlp(), config, owner=owner)


def wait(what: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """The first true value of ``what()``."""
    deadline = time.monotonic() + patience
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)
    return found


def all_of(run: RunFolder, kind: str) -> list[Record]:
    return [r for r in run.log.after(0, 1_000_000) if r.kind == kind]


def states(run: RunFolder) -> list[str]:
    return [r.body["state"] for r in all_of(run, "state")]


def state(run: RunFolder) -> str:
    found = run.log.last("state")
    return str(found.body["state"]) if found else ""


def trained(run: RunFolder) -> bool:
    """Whether the first point is there."""
    return run.log.last("point") is not None
