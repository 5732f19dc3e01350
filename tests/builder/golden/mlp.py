"""MLP with dropout: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class MLPWithDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.flatten_1 = nn.Flatten()
        self.linear_1 = nn.Linear(64, 64)
        self.relu_1 = nn.ReLU()
        self.dropout_1 = nn.Dropout(0.2)
        self.linear_2 = nn.Linear(64, 64)
        self.relu_2 = nn.ReLU()
        self.linear_3 = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 1, 8, 8)
        x = self.flatten_1(x)  # (N, 64)
        x = self.linear_1(x)  # (N, 64)
        x = self.relu_1(x)  # (N, 64)
        x = self.dropout_1(x)  # (N, 64)
        x = self.linear_2(x)  # (N, 64)
        x = self.relu_2(x)  # (N, 64)
        x = self.linear_3(x)  # (N, 10)
        return x


if __name__ == "__main__":
    net = MLPWithDropout().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1, 8, 8))
    print(tuple(outputs.shape))
