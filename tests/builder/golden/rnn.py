"""RNN: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class RNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn_1 = nn.RNN(8, 64, batch_first=True)
        self.linear_1 = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 8, 8)
        x = self.rnn_1(x)[0][:, -1]  # (N, 64)
        x = self.linear_1(x)  # (N, 10)
        return x


if __name__ == "__main__":
    net = RNN().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 8, 8))
    print(tuple(outputs.shape))
