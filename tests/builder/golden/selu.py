"""SELU network: a network drawn in Layerloom."""

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


class SELUNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(2, 32)
        self.selu_1 = nn.SELU()
        self.linear_2 = nn.Linear(32, 32)
        self.selu_2 = nn.SELU()
        self.linear_3 = nn.Linear(32, 32)
        self.selu_3 = nn.SELU()
        self.linear_4 = nn.Linear(32, 32)
        self.selu_4 = nn.SELU()
        self.linear_5 = nn.Linear(32, 32)
        self.selu_5 = nn.SELU()
        self.linear_6 = nn.Linear(32, 32)
        self.selu_6 = nn.SELU()
        self.linear_7 = nn.Linear(32, 32)
        self.selu_7 = nn.SELU()
        self.linear_8 = nn.Linear(32, 32)
        self.selu_8 = nn.SELU()
        self.linear_9 = nn.Linear(32, 2)
        initialize(self.linear_1, nn.init.kaiming_normal_, nonlinearity="linear")
        initialize(self.linear_2, nn.init.kaiming_normal_, nonlinearity="linear")
        initialize(self.linear_3, nn.init.kaiming_normal_, nonlinearity="linear")
        initialize(self.linear_4, nn.init.kaiming_normal_, nonlinearity="linear")
        initialize(self.linear_5, nn.init.kaiming_normal_, nonlinearity="linear")
        initialize(self.linear_6, nn.init.kaiming_normal_, nonlinearity="linear")
        initialize(self.linear_7, nn.init.kaiming_normal_, nonlinearity="linear")
        initialize(self.linear_8, nn.init.kaiming_normal_, nonlinearity="linear")
        initialize(self.linear_9, nn.init.kaiming_normal_, nonlinearity="linear")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 2)
        x = self.linear_1(x)  # (N, 32)
        x = self.selu_1(x)  # (N, 32)
        x = self.linear_2(x)  # (N, 32)
        x = self.selu_2(x)  # (N, 32)
        x = self.linear_3(x)  # (N, 32)
        x = self.selu_3(x)  # (N, 32)
        x = self.linear_4(x)  # (N, 32)
        x = self.selu_4(x)  # (N, 32)
        x = self.linear_5(x)  # (N, 32)
        x = self.selu_5(x)  # (N, 32)
        x = self.linear_6(x)  # (N, 32)
        x = self.selu_6(x)  # (N, 32)
        x = self.linear_7(x)  # (N, 32)
        x = self.selu_7(x)  # (N, 32)
        x = self.linear_8(x)  # (N, 32)
        x = self.selu_8(x)  # (N, 32)
        x = self.linear_9(x)  # (N, 2)
        return x


if __name__ == "__main__":
    net = SELUNetwork().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 2))
    print(tuple(outputs.shape))
