"""1-D CNN for speech: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class Net1DCNNForSpeech(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1d_1 = nn.Conv1d(12, 32, kernel_size=5, padding="same")
        self.batchnorm1d_1 = nn.BatchNorm1d(32)
        self.relu_1 = nn.ReLU()
        self.maxpool1d_1 = nn.MaxPool1d(2)
        self.conv1d_2 = nn.Conv1d(32, 64, kernel_size=5, padding="same")
        self.batchnorm1d_2 = nn.BatchNorm1d(64)
        self.relu_2 = nn.ReLU()
        self.linear_1 = nn.Linear(64, 9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 29, 12)
        # Channel time
        x = torch.permute(x, (0, 2, 1))  # (N, 12, 29)
        x = self.conv1d_1(x)  # (N, 32, 29)
        x = self.batchnorm1d_1(x)  # (N, 32, 29)
        x = self.relu_1(x)  # (N, 32, 29)
        x = self.maxpool1d_1(x)  # (N, 32, 14)
        x = self.conv1d_2(x)  # (N, 64, 14)
        x = self.batchnorm1d_2(x)  # (N, 64, 14)
        x = self.relu_2(x)  # (N, 64, 14)
        # Largest over time
        x = torch.amax(x, dim=-1)  # (N, 64)
        x = self.linear_1(x)  # (N, 9)
        return x


if __name__ == "__main__":
    net = Net1DCNNForSpeech().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 29, 12))
    print(tuple(outputs.shape))
