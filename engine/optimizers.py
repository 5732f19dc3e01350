"""Optimizers on one flat vector of weights: each rule is a few in-place vector operations, as its paper writes it.

torch.optim has the same rules, but its first use costs 1.8 s of imports, and it walks over a list of tensors
each step. tests/engine/test_optimizers.py holds them equal to 1e-6.
Weight decay is not here: it is decoupled from the rule for every optimizer (see regularizers.py).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor


class Optimizer:
    """Base: ``state`` are vectors like ``weights`` (P,), ``numbers`` are scalars; both go into a checkpoint."""

    buffers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights
        self.state = {name: torch.zeros_like(weights) for name in self.buffers}
        self.numbers: dict[str, float] = {}

    def step(self, gradient: Tensor, lr: float, momentum: float) -> None:
        """Moves ``weights`` in place. May overwrite nothing but ``weights`` and its own state."""
        raise NotImplementedError


class SGD(Optimizer):
    """w ← w − η·g (Robbins & Monro 1951)."""

    def step(self, gradient: Tensor, lr: float, momentum: float) -> None:
        self.weights.add_(gradient, alpha=-lr)


class Momentum(Optimizer):
    """b ← μ·b + g; w ← w − η·b (Polyak 1964, in the form of Sutskever et al. 2013)."""

    buffers = ("momentum",)

    def step(self, gradient: Tensor, lr: float, momentum: float) -> None:
        buffer = self.state["momentum"].mul_(momentum).add_(gradient)
        self.weights.add_(buffer, alpha=-lr)


class Nesterov(Optimizer):
    """b ← μ·b + g; w ← w − η·(g + μ·b) (Nesterov 1983, in the form of Sutskever et al. 2013)."""

    buffers = ("momentum",)

    def step(self, gradient: Tensor, lr: float, momentum: float) -> None:
        buffer = self.state["momentum"].mul_(momentum).add_(gradient)
        self.weights.add_(gradient.add(buffer, alpha=momentum), alpha=-lr)  # in the order of torch, to the last bit


class RMSprop(Optimizer):
    """v ← α·v + (1−α)·g²; b ← μ·b + g/(√v + ε); w ← w − η·b (Tieleman & Hinton 2012)."""

    buffers = ("square", "momentum")
    alpha, eps = 0.99, 1e-8

    def step(self, gradient: Tensor, lr: float, momentum: float) -> None:
        square = self.state["square"].mul_(self.alpha).addcmul_(gradient, gradient, value=1 - self.alpha)
        buffer = self.state["momentum"].mul_(momentum).addcdiv_(gradient, square.sqrt().add_(self.eps))
        self.weights.add_(buffer, alpha=-lr)


class Adagrad(Optimizer):
    """s ← s + g²; w ← w − η·g/(√s + ε) (Duchi et al. 2011)."""

    buffers = ("square",)
    eps = 1e-10

    def step(self, gradient: Tensor, lr: float, momentum: float) -> None:
        square = self.state["square"].addcmul_(gradient, gradient)
        self.weights.addcdiv_(gradient, square.sqrt().add_(self.eps), value=-lr)


class Adam(Optimizer):
    """m ← β₁·m + (1−β₁)·g; v ← β₂·v + (1−β₂)·g²; w ← w − η·m̂/(√v̂ + ε) (Kingma & Ba 2015).

    m̂ = m/(1 − ∏β₁) and v̂ = v/(1 − ∏β₂) take the zeros at the start out. β₁ is the momentum knob, and the
    products are kept as products, so that the correction stays right when the knob is turned.
    """

    buffers = ("mean", "square")
    beta2, eps = 0.999, 1e-8

    def __init__(self, weights: Tensor) -> None:
        super().__init__(weights)
        self.numbers = {"product1": 1.0, "product2": 1.0}
        self.scratch = torch.empty_like(weights)

    def step(self, gradient: Tensor, lr: float, momentum: float) -> None:
        numbers = self.numbers
        numbers["product1"] *= momentum
        numbers["product2"] *= self.beta2
        mean = self.state["mean"].lerp_(gradient, 1 - momentum)
        square = self.state["square"].mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        root = torch.sqrt(square, out=self.scratch).div_((1 - numbers["product2"]) ** 0.5).add_(self.eps)
        self.weights.addcdiv_(mean, root, value=-lr / (1 - numbers["product1"]))


class AdamW(Adam):
    """Adam whose weight decay knob starts at 0.01 (Loshchilov & Hutter 2019): see knobs.OF_OPTIMIZER."""


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adam": Adam,
    "adamw": AdamW,
}
ADAPTIVE = ("rmsprop", "adagrad", "adam", "adamw")  # whose steps do not depend on how long gradients are
