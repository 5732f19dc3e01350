"""Deep sigmoid MLP (vanishing gradient): a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class DeepSigmoidMLPVanishingGradient(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(2, 16)
        self.sigmoid_1 = nn.Sigmoid()
        self.linear_2 = nn.Linear(16, 16)
        self.sigmoid_2 = nn.Sigmoid()
        self.linear_3 = nn.Linear(16, 16)
        self.sigmoid_3 = nn.Sigmoid()
        self.linear_4 = nn.Linear(16, 16)
        self.sigmoid_4 = nn.Sigmoid()
        self.linear_5 = nn.Linear(16, 16)
        self.sigmoid_5 = nn.Sigmoid()
        self.linear_6 = nn.Linear(16, 16)
        self.sigmoid_6 = nn.Sigmoid()
        self.linear_7 = nn.Linear(16, 16)
        self.sigmoid_7 = nn.Sigmoid()
        self.linear_8 = nn.Linear(16, 16)
        self.sigmoid_8 = nn.Sigmoid()
        self.linear_9 = nn.Linear(16, 16)
        self.sigmoid_9 = nn.Sigmoid()
        self.linear_10 = nn.Linear(16, 16)
        self.sigmoid_10 = nn.Sigmoid()
        self.linear_11 = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # x: (N, 2)
        x = self.linear_1(x)  # (N, 16)
        x = self.sigmoid_1(x)  # (N, 16)
        x = self.linear_2(x)  # (N, 16)
        x = self.sigmoid_2(x)  # (N, 16)
        x = self.linear_3(x)  # (N, 16)
        x = self.sigmoid_3(x)  # (N, 16)
        x = self.linear_4(x)  # (N, 16)
        x = self.sigmoid_4(x)  # (N, 16)
        x = self.linear_5(x)  # (N, 16)
        x = self.sigmoid_5(x)  # (N, 16)
        x = self.linear_6(x)  # (N, 16)
        x = self.sigmoid_6(x)  # (N, 16)
        x = self.linear_7(x)  # (N, 16)
        x = self.sigmoid_7(x)  # (N, 16)
        x = self.linear_8(x)  # (N, 16)
        x = self.sigmoid_8(x)  # (N, 16)
        x = self.linear_9(x)  # (N, 16)
        x = self.sigmoid_9(x)  # (N, 16)
        x = self.linear_10(x)  # (N, 16)
        x = self.sigmoid_10(x)  # (N, 16)
        x = self.linear_11(x)  # (N, 2)
        return x


if __name__ == "__main__":
    net = DeepSigmoidMLPVanishingGradient().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 2))
    print(tuple(outputs.shape))
