"""Training that is only told: the events of a run of known numbers, written by a thread into a real run folder."""

from __future__ import annotations

import base64
import math
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from builder.diagnostic import Diagnostic
from builder.graph import Edge, Graph, Node
from engine.config import DataRef, TrainConfig
from engine.events import Event
from engine.executor import Status
from engine.knobs import change, initial
from engine.store import RunFolder

SIDE = 48


def network(depth: int) -> Graph:
    """2 inputs, ``depth`` Linear layers with ReLU between, one Dropout layer, 2 outputs."""
    ids = [("input_1", "Input"), ("dropout_1", "Dropout")]
    for i in range(1, depth + 1):
        ids += [(f"linear_{i}", "Linear"), (f"relu_{i}", "ReLU")]
    ids = [*ids[:-1], ("output_1", "Output")]
    labels = {"linear_1": "first", "dropout_1": "after the input"}
    params: dict[str, dict[str, Any]] = {"Input": {"shape": [2]}, "Dropout": {"p": 0.2}, "Linear": {"out_features": 8}}
    last = {f"linear_{depth}": {"out_features": 2}}
    nodes = tuple(Node(i, t, last.get(i, params.get(t, {})), labels.get(i, "")) for i, t in ids)
    edges = tuple(Edge(a, b) for (a, _), (b, _) in pairwise(ids))
    return Graph(nodes, edges)


class FakeTraining:
    """Stands in for the executor: obeys commands, and tells ``rate`` updates a second of every run it started."""

    def __init__(self, home: Path, depth: int = 4, rate: float = 20.0, steps: int = 5000) -> None:
        self.home, self.depth, self.period, self.steps = home, depth, 1 / rate, steps
        self._runs: dict[str, Run] = {}

    def create(self) -> str:
        config = TrainConfig(DataRef("spiral"), steps=self.steps)
        folder = RunFolder.create(self.home, network(self.depth), config, title="told")
        self.start(folder)
        return folder.id

    def start(self, folder: RunFolder) -> None:
        self._runs[folder.id] = Run(folder, self.depth, self.period, self.steps)

    def close(self) -> None:
        for run in self._runs.values():
            run.steps = 0
            run.join()

    def send(self, run_id: str, command: dict[str, Any]) -> Diagnostic | None:
        return self._runs[run_id].obey(command)

    def status(self, run_id: str) -> Status:
        run = RunFolder.open(self.home, run_id)
        state = run.log.last("state")
        assert state is not None
        run.log.close()
        return Status(state.body["state"], state.body["queue"], state.body["reason"], state.body["node"])


class Run(threading.Thread):
    def __init__(self, folder: RunFolder, depth: int, period: float, steps: int) -> None:
        super().__init__(daemon=True)
        self.folder, self.depth, self.period, self.steps = folder, depth, period, steps
        self.knobs = initial(folder.graph)
        self.state, self.at, self.batches = "running", 0, 0
        self.folder.say("running")
        self.folder.log.append([Event("started", 0, self.started())])
        self.start()

    def obey(self, command: dict[str, Any]) -> Diagnostic | None:
        do = command.get("do")
        if do == "set":
            return self.turn(command["name"], command["value"])
        if do == "step":
            self.batches += 1
            return None
        states = {"pause": "paused", "resume": "running", "stop": "stopped", "fail": "failed", "continue": "running"}
        if do not in states:
            return Diagnostic("command/unknown", "This is not a command to a training.", "Use pause or stop.")
        reason, node = (
            ("The loss is not a number any more. Lower the learning rate.", "linear_2") if do == "fail" else ("", None)
        )
        self.state = states[do]
        self.folder.say(self.state, reason, node)  # type: ignore[arg-type]
        return None

    def turn(self, name: str, value: float) -> Diagnostic | None:
        old = self.knobs.get(name)
        self.knobs, problem = change(self.knobs, name, value)
        if problem is None:
            self.folder.log.append([Event("knob", self.at + 1, {"name": name, "old": old, "new": value})])
        return problem

    def run(self) -> None:
        while self.at < self.steps:
            time.sleep(self.period)
            if self.state == "running" or (self.state == "paused" and self.batches):
                self.batches = max(0, self.batches - 1)
                self.at += 10 if self.state == "running" else 1
                self.folder.log.append(self.events())
        self.folder.say("finished")

    def started(self) -> dict[str, Any]:
        graph = self.folder.graph
        weighted = [n for n in graph.nodes if n.type == "Linear"]
        measured = [n for n in graph.nodes if n.type in ("Linear", "ReLU")]
        return {
            "device": "cpu", "device_name": "CPU", "lane": "eager", "knobs": self.knobs, "task": "classification",
            "layers": [{"id": n.id, "type": n.type, "label": n.label, "params": 72} for n in weighted],
            "activations": [{"id": n.id, "type": n.type, "kind": "relu" if n.type == "ReLU" else ""} for n in measured],
            "metric": "accuracy", "classes": ["0", "1"], "n_train": 400, "n_val": 100, "baseline": 0.5,
            "guess": "always naming the commonest class", "resumed_from": None,
        }  # fmt: skip

    def events(self) -> list[Event]:
        t, step = self.at, self.at
        loss = 0.7 * math.exp(-t / 1500) + 0.02 * math.sin(t / 40) + 0.05
        wave = 0.3 * math.sin(t / 25)
        point = {
            "train_loss": loss, "val_loss": loss * 1.1 + 0.02, "batch_loss": loss * (1 + wave), "gap": 0.1 * loss,
            "train_metric": 1 - loss / 1.6, "val_metric": 0.97 - loss / 1.6, "lr": self.knobs["lr"],
            "steps_per_s": 830.0, "seconds": t / 830,
        }  # fmt: skip
        norms = [10 ** (-0.35 * (self.depth - i) + wave / 3 - t / 20000) for i in range(self.depth)]
        outputs = 2 * self.depth - 1
        layers = {
            "grad_norm": norms, "weight_norm": [3.0 + i for i in range(self.depth)],
            "update_ratio": [g / 100 for g in norms],
            "mean": [math.sin(t / 300 + i) for i in range(outputs)], "std": [1 + 0.1 * i for i in range(outputs)],
            "dead": [None if i % 2 == 0 else 0.05 * i / outputs for i in range(outputs)], "saturated": [None] * outputs,
        }  # fmt: skip
        return [Event("point", step, point), Event("layers", step, layers), *self.pictures(step)]

    def pictures(self, step: int) -> list[Event]:
        bell = [int(1000 * math.exp(-(((i - 16) / 6) ** 2))) for i in range(32)]
        ids = [a["id"] for a in self.started()["activations"]]
        hist = {i: {"lo": -2.0 - k / 3, "hi": 2.0 + k / 2, "counts": bell} for k, i in enumerate(ids)}
        turn = step / 400
        z = bytes(int(127 + 120 * math.sin(turn + x / 7) * math.cos(y / 7)) for y in range(SIDE) for x in range(SIDE))
        boundary = {"x": [-6, 6], "y": [-6, 6], "n": SIDE, "z": base64.b64encode(z).decode(), "mode": "share"}
        return [Event("hist", step, hist), Event("boundary", step, boundary)]
