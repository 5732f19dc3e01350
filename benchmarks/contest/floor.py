"""As much arithmetic as a training step has, in one large matrix product after another and nothing else: the steps that
the processor's multiply-adds allow. It trains nothing, and so has no loss."""

from __future__ import annotations

import math

import torch

from benchmarks.contest.ours import graph
from benchmarks.contest.task import Array, Workload
from benchmarks.contest.turns import Watch, serve
from builder.infer import infer
from engine.config import DataRef, TrainConfig
from engine.cost import costs

SIDE = 512  # of the matrices: three of them fill most of a second-level cache of a megabyte or more


class Floor:
    def __init__(self, work: Workload, x: Array, y: Array, weights: list[Array]) -> None:
        torch.set_num_threads(1)
        config = TrainConfig(DataRef("contest"), knobs={"batch_size": work.batch})
        self.step = costs(infer(graph(work)), config, len(x), 0).total.step_flops
        self.left, self.right, self.out = (torch.rand(SIDE, SIDE) for _ in range(3))

    def train(self, watch: Watch) -> None:
        owed = 0.0  # steps that are paid for, and not yet counted
        while True:
            torch.mm(self.left, self.right, out=self.out)
            owed += 2 * SIDE**3 / self.step
            whole = int(owed)
            owed -= whole
            if watch.over(whole):
                return

    def loss(self) -> float:
        return math.nan


if __name__ == "__main__":
    serve(Floor)
