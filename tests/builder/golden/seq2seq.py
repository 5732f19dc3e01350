"""Encoder-decoder with attention: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class EncoderDecoderWithAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding_1 = nn.Embedding(43, 32)
        # Encoder
        self.gru_1 = nn.GRU(32, 32, batch_first=True, bidirectional=True)
        self.embedding_2 = nn.Embedding(14, 32)
        # Decoder
        self.gru_2 = nn.GRU(32, 64, batch_first=True)
        # Where it looks
        self.softmax_1 = nn.Softmax(dim=-1)
        self.linear_1 = nn.Linear(128, 64)
        self.tanh_1 = nn.Tanh()
        # A score per character
        self.linear_2 = nn.Linear(64, 14)

    def forward(self, source: torch.Tensor, so_far: torch.Tensor) -> torch.Tensor:
        # source: (N, 35)
        # so_far: (N, 11)
        x: torch.Tensor = self.embedding_1(source)  # (N, 35, 32)
        x = self.gru_1(x)[0]  # (N, 35, 64)
        # Keys
        z = torch.permute(x, (0, 2, 1))  # (N, 64, 35)
        y = self.embedding_2(so_far)  # (N, 11, 32)
        y = self.gru_2(y)[0]  # (N, 11, 64)
        # How well they fit
        z = y @ z  # (N, 11, 35)
        z = self.softmax_1(z)  # (N, 11, 35)
        # What it sees
        x = z @ x  # (N, 11, 64)
        x = torch.cat([x, y], dim=2)  # (N, 11, 128)
        x = self.linear_1(x)  # (N, 11, 64)
        x = self.tanh_1(x)  # (N, 11, 64)
        x = self.linear_2(x)  # (N, 11, 14)
        return x


if __name__ == "__main__":
    net = EncoderDecoderWithAttention().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(
            torch.zeros(1, 35, dtype=torch.int64),
            torch.zeros(1, 11, dtype=torch.int64),
        )
    print(tuple(outputs.shape))
