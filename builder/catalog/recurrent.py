"""Layers with a memory that read a sequence step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from builder.catalog.dense import BIAS
from builder.catalog.initialisation import INIT
from builder.catalog.rules import SEQUENCE, changed, needs_float, needs_layout, put
from builder.diagnostic import Diagnostic
from builder.spec import Call, Expression, In, Inputs, Item, LayerSpec, Param, Params, Shape, TensorSpec, call

LAYER_COUNT = Param("num_layers", "int", 1, 1, 64, label="Layers", help="How many are stacked on each other.")
BIDIRECTIONAL = Param(
    "bidirectional",
    "bool",
    False,
    label="Both directions",
    help="Reads the sequence backwards too; doubles the output.",
)
DROPOUT = Param(
    "dropout",
    "float",
    0.0,
    0.0,
    0.95,
    label="Dropout",
    symbol="p",
    help="Dropout between stacked layers while training.",
)
NONLINEARITY = Param("nonlinearity", "choice", "tanh", choices=("tanh", "relu"), label="Activation", symbol="φ")
PARAMS = (
    Param("hidden_size", "int", 32, 1, 100_000, label="Memory size", symbol="H", help="How many numbers it remembers."),
    LAYER_COUNT,
    BIDIRECTIONAL,
    DROPOUT,
    Param(
        "output",
        "choice",
        "last",
        choices=("last", "sequence"),
        label="Gives",
        help="'last': the memory after the whole sequence. 'sequence': the memory after every step.",
    ),
    BIAS,
    INIT,
)
OPTIONS = (LAYER_COUNT, NONLINEARITY, BIAS, DROPOUT, BIDIRECTIONAL)


def _width(p: Params) -> int:
    return int(p["hidden_size"] * (1 + p["bidirectional"]))


def _infer(layer: str) -> Callable[[Params, Inputs], TensorSpec | Diagnostic]:
    def infer(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
        x = xs[0]
        if problem := needs_float(layer, x) or needs_layout(layer, SEQUENCE, x):
            return problem
        last = TensorSpec((_width(p),), axes=("feature",))
        return last if p["output"] == "last" else TensorSpec((x.shape[0], _width(p)), axes=SEQUENCE)

    return infer


def _advice(p: Params, _xs: Inputs, _readers: tuple[str, ...]) -> Diagnostic | None:
    if not p["dropout"] or p["num_layers"] > 1:
        return None
    return Diagnostic(
        "train/dropout-without-effect",
        "This dropout acts between stacked layers, and there is only one.",
        "Use two layers or more, or put a Dropout after it.",
        field="dropout",
        severity="warning",
        fix=put("Set the dropout to 0", dropout=0.0),
    )


def _tensors(gates: int, p: Params, xs: Inputs) -> Iterator[tuple[str, Shape]]:
    """Names and shapes as torch has them; the gates are stacked along the first axis."""
    rows = gates * p["hidden_size"]
    for layer in range(p["num_layers"]):
        columns = _width(p) if layer else xs[0].shape[1]
        for end in (f"_l{layer}", f"_l{layer}_reverse")[: 1 + p["bidirectional"]]:
            yield f"weight_ih{end}", (rows, columns)
            yield f"weight_hh{end}", (rows, p["hidden_size"])
            if p["bias"]:
                yield f"bias_ih{end}", (rows,)
                yield f"bias_hh{end}", (rows,)


def _module(layer: str) -> Callable[[Params, Inputs], Call]:
    def module(p: Params, xs: Inputs) -> Call:
        # torch prints a warning when a single layer is given a dropout, which then does nothing
        used = {
            **p,
            "dropout": p["dropout"] if p["num_layers"] > 1 else 0.0,
            "nonlinearity": p.get("nonlinearity", "tanh"),
        }
        return call(f"nn.{layer}", xs[0].shape[1], p["hidden_size"], batch_first=True, **changed(used, OPTIONS))

    return module


def _forward(layer: str) -> Callable[[Params, Inputs], Expression]:
    """torch gives ``(output, state)``: output (N, time, directions·H) and state h (layers·directions, N, H), or (h, c).

    With both directions "last" joins the two final states: forwards after the last step, backwards after the first.
    """

    def forward(p: Params, _xs: Inputs) -> Expression:
        run = call("self", In())
        if p["output"] == "sequence":
            return Item(run, 0)
        if not p["bidirectional"]:
            return Item(Item(run, 0), (slice(None), -1))
        state = Item(Item(run, 1), 0) if layer == "LSTM" else Item(run, 1)
        return call("torch.cat", call("torch.unbind", Item(state, slice(-2, None))), dim=1)

    return forward


def _flops(gates: int) -> Callable[[Params, Inputs, TensorSpec], int]:
    """Matrix products only; the pointwise work of the gates is small beside them."""

    def flops(p: Params, xs: Inputs, _out: TensorSpec) -> int:
        matrices = (shape for name, shape in _tensors(gates, p, xs) if name.startswith("weight"))
        return xs[0].shape[0] * sum(2 * rows * columns for rows, columns in matrices)

    return flops


def _inner(gates: int) -> Callable[[Params, Inputs], int]:
    """The gates and the memory of each step."""

    def inner(p: Params, xs: Inputs) -> int:
        rows = sum(shape[0] for name, shape in _tensors(gates, p, xs) if name.startswith("weight_ih"))
        return 3 * xs[0].shape[0] * rows

    return inner


def _recurrent(layer: str, gates: int, help_: str, extra: tuple[Param, ...] = (), **about: str) -> LayerSpec:
    return LayerSpec(
        layer,
        "Recurrent",
        help_,
        _infer(layer),
        params=PARAMS[:-2] + extra + PARAMS[-2:],
        weights=lambda p, xs: dict(_tensors(gates, p, xs)),
        module=_module(layer),
        forward=_forward(layer),
        advise=_advice,
        flops=_flops(gates),
        inner=_inner(gates),
        summary="memory of {hidden_size}, gives {output}",
        **about,  # type: ignore[arg-type]
    )


LAYERS = (
    _recurrent(
        "RNN",
        1,
        "Reads a sequence step by step and keeps a memory, which it mixes with each new step. Forgets quickly: its "
        "gradient vanishes over long sequences.",
        (NONLINEARITY,),
        keywords="recurrent elman sequence time series",
        formula="hₜ = φ(W·xₜ + U·hₜ₋₁ + b)",
        source="Elman (1990), Finding Structure in Time, Cognitive Science 14(2)",
    ),
    _recurrent(
        "LSTM",
        4,
        "A recurrent layer with gates that decide what to store, what to forget and what to show. Remembers over "
        "hundreds of steps.",
        keywords="recurrent long short-term memory sequence time series gate",
        formula="i, f, o = σ(W·xₜ + U·hₜ₋₁ + b), g = tanh(W·xₜ + U·hₜ₋₁ + b), cₜ = f∘cₜ₋₁ + i∘g, hₜ = o∘tanh(cₜ)",
        source="Hochreiter & Schmidhuber (1997), Long Short-Term Memory, Neural Computation 9(8)",
    ),
    _recurrent(
        "GRU",
        3,
        "A recurrent layer like the LSTM, with two gates and no separate cell: a quarter fewer weights.",
        keywords="recurrent gated unit sequence time series",
        formula="r, z = σ(W·xₜ + U·hₜ₋₁ + b), n = tanh(W·xₜ + b + r∘(U·hₜ₋₁ + c)), hₜ = (1 − z)∘n + z∘hₜ₋₁",
        source="Cho et al. (2014), Learning Phrase Representations using RNN Encoder-Decoder, EMNLP",
    ),
)
