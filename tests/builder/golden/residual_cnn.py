"""Small residual CNN: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class SmallResidualCNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1 = nn.Conv2d(1, 16, kernel_size=3, padding="same")
        self.batchnorm2d_1 = nn.BatchNorm2d(16)
        self.relu_1 = nn.ReLU()
        self.maxpool2d_1 = nn.MaxPool2d(2)
        self.conv2d_2 = nn.Conv2d(16, 16, kernel_size=3, padding="same")
        self.batchnorm2d_2 = nn.BatchNorm2d(16)
        self.relu_2 = nn.ReLU()
        self.conv2d_3 = nn.Conv2d(16, 16, kernel_size=3, padding="same")
        self.batchnorm2d_3 = nn.BatchNorm2d(16)
        self.relu_3 = nn.ReLU()
        self.maxpool2d_2 = nn.MaxPool2d(2)
        self.conv2d_4 = nn.Conv2d(16, 16, kernel_size=3, padding="same")
        self.batchnorm2d_4 = nn.BatchNorm2d(16)
        self.relu_4 = nn.ReLU()
        self.conv2d_5 = nn.Conv2d(16, 16, kernel_size=3, padding="same")
        self.batchnorm2d_5 = nn.BatchNorm2d(16)
        self.relu_5 = nn.ReLU()
        self.adaptiveavgpool2d_1 = nn.AdaptiveAvgPool2d(1)
        self.flatten_1 = nn.Flatten()
        self.linear_1 = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 1, 28, 28)
        x = self.conv2d_1(x)  # (N, 16, 28, 28)
        x = self.batchnorm2d_1(x)  # (N, 16, 28, 28)
        x = self.relu_1(x)  # (N, 16, 28, 28)
        x = self.maxpool2d_1(x)  # (N, 16, 14, 14)
        y = self.conv2d_2(x)  # (N, 16, 14, 14)
        y = self.batchnorm2d_2(y)  # (N, 16, 14, 14)
        y = self.relu_2(y)  # (N, 16, 14, 14)
        y = self.conv2d_3(y)  # (N, 16, 14, 14)
        y = self.batchnorm2d_3(y)  # (N, 16, 14, 14)
        x = y + x  # (N, 16, 14, 14)
        x = self.relu_3(x)  # (N, 16, 14, 14)
        x = self.maxpool2d_2(x)  # (N, 16, 7, 7)
        y = self.conv2d_4(x)  # (N, 16, 7, 7)
        y = self.batchnorm2d_4(y)  # (N, 16, 7, 7)
        y = self.relu_4(y)  # (N, 16, 7, 7)
        y = self.conv2d_5(y)  # (N, 16, 7, 7)
        y = self.batchnorm2d_5(y)  # (N, 16, 7, 7)
        x = y + x  # (N, 16, 7, 7)
        x = self.relu_5(x)  # (N, 16, 7, 7)
        x = self.adaptiveavgpool2d_1(x)  # (N, 16, 1, 1)
        x = self.flatten_1(x)  # (N, 16)
        x = self.linear_1(x)  # (N, 10)
        return x


if __name__ == "__main__":
    net = SmallResidualCNN().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1, 28, 28))
    print(tuple(outputs.shape))
