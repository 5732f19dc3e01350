"""decoder: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


def causal_mask(x: torch.Tensor) -> torch.Tensor:
    """(time, time) for x (N, time, feature): True where a step may not look ahead."""
    time = x.shape[1]
    return torch.ones(time, time, dtype=torch.bool, device=x.device).triu(1)


class D(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layernorm_1 = nn.LayerNorm(16)
        # Self-attention
        self.multiheadattention_1 = nn.MultiheadAttention(
            16,
            4,
            dropout=0.1,
            batch_first=True,
        )
        self.dropout_1 = nn.Dropout(0.1)
        self.layernorm_2 = nn.LayerNorm(16)
        # Cross-attention
        self.multiheadattention_2 = nn.MultiheadAttention(
            16,
            4,
            dropout=0.1,
            batch_first=True,
        )
        self.dropout_2 = nn.Dropout(0.1)
        self.layernorm_3 = nn.LayerNorm(16)
        self.linear_1 = nn.Linear(16, 64)
        self.relu_1 = nn.ReLU()
        self.dropout_3 = nn.Dropout(0.1)
        self.linear_2 = nn.Linear(64, 16)
        self.dropout_4 = nn.Dropout(0.1)

    def forward(self, target: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        # target: (N, 9, 16)
        # memory: (N, 7, 16)
        z = self.layernorm_1(target)  # (N, 9, 16)
        # (N, 9, 16)
        z = self.multiheadattention_1(
            z,
            z,
            z,
            need_weights=False,
            attn_mask=causal_mask(z),
            is_causal=True,
        )[0]
        z = self.dropout_1(z)  # (N, 9, 16)
        x: torch.Tensor = target + z  # (N, 9, 16)
        z = self.layernorm_2(x)  # (N, 9, 16)
        # (N, 9, 16)
        y = self.multiheadattention_2(z, memory, memory, need_weights=False)[0]
        y = self.dropout_2(y)  # (N, 9, 16)
        x = x + y  # (N, 9, 16)
        y = self.layernorm_3(x)  # (N, 9, 16)
        y = self.linear_1(y)  # (N, 9, 64)
        y = self.relu_1(y)  # (N, 9, 64)
        y = self.dropout_3(y)  # (N, 9, 64)
        y = self.linear_2(y)  # (N, 9, 16)
        y = self.dropout_4(y)  # (N, 9, 16)
        x = x + y  # (N, 9, 16)
        return x


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.d = nn.ModuleList([D() for _ in range(2)])

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        # x: (N, 9, 16)
        # y: (N, 7, 16)
        for block in self.d:
            x = block(x, y)  # (N, 9, 16)
        return x


if __name__ == "__main__":
    net = Decoder().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 9, 16), torch.zeros(1, 7, 16))
    print(tuple(outputs.shape))
