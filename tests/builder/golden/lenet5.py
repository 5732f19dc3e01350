"""LeNet-5: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class LeNet5(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        # C1
        self.conv2d_1 = nn.Conv2d(1, 6, kernel_size=5, padding="same")
        self.tanh_1 = nn.Tanh()
        # S2
        self.avgpool2d_1 = nn.AvgPool2d(2)
        # C3
        self.conv2d_2 = nn.Conv2d(6, 16, kernel_size=5)
        self.tanh_2 = nn.Tanh()
        # S4
        self.avgpool2d_2 = nn.AvgPool2d(2)
        self.flatten_1 = nn.Flatten()
        # C5
        self.linear_1 = nn.Linear(400, 120)
        self.tanh_3 = nn.Tanh()
        # F6
        self.linear_2 = nn.Linear(120, 84)
        self.tanh_4 = nn.Tanh()
        self.linear_3 = nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 1, 28, 28)
        x = self.conv2d_1(x)  # (N, 6, 28, 28)
        x = self.tanh_1(x)  # (N, 6, 28, 28)
        x = self.avgpool2d_1(x)  # (N, 6, 14, 14)
        x = self.conv2d_2(x)  # (N, 16, 10, 10)
        x = self.tanh_2(x)  # (N, 16, 10, 10)
        x = self.avgpool2d_2(x)  # (N, 16, 5, 5)
        x = self.flatten_1(x)  # (N, 400)
        x = self.linear_1(x)  # (N, 120)
        x = self.tanh_3(x)  # (N, 120)
        x = self.linear_2(x)  # (N, 84)
        x = self.tanh_4(x)  # (N, 84)
        x = self.linear_3(x)  # (N, 10)
        return x


if __name__ == "__main__":
    net = LeNet5().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1, 28, 28))
    print(tuple(outputs.shape))
