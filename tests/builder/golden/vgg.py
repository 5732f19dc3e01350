"""VGG for small images: a network drawn in Layerloom."""

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


class Convolution(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size=3,
            padding="same",
        )
        self.relu_1 = nn.ReLU()
        initialize(self.conv2d_1, nn.init.kaiming_normal_, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, in_channels, H, W)
        x = self.conv2d_1(x)  # (N, out_channels, H, W)
        x = self.relu_1(x)  # (N, out_channels, H, W)
        return x


class VGGForSmallImages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block_1 = nn.Sequential(Convolution(1, 8), Convolution(8, 8))
        self.maxpool2d_1 = nn.MaxPool2d(2)
        self.block_2 = nn.Sequential(Convolution(8, 16), Convolution(16, 16))
        self.maxpool2d_2 = nn.MaxPool2d(2)
        self.block_3 = nn.Sequential(
            Convolution(16, 32),
            *(Convolution(32, 32) for _ in range(2)),
        )
        self.maxpool2d_3 = nn.MaxPool2d(2)
        self.flatten_1 = nn.Flatten()
        self.linear_1 = nn.Linear(288, 64)
        self.relu_1 = nn.ReLU()
        self.dropout_1 = nn.Dropout(0.5)
        self.linear_2 = nn.Linear(64, 10)
        initialize(self.linear_1, nn.init.kaiming_normal_, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 1, 28, 28)
        x = self.block_1(x)  # (N, 8, 28, 28)
        x = self.maxpool2d_1(x)  # (N, 8, 14, 14)
        x = self.block_2(x)  # (N, 16, 14, 14)
        x = self.maxpool2d_2(x)  # (N, 16, 7, 7)
        x = self.block_3(x)  # (N, 32, 7, 7)
        x = self.maxpool2d_3(x)  # (N, 32, 3, 3)
        x = self.flatten_1(x)  # (N, 288)
        x = self.linear_1(x)  # (N, 64)
        x = self.relu_1(x)  # (N, 64)
        x = self.dropout_1(x)  # (N, 64)
        x = self.linear_2(x)  # (N, 10)
        return x


if __name__ == "__main__":
    net = VGGForSmallImages().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1, 28, 28))
    print(tuple(outputs.shape))
