"""Where attention layers look: how much of each step every other step takes, head by head."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

CROSS, SELF = "multihead_attn", "self_attn"  # inside torch's transformer layers; of two the one to the memory is shown

Array = NDArray[np.floating]
MOST = (8, 64, 64)  # heads, queries and keys that are handed on


@dataclass(frozen=True)
class Call:
    """What an attention layer was given for the first example of a batch."""

    layer: nn.MultiheadAttention
    inputs: tuple[Tensor, ...]
    options: Mapping[str, Any]

    def looks(self) -> Array:
        """(head, query, key): each row sums to 1. Computed again, without dropout; nothing else is touched."""
        training = self.layer.training
        self.layer.eval()
        try:
            with torch.no_grad():
                options = {**self.options, "need_weights": True, "average_attn_weights": False}
                looks: Array = self.layer(*self.inputs, **options)[1][0].float().cpu().numpy()
        finally:
            self.layer.train(training)
        return looks


def attention_of(layer: nn.Module) -> nn.MultiheadAttention | None:
    """The attention that ``layer`` is, or has inside."""
    found = (layer, getattr(layer, CROSS, None), getattr(layer, SELF, None))
    return next((m for m in found if isinstance(m, nn.MultiheadAttention)), None)


@contextmanager
def watched(layers: Mapping[str, nn.Module]) -> Iterator[dict[str, Call]]:
    """Within, a forward pass fills the dict with the calls of the attention layers among ``layers``, by their key.

    Only ``detach`` is done to what passes, so the numbers of the pass stay as they are to the bit.
    """
    calls: dict[str, Call] = {}
    attentions = {key: attention for key, layer in layers.items() if (attention := attention_of(layer))}
    hooks = [m.register_forward_pre_hook(partial(_note, calls, key), with_kwargs=True) for key, m in attentions.items()]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _note(calls: dict[str, Call], key: str, layer: nn.Module, inputs: Any, options: Any) -> None:
    assert isinstance(layer, nn.MultiheadAttention)
    calls.setdefault(key, Call(layer, tuple(x[:1].detach() for x in inputs), options))


def packed(looks: Array) -> dict[str, Any]:
    """``looks`` (head, query, key) for the page: ``shape``, the largest value ``most``, and ``shares`` of it as base64
    of uint8. Of many heads the first are taken, and of long sequences steps at even distances."""
    places = (
        np.linspace(0, n - 1, min(n, most)).round().astype(int) for n, most in zip(looks.shape, MOST, strict=True)
    )
    _, queries, keys = places
    kept = looks[: MOST[0]][:, queries][:, :, keys]
    most = float(kept.max(initial=0.0)) or 1.0
    shares = np.round(255 * np.clip(kept / most, 0, 1)).astype(np.uint8)
    return {"shape": list(kept.shape), "most": most, "shares": base64.b64encode(shares.tobytes()).decode("ascii")}
