"""MLP for a curve: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class MLPForACurve(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(1, 32)
        self.tanh_1 = nn.Tanh()
        self.linear_2 = nn.Linear(32, 32)
        self.tanh_2 = nn.Tanh()
        self.linear_3 = nn.Linear(32, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 1)
        x = self.linear_1(x)  # (N, 32)
        x = self.tanh_1(x)  # (N, 32)
        x = self.linear_2(x)  # (N, 32)
        x = self.tanh_2(x)  # (N, 32)
        x = self.linear_3(x)  # (N, 1)
        return x


if __name__ == "__main__":
    net = MLPForACurve().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1))
    print(tuple(outputs.shape))
