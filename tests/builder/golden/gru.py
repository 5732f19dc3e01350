"""GRU that adds: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class GRUThatAdds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru_1 = nn.GRU(2, 32, batch_first=True)
        self.linear_1 = nn.Linear(32, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 30, 2)
        x = self.gru_1(x)[0][:, -1]  # (N, 32)
        x = self.linear_1(x)  # (N, 1)
        return x


if __name__ == "__main__":
    net = GRUThatAdds().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 30, 2))
    print(tuple(outputs.shape))
