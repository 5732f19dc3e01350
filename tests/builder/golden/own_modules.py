"""Own modules: a network drawn in Layerloom."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn


def initialize(
    layer: nn.Module,
    fill: Callable[..., object],
    **options: object,
) -> None:
    """Fills the weight matrices of a layer; its biases start at zero."""
    for name, weight in layer.named_parameters():
        if weight.dim() > 1:
            fill(weight, **options)
        elif "bias" in name:
            nn.init.zeros_(weight)


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


class OwnModules(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.b = LearnedPositions(24, 8)
        self.c = ClassToken(8)
        self.d = GaussianNoise(0.1)
        self.e = nn.TransformerEncoderLayer(
            8,
            4,
            dim_feedforward=64,
            dropout=0.0,
            batch_first=True,
        )
        self.f = StochasticDepth(0.1)
        self.h = GaussianNoise(0.1)
        self.j = nn.Linear(8, 2)
        initialize(self.j, nn.init.xavier_uniform_)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 24, 8)
        x = self.b(x)  # (N, 24, 8)
        x = self.c(x)  # (N, 25, 8)
        x = self.d(x)  # (N, 25, 8)
        x = self.e(x, src_mask=causal_mask(x), is_causal=True)  # (N, 25, 8)
        x = self.f(x)  # (N, 25, 8)
        x = self.e(x, src_mask=causal_mask(x), is_causal=True)  # (N, 25, 8)
        x = self.h(x)  # (N, 25, 8)
        x = x[:, 0]  # (N, 8)
        x = self.j(x)  # (N, 2)
        return x


if __name__ == "__main__":
    net = OwnModules().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 24, 8))
    print(tuple(outputs.shape))
