"""The blocks of the transformer, layer by layer, as torch's own layers compute them."""

from __future__ import annotations

from functools import partial
from typing import Any

from builder.blocks.sketch import Sketch
from builder.blocks.spec import BlockSpec
from builder.catalog.attention import ACTIVATION, CAUSAL, DECODER_CAUSAL, DROPOUT, FEEDFORWARD, HEADS, VASWANI
from builder.graph import Graph
from builder.spec import Param, Params, TensorSpec

FEATURES = Param(
    "features", "int", 32, 1, 100_000, label="Features", symbol="d", help="Numbers per step; as many as come in."
)
NORM_FIRST = Param(
    "norm_first", "bool", True, label="Normalise first", help="Pre-norm, as in GPT; off is post-norm, as in the paper."
)
MOST_HEADS = 4


class Stack:
    """Adds the parts of a transformer block: each normalised before or after, and summed with what came in."""

    def __init__(self, p: Params) -> None:
        self.p, self.s = p, Sketch()

    def attend(self, x: str, memory: str = "", label: str = "") -> str:
        """Attention of ``x`` to itself, or to ``memory``."""
        y = self.s.add("LayerNorm", x, row=1) if self.p["norm_first"] else x
        seen = memory or y
        looks = {"num_heads": self.p["num_heads"], "causal": bool(self.p["causal"] and not memory)}
        y = self.s.add("MultiheadAttention", y, seen, seen, row=1, label=label, dropout=self.p["dropout"], **looks)
        return self._join(x, y)

    def feed_forward(self, x: str) -> str:
        """Two Linear layers for each step by itself."""
        p = self.p
        y = self.s.add("LayerNorm", x, row=1) if p["norm_first"] else x
        y = self.s.add("Linear", y, row=1, out_features=p["dim_feedforward"])
        y = self.s.add({"relu": "ReLU", "gelu": "GELU"}[p["activation"]], y, row=1)
        y = self.s.add("Linear", self._dropped(y), row=1, out_features=p["features"])
        return self._join(x, y)

    def _join(self, x: str, y: str) -> str:
        total = self.s.add("Add", x, self._dropped(y))
        return total if self.p["norm_first"] else self.s.add("LayerNorm", total)

    def _dropped(self, y: str) -> str:
        return self.s.add("Dropout", y, row=1, p=self.p["dropout"]) if self.p["dropout"] else y


def encoder(p: Params) -> Graph:
    stack = Stack(p)
    x = stack.attend(stack.s.add("Input"), label="Self-attention")
    stack.s.add("Output", stack.feed_forward(x))
    return stack.s.graph


def decoder(p: Params) -> Graph:
    stack = Stack(p)
    target, memory = stack.s.add("Input", label="target"), stack.s.add("Input", row=2, label="memory")
    x = stack.attend(target, label="Self-attention")
    x = stack.attend(x, memory, label="Cross-attention")
    stack.s.add("Output", stack.feed_forward(x))
    return stack.s.graph


def _features_of(wider: int, x: TensorSpec) -> dict[str, Any]:
    """Of a sequence time × feature, with heads that divide the features."""
    if len(x.shape) != 2:
        return {}
    features = x.shape[1]
    heads = next(n for n in range(MOST_HEADS, 0, -1) if features % n == 0)
    return {"features": features, "num_heads": heads, "dim_feedforward": wider * features}


BLOCKS = (
    BlockSpec(
        "transformer_encoder",
        "Transformer encoder block",
        "Self-attention, then a small network for each step, each with a skip connection and a normalisation, drawn "
        "layer by layer. Causal, it is the block of a GPT.",
        encoder,
        (FEATURES, HEADS, FEEDFORWARD, CAUSAL, NORM_FIRST, ACTIVATION, DROPOUT),
        "z = x + attention(norm(x)), y = z + W₂·φ(W₁·norm(z))",
        VASWANI,
        partial(_features_of, 4),
        "transformer attention bert gpt",
    ),
    BlockSpec(
        "transformer_decoder",
        "Transformer decoder block",
        "As the encoder block, with one more attention between: each step of the target also looks at a memory, the "
        "output of an encoder.",
        decoder,
        (FEATURES, HEADS, FEEDFORWARD, DECODER_CAUSAL, NORM_FIRST, ACTIVATION, DROPOUT),
        "u = x + attention(norm(x)), z = u + attention(norm(u), memory), y = z + W₂·φ(W₁·norm(z))",
        VASWANI,
        partial(_features_of, 4),
        "transformer attention translation",
    ),
)
