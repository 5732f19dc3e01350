"""Siamese network: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class SiameseNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(1, 16, kernel_size=3, padding="same")
        self.relu_1 = nn.ReLU()
        self.maxpool2d_1 = nn.MaxPool2d(2)
        self.conv2d_2 = nn.Conv2d(16, 32, kernel_size=3, padding="same")
        self.relu_2 = nn.ReLU()
        self.flatten_1 = nn.Flatten()
        self.linear_1 = nn.Linear(512, 32)
        self.relu_3 = nn.ReLU()
        self.maxpool2d_2 = nn.MaxPool2d(2)
        self.relu_4 = nn.ReLU()
        self.flatten_2 = nn.Flatten()
        self.linear_3 = nn.Linear(32, 2)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        # left: (N, 1, 8, 8)
        # right: (N, 1, 8, 8)
        x: torch.Tensor = self.conv2d_1(left)  # (N, 16, 8, 8)
        x = self.relu_1(x)  # (N, 16, 8, 8)
        x = self.maxpool2d_1(x)  # (N, 16, 4, 4)
        x = self.conv2d_2(x)  # (N, 32, 4, 4)
        x = self.relu_2(x)  # (N, 32, 4, 4)
        x = self.flatten_1(x)  # (N, 512)
        x = self.linear_1(x)  # (N, 32)
        y = self.conv2d_1(right)  # (N, 16, 8, 8)
        y = self.relu_3(y)  # (N, 16, 8, 8)
        y = self.maxpool2d_2(y)  # (N, 16, 4, 4)
        y = self.conv2d_2(y)  # (N, 32, 4, 4)
        y = self.relu_4(y)  # (N, 32, 4, 4)
        y = self.flatten_2(y)  # (N, 512)
        y = self.linear_1(y)  # (N, 32)
        # Difference
        x = x - y  # (N, 32)
        # Squared
        x = x * x  # (N, 32)
        x = self.linear_3(x)  # (N, 2)
        return x


if __name__ == "__main__":
    net = SiameseNetwork().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))
    print(tuple(outputs.shape))
