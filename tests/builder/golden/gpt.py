"""Small GPT: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class LearnedPositions(nn.Module):
    """Adds a learnt row to each step of x (N, time, feature) (Gehring et al. 2017)."""

    def __init__(self, time: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(time, features).normal_(std=0.02))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight


def causal_mask(x: torch.Tensor) -> torch.Tensor:
    """(time, time) for x (N, time, feature): True where a step may not look ahead."""
    time = x.shape[1]
    return torch.ones(time, time, dtype=torch.bool, device=x.device).triu(1)


class CausalBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layernorm_1 = nn.LayerNorm(64)
        # Self-attention
        self.multiheadattention_1 = nn.MultiheadAttention(
            64,
            4,
            dropout=0.1,
            batch_first=True,
        )
        self.dropout_1 = nn.Dropout(0.1)
        self.layernorm_2 = nn.LayerNorm(64)
        self.linear_1 = nn.Linear(64, 256)
        self.gelu_1 = nn.GELU()
        self.dropout_2 = nn.Dropout(0.1)
        self.linear_2 = nn.Linear(256, 64)
        self.dropout_3 = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 64, 64)
        y = self.layernorm_1(x)  # (N, 64, 64)
        # (N, 64, 64)
        y = self.multiheadattention_1(
            y,
            y,
            y,
            need_weights=False,
            attn_mask=causal_mask(y),
            is_causal=True,
        )[0]
        y = self.dropout_1(y)  # (N, 64, 64)
        x = x + y  # (N, 64, 64)
        y = self.layernorm_2(x)  # (N, 64, 64)
        y = self.linear_1(y)  # (N, 64, 256)
        y = self.gelu_1(y)  # (N, 64, 256)
        y = self.dropout_2(y)  # (N, 64, 256)
        y = self.linear_2(y)  # (N, 64, 64)
        y = self.dropout_3(y)  # (N, 64, 64)
        x = x + y  # (N, 64, 64)
        return x


class SmallGPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding_1 = nn.Embedding(73, 64)
        self.learnedpositions_1 = LearnedPositions(64, 64)
        self.transformer_encoder_1 = nn.Sequential(*(CausalBlock() for _ in range(2)))
        self.layernorm_1 = nn.LayerNorm(64)
        self.linear_1 = nn.Linear(64, 73)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 64)
        x = self.embedding_1(x)  # (N, 64, 64)
        x = self.learnedpositions_1(x)  # (N, 64, 64)
        x = self.transformer_encoder_1(x)  # (N, 64, 64)
        x = self.layernorm_1(x)  # (N, 64, 64)
        x = self.linear_1(x)  # (N, 64, 73)
        return x


if __name__ == "__main__":
    net = SmallGPT().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 64, dtype=torch.int64))
    print(tuple(outputs.shape))
