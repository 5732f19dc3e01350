"""The six networks as a PyTorch user writes them, with the given weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.contest.task import BLOCKS, HEADS, HIDDEN, SIZES, TOKENS, WIDTH, WORDS, Array, Workload


class LSTM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.dense = nn.LSTM(4, 64, batch_first=True), nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.lstm(x)[0][:, -1])


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(TOKENS, WIDTH)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, dropout=0.0, batch_first=True) for _ in range(BLOCKS)
        )
        self.dense = nn.Linear(WIDTH, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.words(x) + self.places.weight
        for block in self.blocks:
            x = block(x)
        return self.dense(x.mean(1))


def network(work: Workload, weights: Sequence[Array]) -> nn.Module:
    match work.name:
        case "cnn":
            model: nn.Module = nn.Sequential(
                nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 49, 10),
            )  # fmt: skip
        case "lstm":
            model = LSTM()
        case "transformer":
            model = Transformer()
        case _:
            sizes, act = SIZES[work.name], nn.Tanh if work.name == "spiral" else nn.ReLU
            layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), act())]
            model = nn.Sequential(*layers[:-1])
    for parameter, weight in zip(model.parameters(), weights, strict=True):
        parameter.data = torch.from_numpy(weight.copy())
    return model


def criterion(work: Workload) -> Callable[[Tensor, Tensor], Tensor]:
    return nn.functional.mse_loss if work.name == "spiral" else nn.functional.cross_entropy


def optimizer(work: Workload, model: nn.Module) -> torch.optim.Optimizer:
    kind = torch.optim.SGD if work.optimizer == "sgd" else torch.optim.Adam
    return kind(model.parameters(), lr=work.lr)


def loss_on_all(work: Workload, model: nn.Module, x: Tensor, y: Tensor) -> float:
    model.eval()
    with torch.no_grad():
        outputs = torch.cat([model(some) for some in x.split(256)])
    model.train()
    return float(criterion(work)(outputs, y))
