"""Regularizers that act during training. Each takes the knobs as they are now; strength 0 changes nothing.

Order within a step: noise on the inputs; after the backward pass the penalties, which join the gradient; then
clipping by value and by norm, of data and penalty gradient together; then decay, apart from the gradient.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from engine.flat import FlatParameters

Knobs = Mapping[str, float]


def noisy(x: Tensor, knobs: Knobs) -> Tensor:
    """x + σ·n with n standard normal (Bishop 1995). Class numbers and tokens are left alone."""
    sigma = knobs["input_noise"]
    return x + sigma * torch.randn_like(x) if sigma > 0 and x.is_floating_point() else x


def penalize(flat: FlatParameters, knobs: Knobs) -> None:
    """Adds ∂/∂w of l1·Σ|w| + l2/2·Σw² to the gradient of the weights; the elastic net is a mix of both."""
    l1, l2 = strengths(knobs)
    weights, gradient = flat.weights[: flat.decayed], flat.gradient[: flat.decayed]
    if l1 > 0:
        gradient.add_(weights.sign(), alpha=l1)
    if l2 > 0:
        gradient.add_(weights, alpha=l2)


def strengths(knobs: Knobs) -> tuple[float, float]:
    """l1 and l2, with the elastic net's part in each."""
    mix = knobs["elastic_mix"]
    return knobs["l1"] + knobs["elastic"] * mix, knobs["l2"] + knobs["elastic"] * (1 - mix)


def clip(gradient: Tensor, knobs: Knobs) -> None:
    """Cuts entries to ±v, then scales the whole gradient to length c if it is longer (Pascanu et al. 2013)."""
    if knobs["clip_value"] > 0:
        gradient.clamp_(-knobs["clip_value"], knobs["clip_value"])
    if knobs["clip_norm"] > 0:
        length = float(torch.linalg.vector_norm(gradient))
        if length > knobs["clip_norm"]:
            gradient.mul_(knobs["clip_norm"] / (length + 1e-6))


def decay(flat: FlatParameters, lr: float, knobs: Knobs) -> None:
    """w ← w·(1 − η·wd), weights only (Loshchilov & Hutter 2019)."""
    if knobs["weight_decay"] > 0:
        flat.weights[: flat.decayed].mul_(1 - lr * knobs["weight_decay"])


def set_dropout(model: nn.Module, attribute: str, share: float) -> None:
    """Sets the share that a layer of kind "dropout" drops, from the next batch on."""
    layer = model.get_submodule(attribute)
    assert isinstance(layer.p, float)
    layer.p = share  # type: ignore[assignment]
