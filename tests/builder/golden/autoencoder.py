"""Autoencoder: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.flatten_1 = nn.Flatten()
        self.linear_1 = nn.Linear(784, 128)
        self.relu_1 = nn.ReLU()
        # Code
        self.linear_2 = nn.Linear(128, 16)
        self.linear_3 = nn.Linear(16, 128)
        self.relu_2 = nn.ReLU()
        self.linear_4 = nn.Linear(128, 784)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 1, 28, 28)
        x = self.flatten_1(x)  # (N, 784)
        x = self.linear_1(x)  # (N, 128)
        x = self.relu_1(x)  # (N, 128)
        x = self.linear_2(x)  # (N, 16)
        x = self.linear_3(x)  # (N, 128)
        x = self.relu_2(x)  # (N, 128)
        x = self.linear_4(x)  # (N, 784)
        x = torch.reshape(x, (-1, 1, 28, 28))  # (N, 1, 28, 28)
        return x


if __name__ == "__main__":
    net = Autoencoder().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1, 28, 28))
    print(tuple(outputs.shape))
