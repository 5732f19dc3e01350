"""Eight copies of a network as one program against eight separate runs of the eager lane, in steps per CPU-second.

Both are watched in full, take turns in this process on one thread, and start from the same weights; a ratio is formed
within each round. Before the clock starts, copy k is compared with its separate run.
Usage: `python -m benchmarks.replicas [ROUNDS] [CPU-SECONDS per turn]`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import sys
import time
from collections.abc import Callable
from itertools import cycle

import torch

from benchmarks.engine_speed import WORKLOADS, spread
from engine.config import DataRef, TrainConfig
from engine.loop import Training
from engine.replicas.group import Group
from engine.replicas.variants import variants
from engine.worker import STRIDE_SECONDS

COPIES = 8
PARITY = 200  # steps after which weights are compared
SETTLE = 15.0  # CPU-seconds before the clock starts: a young run shows more than its share of evaluations


def compare(name: str, rounds: int, seconds: float) -> None:
    graph, data, settings, *_ = WORKLOADS[name]
    config = TrainConfig(data=DataRef(data.name), steps=10**9, copies=COPIES, **settings)
    group = Group(graph, config, data, lane="native")
    alone = [Training(graph, own, data) for own in variants(config)]
    runs, together = [training.run() for training in alone], group.run()
    for _ in range(PARITY):
        next(together)
        for run in runs:
            next(run)
    states = (group.checkpoint(), *group.checkpoint().copies)
    print(f"{name}: the largest difference of a weight after {PARITY} steps is {difference(alone, states):.1e}")
    group.stride.seconds = STRIDE_SECONDS
    turns = cycle(zip(runs, alone, strict=True))

    def separate() -> int:
        run, training = next(turns)
        before = training.step
        next(run)
        return training.step - before

    def as_one() -> int:
        before = group.step
        next(together)
        return (group.step - before) * COPIES

    rate(separate, SETTLE)
    rate(as_one, SETTLE)
    ratios, rates = [], []
    for _ in range(rounds):
        theirs, ours = rate(separate, seconds), rate(as_one, seconds)
        rates.append(ours)
        ratios.append(ours / theirs)
    print(f"  {statistics.median(rates):,.0f} model-steps per CPU-second, ratio to separate runs {spread(ratios)}")


def difference(alone: list[Training], states: tuple[object, ...]) -> float:
    pairs = zip(alone, states, strict=True)
    return max(float((w - s.weights[key]).abs().max()) for t, s in pairs for key, w in weights(t))  # type: ignore[attr-defined]


def weights(training: Training) -> list[tuple[str, torch.Tensor]]:
    return list(training.model.state_dict().items())


def rate(train: Callable[[], int], seconds: float) -> float:
    began, steps = time.process_time(), 0
    while (used := time.process_time() - began) < seconds:
        steps += train()
    return steps / used


def main(rounds: int = 7, seconds: float = 1.0) -> None:
    for name in WORKLOADS:
        compare(name, rounds, seconds)


if __name__ == "__main__":
    main(*(kind(argument) for kind, argument in zip((int, float), sys.argv[1:], strict=False)))
