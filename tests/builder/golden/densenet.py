"""DenseNet for small images: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class DenseBlock(nn.Module):
    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.batchnorm2d_1 = nn.BatchNorm2d(num_features)
        self.relu_1 = nn.ReLU()
        self.conv2d_1 = nn.Conv2d(num_features, 32, kernel_size=1, bias=False)
        self.batchnorm2d_2 = nn.BatchNorm2d(32)
        self.relu_2 = nn.ReLU()
        self.conv2d_2 = nn.Conv2d(32, 8, kernel_size=3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, num_features, H, W)
        y = self.batchnorm2d_1(x)  # (N, num_features, H, W)
        y = self.relu_1(y)  # (N, num_features, H, W)
        y = self.conv2d_1(y)  # (N, 32, H, W)
        y = self.batchnorm2d_2(y)  # (N, 32, H, W)
        y = self.relu_2(y)  # (N, 32, H, W)
        y = self.conv2d_2(y)  # (N, 8, H, W)
        x = torch.cat([x, y], dim=1)  # (N, C, H, W)
        return x


class DenseNetForSmallImages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(1, 16, kernel_size=3, stride=2, padding=1, bias=False)
        self.dense_1 = nn.Sequential(
            DenseBlock(16),
            DenseBlock(24),
            DenseBlock(32),
            DenseBlock(40),
        )
        self.batchnorm2d_1 = nn.BatchNorm2d(48)
        self.relu_1 = nn.ReLU()
        # Transition 1
        self.conv2d_2 = nn.Conv2d(48, 24, kernel_size=1, bias=False)
        self.avgpool2d_1 = nn.AvgPool2d(2)
        self.dense_2 = nn.Sequential(
            DenseBlock(24),
            DenseBlock(32),
            DenseBlock(40),
            DenseBlock(48),
        )
        self.batchnorm2d_2 = nn.BatchNorm2d(56)
        self.relu_2 = nn.ReLU()
        # Transition 2
        self.conv2d_3 = nn.Conv2d(56, 28, kernel_size=1, bias=False)
        self.avgpool2d_2 = nn.AvgPool2d(2)
        self.dense_3 = nn.Sequential(
            DenseBlock(28),
            DenseBlock(36),
            DenseBlock(44),
            DenseBlock(52),
        )
        self.batchnorm2d_3 = nn.BatchNorm2d(60)
        self.relu_3 = nn.ReLU()
        # Global mean
        self.adaptiveavgpool2d_1 = nn.AdaptiveAvgPool2d(1)
        self.flatten_1 = nn.Flatten()
        self.linear_1 = nn.Linear(60, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 1, 28, 28)
        x = self.conv2d_1(x)  # (N, 16, 14, 14)
        x = self.dense_1(x)  # (N, 48, 14, 14)
        x = self.batchnorm2d_1(x)  # (N, 48, 14, 14)
        x = self.relu_1(x)  # (N, 48, 14, 14)
        x = self.conv2d_2(x)  # (N, 24, 14, 14)
        x = self.avgpool2d_1(x)  # (N, 24, 7, 7)
        x = self.dense_2(x)  # (N, 56, 7, 7)
        x = self.batchnorm2d_2(x)  # (N, 56, 7, 7)
        x = self.relu_2(x)  # (N, 56, 7, 7)
        x = self.conv2d_3(x)  # (N, 28, 7, 7)
        x = self.avgpool2d_2(x)  # (N, 28, 3, 3)
        x = self.dense_3(x)  # (N, 60, 3, 3)
        x = self.batchnorm2d_3(x)  # (N, 60, 3, 3)
        x = self.relu_3(x)  # (N, 60, 3, 3)
        x = self.adaptiveavgpool2d_1(x)  # (N, 60, 1, 1)
        x = self.flatten_1(x)  # (N, 60)
        x = self.linear_1(x)  # (N, 10)
        return x


if __name__ == "__main__":
    net = DenseNetForSmallImages().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1, 28, 28))
    print(tuple(outputs.shape))
