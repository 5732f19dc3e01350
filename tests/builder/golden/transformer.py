"""Transformer classifier: a network drawn in Layerloom."""

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


class LearnedPositions(nn.Module):
    """Adds a learnt row to each step of x (N, time, feature) (Gehring et al. 2017)."""

    def __init__(self, time: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(time, features).normal_(std=0.02))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight


class ClassToken(nn.Module):
    """Puts a learnt step before x (N, time, feature) (Devlin et al. 2019)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, features).normal_(std=0.02))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.weight.expand(len(x), 1, -1), x], dim=1)


class EncoderBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layernorm_1 = nn.LayerNorm(32)
        # Self-attention
        self.multiheadattention_1 = nn.MultiheadAttention(
            32,
            4,
            dropout=0.1,
            batch_first=True,
        )
        self.dropout_1 = nn.Dropout(0.1)
        self.layernorm_2 = nn.LayerNorm(32)
        self.linear_1 = nn.Linear(32, 64)
        self.relu_1 = nn.ReLU()
        self.dropout_2 = nn.Dropout(0.1)
        self.linear_2 = nn.Linear(64, 32)
        self.dropout_3 = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 41, 32)
        y = self.layernorm_1(x)  # (N, 41, 32)
        y = self.multiheadattention_1(y, y, y, need_weights=False)[0]  # (N, 41, 32)
        y = self.dropout_1(y)  # (N, 41, 32)
        x = x + y  # (N, 41, 32)
        y = self.layernorm_2(x)  # (N, 41, 32)
        y = self.linear_1(y)  # (N, 41, 64)
        y = self.relu_1(y)  # (N, 41, 64)
        y = self.dropout_2(y)  # (N, 41, 64)
        y = self.linear_2(y)  # (N, 41, 32)
        y = self.dropout_3(y)  # (N, 41, 32)
        x = x + y  # (N, 41, 32)
        return x


class TransformerClassifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding_1 = nn.Embedding(2000, 32)
        self.classtoken_1 = ClassToken(32)
        self.learnedpositions_1 = LearnedPositions(41, 32)
        self.dropout_1 = nn.Dropout(0.3)
        self.transformer_encoder_1 = EncoderBlock()
        self.layernorm_1 = nn.LayerNorm(32)
        self.linear_1 = nn.Linear(32, 2)
        initialize(self.embedding_1, nn.init.xavier_uniform_)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 40)
        x = self.embedding_1(x)  # (N, 40, 32)
        x = self.classtoken_1(x)  # (N, 41, 32)
        x = self.learnedpositions_1(x)  # (N, 41, 32)
        x = self.dropout_1(x)  # (N, 41, 32)
        x = self.transformer_encoder_1(x)  # (N, 41, 32)
        x = self.layernorm_1(x)  # (N, 41, 32)
        # Class token
        x = x[:, 0]  # (N, 32)
        x = self.linear_1(x)  # (N, 2)
        return x


if __name__ == "__main__":
    net = TransformerClassifier().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 40, dtype=torch.int64))
    print(tuple(outputs.shape))
