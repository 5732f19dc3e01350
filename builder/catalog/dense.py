"""Layers that connect everything with everything, and look-up tables."""

from __future__ import annotations

from builder.catalog.initialisation import INIT
from builder.catalog.rules import changed, insert, needs_float
from builder.diagnostic import Diagnostic
from builder.spec import Call, In, Inputs, LayerSpec, Param, Params, Port, Shape, TensorSpec, call

BIAS = Param("bias", "bool", True, label="Bias", symbol="b", help="Adds a number of its own to each output.")


def _linear(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x = xs[0]
    return needs_float("Linear", x) or TensorSpec((*x.shape[:-1], p["out_features"]), axes=(*x.axes[:-1], "feature"))


def _linear_weights(p: Params, xs: Inputs) -> dict[str, Shape]:
    weight = {"weight": (p["out_features"], xs[0].shape[-1])}
    return weight | ({"bias": (p["out_features"],)} if p["bias"] else {})


def _linear_module(p: Params, xs: Inputs) -> Call:
    return call("nn.Linear", xs[0].shape[-1], p["out_features"], **changed(p, (BIAS,)))


def _linear_advice(p: Params, xs: Inputs, _readers: tuple[str, ...]) -> Diagnostic | None:
    x = xs[0]
    if x.axes[-1:] not in (("width",), ("time",)):
        return None
    row = f"each row of {x.shape[-1]} values"
    return Diagnostic(
        "shape/linear-on-last-axis",
        f"Linear acts on the last axis only: of {x} it maps {row} by itself and does not see the whole.",
        f"Put a Flatten before it, so that it sees all {x.numel} values at once.",
        severity="warning",
        fix=insert("Put a Flatten before it", "Flatten"),
    )


def _embedding(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x = xs[0]
    if x.dtype != "int64":
        return Diagnostic(
            "dtype/needs-indices",
            "Embedding looks rows up by index, so it needs whole numbers (int64), but gets real numbers (float32).",
            "Set the type of the Input to int64 and connect it directly, or use Linear for real numbers.",
        )
    return TensorSpec((*x.shape, p["embedding_dim"]), axes=(*x.axes, "feature"))


def _bilinear(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    left, right = xs
    if problem := needs_float("Bilinear", left) or needs_float("Bilinear", right):
        return problem
    if left.shape[:-1] == right.shape[:-1]:
        return TensorSpec((*left.shape[:-1], p["out_features"]), axes=(*left.axes[:-1], "feature"))
    return Diagnostic(
        "shape/axes-differ",
        f"Bilinear needs inputs that differ in the last axis only, but gets {left} and {right}.",
        "Bring the other axes to one size first.",
    )


def _bilinear_weights(p: Params, xs: Inputs) -> dict[str, Shape]:
    weight = {"weight": (p["out_features"], xs[0].shape[-1], xs[1].shape[-1])}
    return weight | ({"bias": (p["out_features"],)} if p["bias"] else {})


LAYERS = (
    LayerSpec(
        "Linear",
        "Dense",
        "Every output is a weighted sum of all inputs plus a bias. The basic layer: with activations between them, a "
        "few of these can approximate any continuous function.",
        _linear,
        params=(
            Param("out_features", "int", 16, 1, 1_000_000, label="Outputs", help="How many numbers it gives (units)."),
            BIAS,
            INIT,
        ),
        weights=_linear_weights,
        module=_linear_module,
        advise=_linear_advice,
        flops=lambda _p, xs, out: 2 * xs[0].shape[-1] * out.numel,
        summary="{out_features} outputs",
        keywords="dense fully connected perceptron affine mlp",
        formula="y = x·Wᵀ + b",
        source="Rosenblatt (1958), The Perceptron, Psychological Review 65(6)",
    ),
    LayerSpec(
        "Embedding",
        "Dense",
        "A table with one learnt row per word (or other index). Each index is replaced by its row, so that similar "
        "words can get similar rows.",
        _embedding,
        params=(
            Param("num_embeddings", "int", 1000, 1, 10_000_000, label="Rows", help="Indices go from 0 to one less."),
            Param("embedding_dim", "int", 32, 1, 100_000, label="Numbers per row"),
            INIT,
        ),
        weights=lambda p, _xs: {"weight": (p["num_embeddings"], p["embedding_dim"])},
        module=lambda p, _xs: call("nn.Embedding", p["num_embeddings"], p["embedding_dim"]),
        flops=lambda _p, _xs, _out: 0,
        summary="{num_embeddings} × {embedding_dim}",
        keywords="word vector token lookup table",
        formula="y = W[x]",
        source="Bengio et al. (2003), A Neural Probabilistic Language Model, JMLR 3",
    ),
    LayerSpec(
        "Bilinear",
        "Dense",
        "Every output is a weighted sum of all products of a value of one input with a value of the other. Compares "
        "or combines two branches.",
        _bilinear,
        params=(
            Param("out_features", "int", 16, 1, 1_000_000, label="Outputs", help="How many numbers it gives (units)."),
            BIAS,
            INIT,
        ),
        ports=(Port("left"), Port("right")),
        weights=_bilinear_weights,
        module=lambda p, xs: call(
            "nn.Bilinear", xs[0].shape[-1], xs[1].shape[-1], p["out_features"], **changed(p, (BIAS,))
        ),
        forward=lambda _p, _xs: call("self", In(0), In(1)),
        flops=lambda _p, xs, out: 3 * xs[0].shape[-1] * xs[1].shape[-1] * out.numel,
        summary="{out_features} outputs",
        keywords="tensor product interaction two inputs",
        formula="yₖ = x₁·Wₖ·x₂ᵀ + bₖ",
        source="Tenenbaum & Freeman (2000), Separating Style and Content with Bilinear Models, Neural Computation 12",
    ),
)
