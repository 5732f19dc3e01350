"""Layers in which every step of a sequence looks at every other, and what tells them where a step stands."""

from __future__ import annotations

from builder.catalog.dense import BIAS
from builder.catalog.initialisation import INIT
from builder.catalog.rules import SEQUENCE, changed, needs_float, needs_layout, put
from builder.diagnostic import Diagnostic
from builder.spec import (
    Call,
    Expression,
    In,
    Inputs,
    Item,
    LayerSpec,
    Param,
    Params,
    Port,
    Shape,
    TensorSpec,
    call,
    nothing,
)

HEADS = Param("num_heads", "int", 4, 1, 1024, label="Heads", help="How many looks are taken at once, each at its part.")
DROPOUT = Param(
    "dropout", "float", 0.1, 0.0, 0.95, label="Dropout", symbol="p", help="Share dropped inside while training."
)
NO_DROPOUT = Param(
    "dropout", "float", 0.0, 0.0, 0.95, label="Dropout", symbol="p", help="Share of the looks dropped while training."
)
CAUSAL_HELP = "Each step sees itself and what came before, not what comes after: for predicting the next step."
CAUSAL = Param("causal", "bool", False, label="Causal", help=CAUSAL_HELP)
DECODER_CAUSAL = Param("causal", "bool", True, label="Causal", help=CAUSAL_HELP)
FEEDFORWARD = Param(
    "dim_feedforward", "int", 64, 1, 100_000, label="Hidden units", help="Width of the two-layer network for each step."
)
ACTIVATION = Param("activation", "choice", "relu", choices=("relu", "gelu"), label="Activation", symbol="φ")
NORM_FIRST = Param(
    "norm_first",
    "bool",
    False,
    label="Normalise first",
    help="Pre-norm: before each part instead of after its sum. Trains more easily when many are stacked.",
)
VASWANI = "Vaswani et al. (2017), Attention Is All You Need, NeurIPS"


def _needs_sequences(layer: str, xs: Inputs) -> Diagnostic | None:
    problems = (needs_float(layer, x) or needs_layout(layer, SEQUENCE, x) for x in xs)
    return next((p for p in problems if p), None)


def _needs_heads(layer: str, p: Params, features: int) -> Diagnostic | None:
    heads = p["num_heads"]
    if features % heads == 0:
        return None
    largest = next(n for n in range(min(heads, features), 0, -1) if features % n == 0)
    return Diagnostic(
        "shape/heads-do-not-divide",
        f"{layer} cannot split {features} features into {heads} equal heads.",
        "Use a number of heads that divides the features.",
        field="num_heads",
        fix=put(f"Set the heads to {largest}", num_heads=largest),
    )


def _unequal(layer: str, needs: str, a: TensorSpec, b: TensorSpec) -> Diagnostic:
    return Diagnostic(
        "shape/sequences-differ",
        f"{layer} needs {needs}, but gets {a} and {b}.",
        "Bring the branches to one size first.",
    )


