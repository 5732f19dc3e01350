"""Denoising autoencoder: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class DenoisingAutoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(1, 8, kernel_size=3, padding="same")
        self.relu_1 = nn.ReLU()
        self.maxpool2d_1 = nn.MaxPool2d(2)
        self.conv2d_2 = nn.Conv2d(8, 16, kernel_size=3, padding="same")
        self.relu_2 = nn.ReLU()
        self.upsample_1 = nn.Upsample(scale_factor=2)
        self.conv2d_3 = nn.Conv2d(16, 8, kernel_size=3, padding="same")
        self.relu_3 = nn.ReLU()
        self.conv2d_4 = nn.Conv2d(8, 1, kernel_size=3, padding="same")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 1, 28, 28)
        x = self.conv2d_1(x)  # (N, 8, 28, 28)
        x = self.relu_1(x)  # (N, 8, 28, 28)
        x = self.maxpool2d_1(x)  # (N, 8, 14, 14)
        x = self.conv2d_2(x)  # (N, 16, 14, 14)
        x = self.relu_2(x)  # (N, 16, 14, 14)
        x = self.upsample_1(x)  # (N, 16, 28, 28)
        x = self.conv2d_3(x)  # (N, 8, 28, 28)
        x = self.relu_3(x)  # (N, 8, 28, 28)
        x = self.conv2d_4(x)  # (N, 1, 28, 28)
        return x


if __name__ == "__main__":
    net = DenoisingAutoencoder().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1, 28, 28))
    print(tuple(outputs.shape))
