"""The loop of the PyTorch tutorials with a DataLoader; with "limit", forward and backward on one batch and nothing
else: what no loop around autograd can beat."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.contest import torch_models
from benchmarks.contest.task import Array, Workload
from benchmarks.contest.turns import Watch, serve


class Plain:
    def __init__(self, work: Workload, x: Array, y: Array, weights: list[Array], only: str = "") -> None:
        torch.set_num_threads(1)
        self.work, self.only = work, only
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)
        self.model = torch_models.network(work, weights)
        self.criterion, self.optimizer = torch_models.criterion(work), torch_models.optimizer(work, self.model)
        self.loader = DataLoader(TensorDataset(self.x, self.y), batch_size=work.batch, shuffle=True)

    def train(self, watch: Watch) -> None:
        if self.only == "limit" and not watch.steps:
            return self.limit(watch)
        while True:
            for x, y in self.loader:
                self.optimizer.zero_grad()
                loss = self.criterion(self.model(x), y)
                loss.backward()
                self.optimizer.step()
                loss.item()
                if watch.over():
                    return None

    def limit(self, watch: Watch) -> None:
        x, y = self.x[: self.work.batch], self.y[: self.work.batch]
        torch.set_flush_denormal(True)
        while not watch.over():
            self.criterion(self.model(x), y).backward()

    def loss(self) -> float:
        return torch_models.loss_on_all(self.work, self.model, self.x, self.y)


if __name__ == "__main__":
    serve(Plain)
