"""MobileNet for small images: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class InvertedResidual(nn.Module):
    def __init__(self, channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(channels, hidden_channels, kernel_size=1, bias=False)
        self.batchnorm2d_1 = nn.BatchNorm2d(hidden_channels)
        self.relu6_1 = nn.ReLU6()
        self.conv2d_2 = nn.Conv2d(
            hidden_channels,
            hidden_channels,
            kernel_size=3,
            padding=1,
            groups=hidden_channels,
            bias=False,
        )
        self.batchnorm2d_2 = nn.BatchNorm2d(hidden_channels)
        self.relu6_2 = nn.ReLU6()
        self.conv2d_3 = nn.Conv2d(hidden_channels, channels, kernel_size=1, bias=False)
        self.batchnorm2d_3 = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, channels, H, W)
        y = self.conv2d_1(x)  # (N, hidden_channels, H, W)
        y = self.batchnorm2d_1(y)  # (N, hidden_channels, H, W)
        y = self.relu6_1(y)  # (N, hidden_channels, H, W)
        y = self.conv2d_2(y)  # (N, hidden_channels, H, W)
        y = self.batchnorm2d_2(y)  # (N, hidden_channels, H, W)
        y = self.relu6_2(y)  # (N, hidden_channels, H, W)
        y = self.conv2d_3(y)  # (N, channels, H, W)
        y = self.batchnorm2d_3(y)  # (N, channels, H, W)
        x = y + x  # (N, channels, H, W)
        return x


class InvertedResidualHalfTheSize(nn.Module):
    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        out_channels: int,
    ) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(
            in_channels,
            hidden_channels,
            kernel_size=1,
            bias=False,
        )
        self.batchnorm2d_1 = nn.BatchNorm2d(hidden_channels)
        self.relu6_1 = nn.ReLU6()
        self.conv2d_2 = nn.Conv2d(
            hidden_channels,
            hidden_channels,
            kernel_size=3,
            stride=2,
            padding=1,
            groups=hidden_channels,
            bias=False,
        )
        self.batchnorm2d_2 = nn.BatchNorm2d(hidden_channels)
        self.relu6_2 = nn.ReLU6()
        self.conv2d_3 = nn.Conv2d(
            hidden_channels,
            out_channels,
            kernel_size=1,
            bias=False,
        )
        self.batchnorm2d_3 = nn.BatchNorm2d(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, in_channels, H, W)
        x = self.conv2d_1(x)  # (N, hidden_channels, H, W)
        x = self.batchnorm2d_1(x)  # (N, hidden_channels, H, W)
        x = self.relu6_1(x)  # (N, hidden_channels, H, W)
        x = self.conv2d_2(x)  # (N, hidden_channels, H, W)
        x = self.batchnorm2d_2(x)  # (N, hidden_channels, H, W)
        x = self.relu6_2(x)  # (N, hidden_channels, H, W)
        x = self.conv2d_3(x)  # (N, out_channels, H, W)
        x = self.batchnorm2d_3(x)  # (N, out_channels, H, W)
        return x


class MobileNetForSmallImages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(1, 16, kernel_size=3, stride=2, padding=1, bias=False)
        self.batchnorm2d_1 = nn.BatchNorm2d(16)
        self.relu6_1 = nn.ReLU6()
        self.inverted_residual_1 = InvertedResidual(16, 64)
        self.inverted_residual_2 = InvertedResidualHalfTheSize(16, 64, 24)
        self.inverted_residual_3 = nn.Sequential(
            *(InvertedResidual(24, 96) for _ in range(2)),
        )
        self.inverted_residual_4 = InvertedResidualHalfTheSize(24, 96, 40)
        self.inverted_residual_5 = nn.Sequential(
            *(InvertedResidual(40, 160) for _ in range(2)),
        )
        self.conv2d_2 = nn.Conv2d(40, 128, kernel_size=1, bias=False)
        self.batchnorm2d_2 = nn.BatchNorm2d(128)
        self.relu6_2 = nn.ReLU6()
        # Global mean
        self.adaptiveavgpool2d_1 = nn.AdaptiveAvgPool2d(1)
        self.flatten_1 = nn.Flatten()
        self.dropout_1 = nn.Dropout(0.2)
        self.linear_1 = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 1, 28, 28)
        x = self.conv2d_1(x)  # (N, 16, 14, 14)
        x = self.batchnorm2d_1(x)  # (N, 16, 14, 14)
        x = self.relu6_1(x)  # (N, 16, 14, 14)
        x = self.inverted_residual_1(x)  # (N, 16, 14, 14)
        x = self.inverted_residual_2(x)  # (N, 24, 7, 7)
        x = self.inverted_residual_3(x)  # (N, 24, 7, 7)
        x = self.inverted_residual_4(x)  # (N, 40, 4, 4)
        x = self.inverted_residual_5(x)  # (N, 40, 4, 4)
        x = self.conv2d_2(x)  # (N, 128, 4, 4)
        x = self.batchnorm2d_2(x)  # (N, 128, 4, 4)
        x = self.relu6_2(x)  # (N, 128, 4, 4)
        x = self.adaptiveavgpool2d_1(x)  # (N, 128, 1, 1)
        x = self.flatten_1(x)  # (N, 128)
        x = self.dropout_1(x)  # (N, 128)
        x = self.linear_1(x)  # (N, 10)
        return x


if __name__ == "__main__":
    net = MobileNetForSmallImages().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1, 28, 28))
    print(tuple(outputs.shape))
