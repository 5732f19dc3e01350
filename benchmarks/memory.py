"""Memory of workers and the time from a click to the first point. Linux: USS and PSS come from /proc.

``python -m benchmarks.memory [--runs 30] [--json]`` prints, for a small network trained with everything watched:
- own: memory that only one worker uses (USS), with its share of what all of them share (PSS), in MB; aim: own <= 50
- beside: the same for many workers at once, with the sum, and whether every one of them trains
- click: milliseconds from ``start`` to the first point in the log, runner warm, median of 10; aim: part of 500
- knob: milliseconds from ``send`` to the knob's record in the log, median of 10; aim: 50
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from builder.graph import Edge, Graph, Node
from engine.config import DataRef, TrainConfig
from engine.executor import LocalExecutor
from engine.store import RunFolder

ENDLESS = 10_000_000
NODES = (
    Node("input_1", "Input", {"shape": (1, 8, 8)}),
    Node("flatten_1", "Flatten"),
    Node("linear_1", "Linear", {"out_features": 128}),
    Node("relu_1", "ReLU"),
    Node("linear_2", "Linear", {"out_features": 64}),
    Node("relu_2", "ReLU"),
    Node("linear_3", "Linear", {"out_features": 10}),
    Node("output_1", "Output"),
)
DIGITS = Graph(NODES, tuple(Edge(a.id, b.id) for a, b in pairwise(NODES)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory of workers and the time from a click to the first point.")
    parser.add_argument("--runs", type=int, default=30, help="workers beside each other")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        executor = LocalExecutor(Path(folder), slots=args.runs)
        try:
            stop(executor, [begin(executor)])  # the runner is warm from here on
            found = {"click_ms": median_of(10, lambda: click(executor)), "knob_ms": knobs(executor, 10)}
            found |= memory(executor, 1, "own") | memory(executor, args.runs, "beside")
        finally:
            executor.close()
    print(json.dumps(found) if args.json else "\n".join(f"{key:24}{value:10.1f}" for key, value in found.items()))


def begin(executor: LocalExecutor) -> RunFolder:
    """A run that has its first point."""
    run = RunFolder.create(executor.home, DIGITS, TrainConfig(DataRef("digits"), steps=ENDLESS))
    executor.start(run)
    wait(lambda: run.log.last("point"))
    return run


def stop(executor: LocalExecutor, going: list[RunFolder]) -> None:
    for run in going:
        executor.send(run.id, {"do": "stop"})
    wait(lambda: all(executor.status(run.id).state == "stopped" for run in going))


def click(executor: LocalExecutor) -> float:
    began = time.perf_counter()
    run = begin(executor)
    taken = time.perf_counter() - began
    stop(executor, [run])
    return 1000 * taken


def knobs(executor: LocalExecutor, times: int) -> float:
    run = begin(executor)

    def turn() -> float:
        last = run.log.last("knob")
        began = time.perf_counter()
        executor.send(run.id, {"do": "set", "name": "lr", "value": 0.01})
        wait(lambda: run.log.last("knob") != last)
        return 1000 * (time.perf_counter() - began)

    found = median_of(times, turn)
    stop(executor, [run])
    return found


def memory(executor: LocalExecutor, n: int, name: str) -> dict[str, float]:
    """Medians over ``n`` workers that have all trained for a while, and the sum of what they and the runner use."""
    going = [begin(executor) for _ in range(n)]
    steps = {run.id: run.step for run in going}
    wait(lambda: all(run.step > steps[run.id] for run in going))
    time.sleep(2)
    runner = psutil.Process(executor.runner_pid)
    workers = [child.memory_full_info() for child in runner.children()]
    stop(executor, going)
    return {
        f"{name}_workers": float(len(workers)),
        f"{name}_uss_mb": statistics.median(w.uss for w in workers) / 2**20,
        f"{name}_pss_mb": statistics.median(w.pss for w in workers) / 2**20,
        f"{name}_sum_mb": (sum(w.pss for w in workers) + runner.memory_full_info().pss) / 2**20,
    }


def median_of(times: int, measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(times))


def wait(what: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline, "it did not happen in two minutes"
        time.sleep(0.001)


if __name__ == "__main__":
    main()
