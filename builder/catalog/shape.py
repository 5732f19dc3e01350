"""Layers that fold the same values into another shape."""

from __future__ import annotations

import math

from builder.catalog.data import axes_of
from builder.catalog.rules import axis, changed, put, times, which_axis
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


def _target(p: Params, x: TensorSpec) -> Shape | None:
    """The shape asked for with its -1 worked out; None if the values do not fit."""
    asked: Shape = tuple(p["shape"])
    rest = math.prod(n for n in asked if n != -1)
    if asked.count(-1) == 1 and rest and x.numel % rest == 0:
        return tuple(x.numel // rest if n == -1 else n for n in asked)
    return asked if asked.count(-1) == 0 and rest == x.numel else None


def _reshape(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x = xs[0]
    if target := _target(p, x):
        return TensorSpec(target, x.dtype, axes_of(target))
    asked = tuple(p["shape"])
    if asked.count(-1) > 1:
        return Diagnostic(
            "shape/reshape-ambiguous",
            f"Reshape to {times(asked)} leaves {asked.count(-1)} axes open; only one can be worked out.",
            "Keep one -1 at most.",
            field="shape",
            fix=put("Fold all into one axis", shape=(x.numel,)),
        )
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
    return call("torch.reshape", In(), (-1, *(_target(p, xs[0]) or ())))


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
)
