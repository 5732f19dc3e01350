"""MLP for iris flowers: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class MLPForIrisFlowers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(4, 16)
        self.relu_1 = nn.ReLU()
        self.linear_2 = nn.Linear(16, 16)
        self.relu_2 = nn.ReLU()
        self.linear_3 = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 4)
        x = self.linear_1(x)  # (N, 16)
        x = self.relu_1(x)  # (N, 16)
        x = self.linear_2(x)  # (N, 16)
        x = self.relu_2(x)  # (N, 16)
        x = self.linear_3(x)  # (N, 3)
        return x


if __name__ == "__main__":
    net = MLPForIrisFlowers().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 4))
    print(tuple(outputs.shape))
