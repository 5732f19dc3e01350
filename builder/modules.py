"""Modules that torch does not have. Exported source carries those that it uses as they stand here."""

from __future__ import annotations

import torch
from torch import nn


class StochasticDepth(nn.Module):
    """Drops whole examples with probability p while training (Huang et al. 2016)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        kept = x.new_empty(len(x), *[1] * (x.dim() - 1)).bernoulli_(1 - self.p)
        return x * kept / (1 - self.p)


class GaussianNoise(nn.Module):
    """Adds normal noise of standard deviation sigma while training (Bishop 1995)."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.sigma * torch.randn_like(x) if self.training else x


class GaussianSampling(nn.Module):
    """Draws from N(mean, exp(log_variance)) while training (Kingma & Welling 2014)."""

    def forward(self, mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return mean
        return mean + torch.exp(log_variance / 2) * torch.randn_like(mean)


class SinusoidalPositions(nn.Module):
    """Adds sines and cosines of the position to x (N, time, feature) (Vaswani 2017)."""

    positions: torch.Tensor

    def __init__(self, time: int, features: int) -> None:
        super().__init__()
        pairs = torch.arange((features + 1) // 2)
        angles = torch.arange(time)[:, None] / 10_000 ** (2 * pairs / features)
        waves = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
        self.register_buffer("positions", waves[:, :features], persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.positions


class LearnedPositions(nn.Module):
    """Adds a learnt row to each step of x (N, time, feature) (Gehring et al. 2017)."""

    def __init__(self, time: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(time, features).normal_(std=0.02))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight


class ClassToken(nn.Module):
    """Puts a learnt step before x (N, time, feature) (Devlin et al. 2019)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, features).normal_(std=0.02))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.weight.expand(len(x), 1, -1), x], dim=1)


def causal_mask(x: torch.Tensor) -> torch.Tensor:
    """(time, time) for x (N, time, feature): True where a step may not look ahead."""
    time = x.shape[1]
    return torch.ones(time, time, dtype=torch.bool, device=x.device).triu(1)
