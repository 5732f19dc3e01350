"""Perceptron: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        # Neuron
        self.linear_1 = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 2)
        x = self.linear_1(x)  # (N, 2)
        return x


if __name__ == "__main__":
    net = Perceptron().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 2))
    print(tuple(outputs.shape))
