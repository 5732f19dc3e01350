"""Logistic regression: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class LogisticRegression(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(30, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 30)
        x = self.linear_1(x)  # (N, 2)
        return x


if __name__ == "__main__":
    net = LogisticRegression().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 30))
    print(tuple(outputs.shape))
