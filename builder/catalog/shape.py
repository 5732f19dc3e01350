"""Layers that fold the same values into another shape."""

from __future__ import annotations

import math

from builder.catalog.data import axes_of
from builder.catalog.rules import axis, changed, needs_axis, put, times, which_axis
from builder.diagnostic import Diagnostic
from builder.spec import MAX_DIM, Call, In, Inputs, LayerSpec, Param, Params, Shape, TensorSpec, call

START = Param(
    "start_dim", "int", 1, 1, 6, label="From axis", help="First axis to fold; 1 is the first after the batch."
)
END = Param("end_dim", "int", -1, -7, 6, label="To axis", help="Last axis to fold; -1 is the last.")


def _flatten(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x, rank = xs[0], len(xs[0].shape)
    first, last = axis(p["start_dim"], rank), axis(p["end_dim"], rank)
    if first is None or last is None or last < first:
        return Diagnostic(
            "shape/no-such-axis",
            f"Flatten is to fold axis {p['start_dim']} to {p['end_dim']}, which N × {x} does not have in this order.",
            which_axis(rank),
            field="start_dim" if first is None else "end_dim",
            fix=put("Fold all axes", start_dim=1, end_dim=-1),
        )
    folded = math.prod(x.shape[first : last + 1])
    kept = (x.axes[:first], x.axes[last + 1 :])
    return TensorSpec((*x.shape[:first], folded, *x.shape[last + 1 :]), x.dtype, (*kept[0], "feature", *kept[1]))


def folded_to(asked: Shape, numel: int) -> Shape | None:
    """The shape asked for with its -1 worked out; None if ``numel`` values do not fit."""
    rest = math.prod(n for n in asked if n != -1)
    if asked.count(-1) == 1 and rest and numel % rest == 0:
        return tuple(numel // rest if n == -1 else n for n in asked)
    return asked if asked.count(-1) == 0 and rest == numel else None


def _ambiguous(layer: str, asked: Shape, n: int) -> Diagnostic | None:
    if asked.count(-1) <= 1:
        return None
    return Diagnostic(
        "shape/reshape-ambiguous",
        f"{layer} to {times(asked)} leaves {asked.count(-1)} axes open; only one can be worked out.",
        "Keep one -1 at most.",
        field="shape",
        fix=put("Fold all into one axis", shape=(n,)),
    )


def _reshape(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x, asked = xs[0], tuple(p["shape"])
    if target := folded_to(asked, x.numel):
        return TensorSpec(target, x.dtype, axes_of(target))
    if problem := _ambiguous("Reshape", asked, x.numel):
        return problem
    wants = f"{math.prod(asked)} values" if -1 not in asked else f"a multiple of {-math.prod(asked)} values"
    has = f"{x.numel} ({x})" if len(x.shape) > 1 else f"{x.numel}"
    return Diagnostic(
        "shape/reshape-wrong-size",
        f"Reshape to {times(asked)} needs {wants}, but gets {has}.",
        f"Choose a shape whose product is {x.numel}, or write -1 for one axis.",
        field="shape",
        fix=put("Fold all into one axis", shape=(x.numel,)),
    )


def _reshape_call(p: Params, xs: Inputs) -> Call:
    return call("torch.reshape", In(), (-1, *(folded_to(tuple(p["shape"]), xs[0].numel) or ())))


def _unflatten(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x, asked, rank = xs[0], tuple(p["shape"]), len(xs[0].shape)
    if problem := needs_axis("Unflatten", p["dim"], x):
        return problem
    at = axis(p["dim"], rank) or 0
    n = x.shape[at]
    if target := folded_to(asked, n):
        shape = (*x.shape[:at], *target, *x.shape[at + 1 :])
        axes = axes_of(shape) if rank == 1 else (*x.axes[:at], *("" for _ in target), *x.axes[at + 1 :])
        return TensorSpec(shape, x.dtype, axes)
    return _ambiguous("Unflatten", asked, n) or Diagnostic(
        "shape/reshape-wrong-size",
        f"Unflatten cannot fold axis {at + 1} of {x} to {times(asked)}: it has {n} values.",
        f"Choose a shape whose product is {n}, or write -1 for one axis.",
        field="shape",
        fix=put("Leave the axis as it is", shape=(n,)),
    )


LAYERS = (
    LayerSpec(
        "Flatten",
        "Shape",
        "Writes all values of an example in one row, as Linear wants them. Needed between convolutions and Linear.",
        _flatten,
        params=(START, END),
        module=lambda p, _xs: call("nn.Flatten", **changed(p, (START, END))),
        flops=lambda _p, _xs, _out: 0,
        keywords="vector unroll",
        formula="y[c·H·W + h·W + w] = x[c, h, w]",
        source="LeCun et al. (1998), Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 86(11)",
    ),
    LayerSpec(
        "Reshape",
        "Shape",
        "Folds the same values into another shape, in reading order. One axis may be -1: it is worked out.",
        _reshape,
        params=(
            Param(
                "shape",
                "ints",
                (-1,),
                -1,
                MAX_DIM,
                label="New shape",
                help="Its axes, without the batch; one may be -1.",
            ),
        ),
        forward=_reshape_call,
        flops=lambda _p, _xs, _out: 0,
        summary="to {shape}",
        keywords="view fold unflatten",
        formula="y = x with its values in the same order and other axes",
        source="Harris et al. (2020), Array programming with NumPy, Nature 585",
    ),
    LayerSpec(
        "Unflatten",
        "Shape",
        "Folds one axis into several, in reading order: from a row of values back to an image, as in decoders.",
        _unflatten,
        params=(
            Param("dim", "int", 1, -7, 6, label="Axis", help="Axis to fold: 1 is the first after the batch."),
            Param("shape", "ints", (-1,), -1, MAX_DIM, label="Into", help="What it becomes; one number may be -1."),
        ),
        module=lambda p, _xs: call("nn.Unflatten", p["dim"], p["shape"]),
        flops=lambda _p, _xs, _out: 0,
        summary="to {shape}",
        keywords="fold reshape view decoder",
        formula="y[c, h, w] = x[c·H·W + h·W + w]",
        source="Harris et al. (2020), Array programming with NumPy, Nature 585",
    ),
)
