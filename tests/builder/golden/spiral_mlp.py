"""MLP for the spiral: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class MLPForTheSpiral(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(2, 16)
        self.tanh_1 = nn.Tanh()
        self.linear_2 = nn.Linear(16, 16)
        self.tanh_2 = nn.Tanh()
        self.linear_3 = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 2)
        x = self.linear_1(x)  # (N, 16)
        x = self.tanh_1(x)  # (N, 16)
        x = self.linear_2(x)  # (N, 16)
        x = self.tanh_2(x)  # (N, 16)
        x = self.linear_3(x)  # (N, 2)
        return x


if __name__ == "__main__":
    net = MLPForTheSpiral().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 2))
    print(tuple(outputs.shape))
