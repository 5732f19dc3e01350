"""Bidirectional GRU: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class BidirectionalGRU(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding_1 = nn.Embedding(27, 16)
        # Both directions
        self.gru_1 = nn.GRU(16, 32, batch_first=True, bidirectional=True)
        self.dropout_1 = nn.Dropout(0.3)
        self.linear_1 = nn.Linear(64, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 11)
        x = self.embedding_1(x)  # (N, 11, 16)
        x = torch.cat(torch.unbind(self.gru_1(x)[1][-2:]), dim=1)  # (N, 64)
        x = self.dropout_1(x)  # (N, 64)
        x = self.linear_1(x)  # (N, 2)
        return x


if __name__ == "__main__":
    net = BidirectionalGRU().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 11, dtype=torch.int64))
    print(tuple(outputs.shape))
