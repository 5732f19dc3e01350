"""PyTorch as in the reference, but for attention: that of a sequence to itself goes without the copies that
``nn.MultiheadAttention`` makes to put time before the examples and queries, keys and values apart.

The forward pass is the same to the bit; gradients are summed in another order. Measured on the transformer of
benchmarks/peers.py: 1.03 to 1.08 times as fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import Tensor, nn

from engine.lanes.eager import Eager
from engine.lanes.lane import Lane
from engine.report import Tap

if TYPE_CHECKING:
    from engine.loop import Training

REASON = "Attention takes a shorter way here."


class Lean(Eager):
    name = "lean"

    def __init__(self, training: Training, reason: str, better: Callable[[], Lane | None] | None = None) -> None:
        super().__init__(training, f"{reason} {REASON}", better)
        self.attentions = attentions(training.model)

    def train(self, count: int, tap: Tap | None) -> None:
        with shortened(self.attentions):
            super().train(count, tap)


def attentions(model: nn.Module) -> list[nn.MultiheadAttention]:
    """Those that can take the shorter way: none with dropout, which torch draws in an order of its own."""
    found = [m for m in model.modules() if type(m) is nn.MultiheadAttention]
    return [m for m in found if m.batch_first and m.in_proj_weight is not None and m.bias_k is None and not m.dropout]


@contextmanager
def shortened(modules: Sequence[nn.MultiheadAttention]) -> Iterator[None]:
    """Within, ``modules`` take the shorter way; after, they are as torch made them."""
    for module in modules:
        module.forward = partial(attend, module)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in modules:
            del module.forward


def attend(module: nn.MultiheadAttention, query: Tensor, key: Tensor, value: Tensor, **how: Any) -> tuple[Tensor, Any]:
    """softmax(q·kᵀ/√d)·v per head (Vaswani et al. 2017), of query (N, time, feature) to itself. Whatever else is asked
    for (weights, masks that are not causal, dropout, another sequence) torch does."""
    causal = bool(how.get("is_causal"))
    plain = how.get("key_padding_mask") is None and (causal or how.get("attn_mask") is None)
    dropping = module.training and module.dropout > 0
    if not (query is key is value) or how.get("need_weights", True) or not plain or dropping:
        torch_way: tuple[Tensor, Any] = nn.MultiheadAttention.forward(module, query, key, value, **how)
        return torch_way
    n, time, features = query.shape
    mixed = F.linear(query, module.in_proj_weight, module.in_proj_bias)
    q, k, v = mixed.view(n, time, 3, module.num_heads, -1).permute(2, 0, 3, 1, 4)
    looks = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    joined = looks.transpose(1, 2).reshape(n, time, features)
    return F.linear(joined, module.out_proj.weight, module.out_proj.bias), None
