"""Variational autoencoder: a network drawn in Layerloom."""

from pathlib import Path

import torch
from torch import nn


class GaussianSampling(nn.Module):
    """Draws from N(mean, exp(log_variance)) while training (Kingma & Welling 2014)."""

    def forward(self, mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return mean
        return mean + torch.exp(log_variance / 2) * torch.randn_like(mean)


class VariationalAutoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.flatten_1 = nn.Flatten()
        self.linear_1 = nn.Linear(784, 256)
        self.relu_1 = nn.ReLU()
        # Mean
        self.linear_2 = nn.Linear(256, 8)
        # Log-variance
        self.linear_3 = nn.Linear(256, 8)
        # A draw
        self.gaussiansampling_1 = GaussianSampling()
        self.linear_4 = nn.Linear(8, 256)
        self.relu_2 = nn.ReLU()
        self.linear_5 = nn.Linear(256, 784)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        # x: (N, 1, 28, 28)
        x = self.flatten_1(x)  # (N, 784)
        x = self.linear_1(x)  # (N, 256)
        x = self.relu_1(x)  # (N, 256)
        y = self.linear_2(x)  # (N, 8)
        x = self.linear_3(x)  # (N, 8)
        z = self.gaussiansampling_1(y, x)  # (N, 8)
        z = self.linear_4(z)  # (N, 256)
        z = self.relu_2(z)  # (N, 256)
        z = self.linear_5(z)  # (N, 784)
        z = torch.reshape(z, (-1, 1, 28, 28))  # (N, 1, 28, 28)
        x = torch.cat([y, x], dim=1)  # (N, 16)
        return z, x


if __name__ == "__main__":
    net = VariationalAutoencoder().eval()
    weights = Path(__file__).with_name("weights.safetensors")
    if weights.exists():
        from safetensors.torch import load_file

        net.load_state_dict(load_file(weights))
    with torch.no_grad():
        outputs = net(torch.zeros(1, 1, 28, 28))
    print([tuple(output.shape) for output in outputs])
