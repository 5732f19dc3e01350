"""AlexNet for small images: a network drawn in Layerloom."""

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


class AlexNetForSmallImages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        # conv1
        self.conv2d_1 = nn.Conv2d(1, 16, kernel_size=5, padding=2)
        self.relu_1 = nn.ReLU()
        self.maxpool2d_1 = nn.MaxPool2d(3, stride=2)
        self.localresponsenorm_1 = nn.LocalResponseNorm(5)
        # conv2
        self.conv2d_2 = nn.Conv2d(16, 32, kernel_size=5, padding=2)
        self.relu_2 = nn.ReLU()
        self.maxpool2d_2 = nn.MaxPool2d(3, stride=2)
        self.localresponsenorm_2 = nn.LocalResponseNorm(5)
        # conv3
        self.conv2d_3 = nn.Conv2d(32, 48, kernel_size=3, padding=1)
        self.relu_3 = nn.ReLU()
        # conv4
        self.conv2d_4 = nn.Conv2d(48, 48, kernel_size=3, padding=1)
        self.relu_4 = nn.ReLU()
        # conv5
        self.conv2d_5 = nn.Conv2d(48, 32, kernel_size=3, padding=1)
        self.relu_5 = nn.ReLU()
        self.maxpool2d_3 = nn.MaxPool2d(3, stride=2)
        self.flatten_1 = nn.Flatten()
        self.dropout_1 = nn.Dropout(0.5)
        # fc6
        self.linear_1 = nn.Linear(128, 128)
        self.relu_6 = nn.ReLU()
        self.dropout_2 = nn.Dropout(0.5)
        # fc7
        self.linear_2 = nn.Linear(128, 128)
        self.relu_7 = nn.ReLU()
        # fc8
        self.linear_3 = nn.Linear(128, 10)
        initialize(self.conv2d_1, nn.init.kaiming_normal_, nonlinearity="relu")
        initialize(self.conv2d_2, nn.init.kaiming_normal_, nonlinearity="relu")
        initialize(self.conv2d_3, nn.init.kaiming_normal_, nonlinearity="relu")
        initialize(self.conv2d_4, nn.init.kaiming_normal_, nonlinearity="relu")
        initialize(self.conv2d_5, nn.init.kaiming_normal_, nonlinearity="relu")
        initialize(self.linear_1, nn.init.kaiming_normal_, nonlinearity="relu")
        initialize(self.linear_2, nn.init.kaiming_normal_, nonlinearity="relu")
        initialize(self.linear_3, nn.init.kaiming_normal_, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 1, 28, 28)
        x = self.conv2d_1(x)  # (N, 16, 28, 28)
        x = self.relu_1(x)  # (N, 16, 28, 28)
        x = self.maxpool2d_1(x)  # (N, 16, 13, 13)
        x = self.localresponsenorm_1(x)  # (N, 16, 13, 13)
        x = self.conv2d_2(x)  # (N, 32, 13, 13)
        x = self.relu_2(x)  # (N, 32, 13, 13)
        x = self.maxpool2d_2(x)  # (N, 32, 6, 6)
        x = self.localresponsenorm_2(x)  # (N, 32, 6, 6)
        x = self.conv2d_3(x)  # (N, 48, 6, 6)
        x = self.relu_3(x)  # (N, 48, 6, 6)
        x = self.conv2d_4(x)  # (N, 48, 6, 6)
        x = self.relu_4(x)  # (N, 48, 6, 6)
        x = self.conv2d_5(x)  # (N, 32, 6, 6)
        x = self.relu_5(x)  # (N, 32, 6, 6)
        x = self.maxpool2d_3(x)  # (N, 32, 2, 2)
        x = self.flatten_1(x)  # (N, 128)
        x = self.dropout_1(x)  # (N, 128)
        x = self.linear_1(x)  # (N, 128)
        x = self.relu_6(x)  # (N, 128)
        x = self.dropout_2(x)  # (N, 128)
        x = self.linear_2(x)  # (N, 128)
        x = self.relu_7(x)  # (N, 128)
        x = self.linear_3(x)  # (N, 10)
        return x


if __name__ == "__main__":
    net = AlexNetForSmallImages().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1, 28, 28))
    print(tuple(outputs.shape))
