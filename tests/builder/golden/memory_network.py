"""Memory network: a network drawn in Layerloom."""

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


class MemoryNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        # Words
        self.embedding_1 = nn.Embedding(19, 32)
        # Sentences of five words
        self.unflatten_1 = nn.Unflatten(1, (4, 5))
        # Which came first
        self.learnedpositions_1 = LearnedPositions(4, 32)
        # Values
        self.linear_1 = nn.Linear(32, 32)
        # One sentence
        self.unflatten_2 = nn.Unflatten(1, (1, 3))
        # Where it looks
        self.softmax_1 = nn.Softmax(dim=-1)
        self.flatten_1 = nn.Flatten()
        # A score per place
        self.linear_2 = nn.Linear(32, 6)

    def forward(self, story: torch.Tensor, question: torch.Tensor) -> torch.Tensor:
        # story: (N, 20)
        # question: (N, 3)
        x: torch.Tensor = self.embedding_1(story)  # (N, 20, 32)
        x = self.unflatten_1(x)  # (N, 4, 5, 32)
        # One vector per sentence
        x = torch.mean(x, dim=2)  # (N, 4, 32)
        x = self.learnedpositions_1(x)  # (N, 4, 32)
        # Keys
        z = torch.permute(x, (0, 2, 1))  # (N, 32, 4)
        x = self.linear_1(x)  # (N, 4, 32)
        # The same words
        y = self.embedding_1(question)  # (N, 3, 32)
        y = self.unflatten_2(y)  # (N, 1, 3, 32)
        # Its vector
        y = torch.mean(y, dim=2)  # (N, 1, 32)
        # How well they fit
        z = y @ z  # (N, 1, 4)
        z = self.softmax_1(z)  # (N, 1, 4)
        # What it finds
        x = z @ x  # (N, 1, 32)
        # With the question
        x = x + y  # (N, 1, 32)
        x = self.flatten_1(x)  # (N, 32)
        x = self.linear_2(x)  # (N, 6)
        return x


if __name__ == "__main__":
    net = MemoryNetwork().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(
            torch.zeros(1, 20, dtype=torch.int64),
            torch.zeros(1, 3, dtype=torch.int64),
        )
    print(tuple(outputs.shape))
