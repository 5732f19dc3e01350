"""Badly initialised MLP (exploding signals): a network drawn in Layerloom."""

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


class BadlyInitialisedMLPExplodingSignals(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(2, 64)
        self.relu_1 = nn.ReLU()
        self.linear_2 = nn.Linear(64, 64)
        self.relu_2 = nn.ReLU()
        self.linear_3 = nn.Linear(64, 64)
        self.relu_3 = nn.ReLU()
        self.linear_4 = nn.Linear(64, 64)
        self.relu_4 = nn.ReLU()
        self.linear_5 = nn.Linear(64, 64)
        self.relu_5 = nn.ReLU()
        self.linear_6 = nn.Linear(64, 64)
        self.relu_6 = nn.ReLU()
        self.linear_7 = nn.Linear(64, 2)
        initialize(self.linear_1, nn.init.normal_, std=1.0)
        initialize(self.linear_2, nn.init.normal_, std=1.0)
        initialize(self.linear_3, nn.init.normal_, std=1.0)
        initialize(self.linear_4, nn.init.normal_, std=1.0)
        initialize(self.linear_5, nn.init.normal_, std=1.0)
        initialize(self.linear_6, nn.init.normal_, std=1.0)
        initialize(self.linear_7, nn.init.normal_, std=1.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 2)
        x = self.linear_1(x)  # (N, 64)
        x = self.relu_1(x)  # (N, 64)
        x = self.linear_2(x)  # (N, 64)
        x = self.relu_2(x)  # (N, 64)
        x = self.linear_3(x)  # (N, 64)
        x = self.relu_3(x)  # (N, 64)
        x = self.linear_4(x)  # (N, 64)
        x = self.relu_4(x)  # (N, 64)
        x = self.linear_5(x)  # (N, 64)
        x = self.relu_5(x)  # (N, 64)
        x = self.linear_6(x)  # (N, 64)
        x = self.relu_6(x)  # (N, 64)
        x = self.linear_7(x)  # (N, 2)
        return x


if __name__ == "__main__":
    net = BadlyInitialisedMLPExplodingSignals().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 2))
    print(tuple(outputs.shape))