def _attention(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    layer, (query, key, value) = "MultiheadAttention", xs
    if problem := _needs_sequences(layer, xs) or _needs_heads(layer, p, query.shape[1]):
        return problem
    if key.shape[0] != value.shape[0]:
        return _unequal(layer, "a value for each key", key, value)
    if p["causal"] and query.shape[0] != key.shape[0]:
        return _unequal(layer, "as many keys as queries to be causal", query, key)
    return TensorSpec(query.shape, axes=SEQUENCE)


def _attention_weights(p: Params, xs: Inputs) -> dict[str, Shape]:
    query, key, value = (x.shape[1] for x in xs)
    if query == key == value:
        weights: dict[str, Shape] = {"in_proj_weight": (3 * query, query)}
    else:
        weights = {f"{name}_proj_weight": (query, n) for name, n in (("q", query), ("k", key), ("v", value))}
    weights["out_proj.weight"] = (query, query)
    return weights | ({"in_proj_bias": (3 * query,), "out_proj.bias": (query,)} if p["bias"] else {})


def _attention_module(p: Params, xs: Inputs) -> Call:
    query, key, value = (x.shape[1] for x in xs)
    other = {} if query == key == value else {"kdim": key, "vdim": value}
    return call(
        "nn.MultiheadAttention", query, p["num_heads"], **changed(p, (NO_DROPOUT, BIAS)), **other, batch_first=True
    )


def _mask(argument: str, hint: str, p: Params) -> dict[str, object]:
    """torch wants the mask even where the hint says that it is causal."""
    return {argument: call("modules.causal_mask", In()), hint: True} if p["causal"] else {}


def _attend(p: Params, _xs: Inputs) -> Expression:
    looks = call("self", In(0), In(1), In(2), need_weights=False, **_mask("attn_mask", "is_causal", p))
    return Item(looks, 0)


def _attention_flops(steps: int, seen: int, query: int, key: int, value: int) -> int:
    """The four projections, and for each pair of steps a product and a weighted sum over the features."""
    projections = steps * query * query * 2 + seen * (key + value) * query
    return 2 * projections + 2 * 2 * steps * seen * query


def _attention_inner(p: Params, query: TensorSpec, key: TensorSpec) -> int:
    """Projections and their product; with dropout the looks themselves too, for which torch leaves its short way."""
    looks = 3 * p["num_heads"] * query.shape[0] * key.shape[0] if p["dropout"] else 0
    return looks + 4 * query.numel + 3 * key.shape[0] * query.shape[1]


def _transformer_inner(p: Params, xs: Inputs) -> int:
    looks = sum(_attention_inner(p, xs[0], x) for x in xs)
    return looks + 5 * len(xs) * xs[0].numel + 3 * xs[0].shape[0] * int(p["dim_feedforward"])


def _encoder(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    layer, x = "TransformerEncoderLayer", xs[0]
    return _needs_sequences(layer, xs) or _needs_heads(layer, p, x.shape[1]) or TensorSpec(x.shape, axes=SEQUENCE)


def _decoder(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    layer, (target, memory) = "TransformerDecoderLayer", xs
    if problem := _needs_sequences(layer, xs) or _needs_heads(layer, p, target.shape[1]):
        return problem
    if target.shape[1] != memory.shape[1]:
        return _unequal(layer, "as many features from target and memory", target, memory)
    return TensorSpec(target.shape, axes=SEQUENCE)


def _transformer_weights(attentions: tuple[str, ...], p: Params, xs: Inputs) -> dict[str, Shape]:
    """One norm for each attention, and one for the network that follows."""
    features, hidden = xs[0].shape[1], p["dim_feedforward"]
    found: dict[str, Shape] = {}
    for name in attentions:
        found |= {f"{name}.in_proj_weight": (3 * features, features), f"{name}.in_proj_bias": (3 * features,)}
        found |= {f"{name}.out_proj.weight": (features, features), f"{name}.out_proj.bias": (features,)}
    found |= {"linear1.weight": (hidden, features), "linear1.bias": (hidden,)}
    found |= {"linear2.weight": (features, hidden), "linear2.bias": (features,)}
    for i in range(1, len(attentions) + 2):
        found |= {f"norm{i}.weight": (features,), f"norm{i}.bias": (features,)}
    return found


def _transformer_module(layer: str, p: Params, xs: Inputs) -> Call:
    rest = changed(p, (DROPOUT, ACTIVATION, NORM_FIRST))
    width = {"dim_feedforward": p["dim_feedforward"]}
    return call(f"nn.{layer}", xs[0].shape[1], p["num_heads"], **width, **rest, batch_first=True)


def _transformer_flops(p: Params, xs: Inputs, out: TensorSpec) -> int:
    """Matrix products only; the norms are small beside them."""
    steps, features = out.shape
    looks = sum(_attention_flops(steps, x.shape[0], features, features, features) for x in xs)
    return looks + 2 * 2 * steps * features * int(p["dim_feedforward"])


def _row_per_step(_p: Params, xs: Inputs) -> dict[str, Shape]:
    return {"weight": xs[0].shape}


def _positions(layer: str) -> LayerSpec:
    learned = layer == "LearnedPositions"

    def infer(_p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
        return _needs_sequences(layer, xs) or TensorSpec(xs[0].shape, axes=SEQUENCE)

    return LayerSpec(
        layer,
        "Attention",
        "Adds a learnt row to each step, so that layers which look at all steps alike can tell them apart."
        if learned
        else "Adds a pattern of waves to each step, so that layers which look at all steps alike can tell them apart. "
        "Nothing is learnt.",
        infer,
        weights=_row_per_step if learned else nothing,
        module=lambda _p, xs: call(f"modules.{layer}", *xs[0].shape),
        title="Learned positions" if learned else "Sinusoidal positions",
        keywords="positional encoding embedding order transformer",
        formula="yₜ = xₜ + W[t]" if learned else "y[t, 2i] = x + sin(t / 10000^(2i/d)), y[t, 2i+1] = x + cos(the same)",
        source="Gehring et al. (2017), Convolutional Sequence to Sequence Learning, ICML" if learned else VASWANI,
    )


def _class_token(_p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x = xs[0]
    return _needs_sequences("ClassToken", xs) or TensorSpec((x.shape[0] + 1, x.shape[1]), axes=SEQUENCE)


LAYERS = (
    LayerSpec(
        "MultiheadAttention",
        "Attention",
        "Every step asks a question (query), compares it with what all steps offer (key), and takes the mean of their "
        "values, weighted by how well they fit. Connect one layer to all three for self-attention, or the query to one "
        "sequence and key and value to another for cross-attention.",
        _attention,
        params=(HEADS, CAUSAL, NO_DROPOUT, BIAS, INIT),
        ports=(Port("query"), Port("key"), Port("value")),
        weights=_attention_weights,
        module=_attention_module,
        forward=_attend,
        inner=lambda p, xs: _attention_inner(p, xs[0], xs[1]),
        flops=lambda _p, xs, out: _attention_flops(out.shape[0], xs[1].shape[0], *(x.shape[1] for x in xs)),
        summary="{num_heads} heads",
        keywords="attention self cross transformer query key value",
        formula="y = softmax(Q·Kᵀ / √d)·V per head, Q, K and V linear in query, key and value",
        source=VASWANI,
    ),
    LayerSpec(
        "TransformerEncoderLayer",
        "Attention",
        "Self-attention, then a small network for each step, each with a skip connection and a normalisation. The "
        "block that transformers stack; causal, it is the block of a GPT.",
        _encoder,
        params=(HEADS, FEEDFORWARD, CAUSAL, NORM_FIRST, ACTIVATION, DROPOUT, INIT),
        weights=lambda p, xs: _transformer_weights(("self_attn",), p, xs),
        module=lambda p, xs: _transformer_module("TransformerEncoderLayer", p, xs),
        forward=lambda p, _xs: call("self", In(), **_mask("src_mask", "is_causal", p)),
        flops=_transformer_flops,
        inner=_transformer_inner,
        summary="{num_heads} heads, {dim_feedforward} hidden units",
        keywords="transformer encoder self-attention block bert gpt",
        formula="z = norm(x + attention(x)), y = norm(z + W₂·φ(W₁·z))",
        source=VASWANI,
    ),
    LayerSpec(
        "TransformerDecoderLayer",
        "Attention",
        "As the encoder layer, with one more attention between: each step of the target also looks at a memory, the "
        "output of an encoder.",
        _decoder,
        params=(HEADS, FEEDFORWARD, DECODER_CAUSAL, NORM_FIRST, ACTIVATION, DROPOUT, INIT),
        ports=(Port("target"), Port("memory")),
        weights=lambda p, xs: _transformer_weights(("self_attn", "multihead_attn"), p, xs),
        module=lambda p, xs: _transformer_module("TransformerDecoderLayer", p, xs),
        forward=lambda p, _xs: call("self", In(0), In(1), **_mask("tgt_mask", "tgt_is_causal", p)),
        flops=_transformer_flops,
        inner=_transformer_inner,
        summary="{num_heads} heads, {dim_feedforward} hidden units",
        keywords="transformer decoder cross-attention translation block",
        formula="u = norm(x + attention(x)), z = norm(u + attention(u, memory)), y = norm(z + W₂·φ(W₁·z))",
        source=VASWANI,
    ),
    _positions("SinusoidalPositions"),
    _positions("LearnedPositions"),
    LayerSpec(
        "ClassToken",
        "Attention",
        "Puts one learnt step before the sequence. Attention gathers there what matters; take it out at the end with "
        "Select, place 0 of axis 1.",
        _class_token,
        weights=lambda _p, xs: {"weight": (1, xs[0].shape[1])},
        module=lambda _p, xs: call("modules.ClassToken", xs[0].shape[1]),
        flops=lambda _p, _xs, _out: 0,
        title="Class token",
        keywords="cls token vit bert classification",
        formula="y = [w, x₁, x₂, …]",
        source="Devlin et al. (2019), BERT, NAACL",
    ),
)
