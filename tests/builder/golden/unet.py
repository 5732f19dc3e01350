"""U-Net: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class UNetLevel2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(16, 32, kernel_size=3, padding=1, bias=False)
        self.batchnorm2d_1 = nn.BatchNorm2d(32)
        self.relu_1 = nn.ReLU()
        self.conv2d_2 = nn.Conv2d(32, 32, kernel_size=3, padding=1, bias=False)
        self.batchnorm2d_2 = nn.BatchNorm2d(32)
        self.relu_2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 16, 8, 8)
        x = self.conv2d_1(x)  # (N, 32, 8, 8)
        x = self.batchnorm2d_1(x)  # (N, 32, 8, 8)
        x = self.relu_1(x)  # (N, 32, 8, 8)
        x = self.conv2d_2(x)  # (N, 32, 8, 8)
        x = self.batchnorm2d_2(x)  # (N, 32, 8, 8)
        x = self.relu_2(x)  # (N, 32, 8, 8)
        return x


class UNetLevel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(8, 16, kernel_size=3, padding=1, bias=False)
        self.batchnorm2d_1 = nn.BatchNorm2d(16)
        self.relu_1 = nn.ReLU()
        self.conv2d_2 = nn.Conv2d(16, 16, kernel_size=3, padding=1, bias=False)
        self.batchnorm2d_2 = nn.BatchNorm2d(16)
        self.relu_2 = nn.ReLU()
        self.maxpool2d_1 = nn.MaxPool2d(2)
        self.level_1 = UNetLevel2()
        self.convtranspose2d_1 = nn.ConvTranspose2d(32, 16, kernel_size=2, stride=2)
        self.conv2d_3 = nn.Conv2d(32, 16, kernel_size=3, padding=1, bias=False)
        self.batchnorm2d_3 = nn.BatchNorm2d(16)
        self.relu_3 = nn.ReLU()
        self.conv2d_4 = nn.Conv2d(16, 16, kernel_size=3, padding=1, bias=False)
        self.batchnorm2d_4 = nn.BatchNorm2d(16)
        self.relu_4 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 8, 16, 16)
        x = self.conv2d_1(x)  # (N, 16, 16, 16)
        x = self.batchnorm2d_1(x)  # (N, 16, 16, 16)
        x = self.relu_1(x)  # (N, 16, 16, 16)
        x = self.conv2d_2(x)  # (N, 16, 16, 16)
        x = self.batchnorm2d_2(x)  # (N, 16, 16, 16)
        x = self.relu_2(x)  # (N, 16, 16, 16)
        y = self.maxpool2d_1(x)  # (N, 16, 8, 8)
        y = self.level_1(y)  # (N, 32, 8, 8)
        y = self.convtranspose2d_1(y)  # (N, 16, 16, 16)
        x = torch.cat([x, y], dim=1)  # (N, 32, 16, 16)
        x = self.conv2d_3(x)  # (N, 16, 16, 16)
        x = self.batchnorm2d_3(x)  # (N, 16, 16, 16)
        x = self.relu_3(x)  # (N, 16, 16, 16)
        x = self.conv2d_4(x)  # (N, 16, 16, 16)
        x = self.batchnorm2d_4(x)  # (N, 16, 16, 16)
        x = self.relu_4(x)  # (N, 16, 16, 16)
        return x


class UNetBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(1, 8, kernel_size=3, padding=1, bias=False)
        self.batchnorm2d_1 = nn.BatchNorm2d(8)
        self.relu_1 = nn.ReLU()
        self.conv2d_2 = nn.Conv2d(8, 8, kernel_size=3, padding=1, bias=False)
        self.batchnorm2d_2 = nn.BatchNorm2d(8)
        self.relu_2 = nn.ReLU()
        self.maxpool2d_1 = nn.MaxPool2d(2)
        self.level_1 = UNetLevel()
        self.convtranspose2d_1 = nn.ConvTranspose2d(16, 8, kernel_size=2, stride=2)
        self.conv2d_3 = nn.Conv2d(16, 8, kernel_size=3, padding=1, bias=False)
        self.batchnorm2d_3 = nn.BatchNorm2d(8)
        self.relu_3 = nn.ReLU()
        self.conv2d_4 = nn.Conv2d(8, 8, kernel_size=3, padding=1, bias=False)
        self.batchnorm2d_4 = nn.BatchNorm2d(8)
        self.relu_4 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 1, 32, 32)
        x = self.conv2d_1(x)  # (N, 8, 32, 32)
        x = self.batchnorm2d_1(x)  # (N, 8, 32, 32)
        x = self.relu_1(x)  # (N, 8, 32, 32)
        x = self.conv2d_2(x)  # (N, 8, 32, 32)
        x = self.batchnorm2d_2(x)  # (N, 8, 32, 32)
        x = self.relu_2(x)  # (N, 8, 32, 32)
        y = self.maxpool2d_1(x)  # (N, 8, 16, 16)
        y = self.level_1(y)  # (N, 16, 16, 16)
        y = self.convtranspose2d_1(y)  # (N, 8, 32, 32)
        x = torch.cat([x, y], dim=1)  # (N, 16, 32, 32)
        x = self.conv2d_3(x)  # (N, 8, 32, 32)
        x = self.batchnorm2d_3(x)  # (N, 8, 32, 32)
        x = self.relu_3(x)  # (N, 8, 32, 32)
        x = self.conv2d_4(x)  # (N, 8, 32, 32)
        x = self.batchnorm2d_4(x)  # (N, 8, 32, 32)
        x = self.relu_4(x)  # (N, 8, 32, 32)
        return x


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.unet_level_1 = UNetBlock()
        # A score per class
        self.conv2d_1 = nn.Conv2d(8, 4, kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 1, 32, 32)
        x = self.unet_level_1(x)  # (N, 8, 32, 32)
        x = self.conv2d_1(x)  # (N, 4, 32, 32)
        return x


if __name__ == "__main__":
    net = UNet().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1, 32, 32))
    print(tuple(outputs.shape))
