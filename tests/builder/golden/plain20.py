"""Plain-20: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class Plain(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size=3,
            padding=1,
            bias=False,
            stride=stride,
        )
        self.batchnorm2d_1 = nn.BatchNorm2d(out_channels)
        self.relu_1 = nn.ReLU()
        self.conv2d_2 = nn.Conv2d(
            out_channels,
            out_channels,
            kernel_size=3,
            padding=1,
            bias=False,
        )
        self.batchnorm2d_2 = nn.BatchNorm2d(out_channels)
        self.relu_2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, in_channels, H, W)
        x = self.conv2d_1(x)  # (N, out_channels, H, W)
        x = self.batchnorm2d_1(x)  # (N, out_channels, H, W)
        x = self.relu_1(x)  # (N, out_channels, H, W)
        x = self.conv2d_2(x)  # (N, out_channels, H, W)
        x = self.batchnorm2d_2(x)  # (N, out_channels, H, W)
        x = self.relu_2(x)  # (N, out_channels, H, W)
        return x


class Plain20(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(1, 16, kernel_size=3, padding=1, bias=False)
        self.batchnorm2d_1 = nn.BatchNorm2d(16)
        self.relu_1 = nn.ReLU()
        self.block_1 = nn.Sequential(*(Plain(16, 16) for _ in range(3)))
        # Plain, half the size
        self.block_2 = Plain(16, 32, stride=2)
        self.block_3 = nn.Sequential(*(Plain(32, 32) for _ in range(2)))
        # Plain, half the size
        self.block_4 = Plain(32, 64, stride=2)
        self.block_5 = nn.Sequential(*(Plain(64, 64) for _ in range(2)))
        # Global mean
        self.adaptiveavgpool2d_1 = nn.AdaptiveAvgPool2d(1)
        self.flatten_1 = nn.Flatten()
        self.linear_1 = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 1, 8, 8)
        x = self.conv2d_1(x)  # (N, 16, 8, 8)
        x = self.batchnorm2d_1(x)  # (N, 16, 8, 8)
        x = self.relu_1(x)  # (N, 16, 8, 8)
        x = self.block_1(x)  # (N, 16, 8, 8)
        x = self.block_2(x)  # (N, 32, 4, 4)
        x = self.block_3(x)  # (N, 32, 4, 4)
        x = self.block_4(x)  # (N, 64, 2, 2)
        x = self.block_5(x)  # (N, 64, 2, 2)
        x = self.adaptiveavgpool2d_1(x)  # (N, 64, 1, 1)
        x = self.flatten_1(x)  # (N, 64)
        x = self.linear_1(x)  # (N, 10)
        return x


if __name__ == "__main__":
    net = Plain20().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1, 8, 8))
    print(tuple(outputs.shape))
