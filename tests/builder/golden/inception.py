"""Inception for small images: a network drawn in Layerloom."""

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


class Inception(nn.Module):
    def __init__(
        self,
        in_channels: int,
        conv2d_1_out_channels: int,
        conv2d_2_out_channels: int,
        conv2d_3_out_channels: int,
        conv2d_4_out_channels: int,
        conv2d_5_out_channels: int,
        conv2d_6_out_channels: int,
    ) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(in_channels, conv2d_1_out_channels, kernel_size=1)
        self.relu_1 = nn.ReLU()
        self.conv2d_2 = nn.Conv2d(in_channels, conv2d_2_out_channels, kernel_size=1)
        self.relu_2 = nn.ReLU()
        self.conv2d_3 = nn.Conv2d(
            conv2d_2_out_channels,
            conv2d_3_out_channels,
            kernel_size=3,
            padding=1,
        )
        self.relu_3 = nn.ReLU()
        self.conv2d_4 = nn.Conv2d(in_channels, conv2d_4_out_channels, kernel_size=1)
        self.relu_4 = nn.ReLU()
        self.conv2d_5 = nn.Conv2d(
            conv2d_4_out_channels,
            conv2d_5_out_channels,
            kernel_size=5,
            padding=2,
        )
        self.relu_5 = nn.ReLU()
        self.maxpool2d_1 = nn.MaxPool2d(3, stride=1, padding=1)
        self.conv2d_6 = nn.Conv2d(in_channels, conv2d_6_out_channels, kernel_size=1)
        self.relu_6 = nn.ReLU()
        initialize(self.conv2d_1, nn.init.kaiming_normal_, nonlinearity="relu")
        initialize(self.conv2d_2, nn.init.kaiming_normal_, nonlinearity="relu")
        initialize(self.conv2d_3, nn.init.kaiming_normal_, nonlinearity="relu")
        initialize(self.conv2d_4, nn.init.kaiming_normal_, nonlinearity="relu")
        initialize(self.conv2d_5, nn.init.kaiming_normal_, nonlinearity="relu")
        initialize(self.conv2d_6, nn.init.kaiming_normal_, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, in_channels, H, W)
        y = self.conv2d_1(x)  # (N, conv2d_1_out_channels, H, W)
        y = self.relu_1(y)  # (N, conv2d_1_out_channels, H, W)
        z = self.conv2d_2(x)  # (N, conv2d_2_out_channels, H, W)
        z = self.relu_2(z)  # (N, conv2d_2_out_channels, H, W)
        z = self.conv2d_3(z)  # (N, conv2d_3_out_channels, H, W)
        z = self.relu_3(z)  # (N, conv2d_3_out_channels, H, W)
        u = self.conv2d_4(x)  # (N, conv2d_4_out_channels, H, W)
        u = self.relu_4(u)  # (N, conv2d_4_out_channels, H, W)
        u = self.conv2d_5(u)  # (N, conv2d_5_out_channels, H, W)
        u = self.relu_5(u)  # (N, conv2d_5_out_channels, H, W)
        x = self.maxpool2d_1(x)  # (N, in_channels, H, W)
        x = self.conv2d_6(x)  # (N, conv2d_6_out_channels, H, W)
        x = self.relu_6(x)  # (N, conv2d_6_out_channels, H, W)
        x = torch.cat([y, z, u, x], dim=1)  # (N, C, H, W)
        return x


class InceptionForSmallImages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(1, 16, kernel_size=3, padding="same")
        self.relu_1 = nn.ReLU()
        self.maxpool2d_1 = nn.MaxPool2d(2)
        self.inception_1 = Inception(
            in_channels=16,
            conv2d_1_out_channels=16,
            conv2d_2_out_channels=16,
            conv2d_3_out_channels=24,
            conv2d_4_out_channels=4,
            conv2d_5_out_channels=8,
            conv2d_6_out_channels=8,
        )
        self.inception_2 = Inception(
            in_channels=56,
            conv2d_1_out_channels=32,
            conv2d_2_out_channels=24,
            conv2d_3_out_channels=48,
            conv2d_4_out_channels=8,
            conv2d_5_out_channels=16,
            conv2d_6_out_channels=16,
        )
        self.maxpool2d_2 = nn.MaxPool2d(2)
        self.inception_3 = Inception(
            in_channels=112,
            conv2d_1_out_channels=48,
            conv2d_2_out_channels=32,
            conv2d_3_out_channels=64,
            conv2d_4_out_channels=8,
            conv2d_5_out_channels=16,
            conv2d_6_out_channels=16,
        )
        # Global mean
        self.adaptiveavgpool2d_1 = nn.AdaptiveAvgPool2d(1)
        self.flatten_1 = nn.Flatten()
        self.dropout_1 = nn.Dropout(0.5)
        self.linear_1 = nn.Linear(144, 10)
        initialize(self.conv2d_1, nn.init.kaiming_normal_, nonlinearity="relu")
        initialize(self.linear_1, nn.init.kaiming_normal_, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 1, 28, 28)
        x = self.conv2d_1(x)  # (N, 16, 28, 28)
        x = self.relu_1(x)  # (N, 16, 28, 28)
        x = self.maxpool2d_1(x)  # (N, 16, 14, 14)
        x = self.inception_1(x)  # (N, 56, 14, 14)
        x = self.inception_2(x)  # (N, 112, 14, 14)
        x = self.maxpool2d_2(x)  # (N, 112, 7, 7)
        x = self.inception_3(x)  # (N, 144, 7, 7)
        x = self.adaptiveavgpool2d_1(x)  # (N, 144, 1, 1)
        x = self.flatten_1(x)  # (N, 144)
        x = self.dropout_1(x)  # (N, 144)
        x = self.linear_1(x)  # (N, 10)
        return x


if __name__ == "__main__":
    net = InceptionForSmallImages().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1, 28, 28))
    print(tuple(outputs.shape))
