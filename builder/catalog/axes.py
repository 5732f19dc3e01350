"""Layers that pick, add, drop and reorder the axes of an example."""

from __future__ import annotations

from builder.catalog.rules import axis, needs_axis, needs_spare_axis, put, which_axis, without_axis
from builder.diagnostic import Diagnostic
from builder.spec import In, Inputs, Item, LayerSpec, Param, Params, TensorSpec, call

NUMPY = "Harris et al. (2020), Array programming with NumPy, Nature 585"


def _permute(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x, order, rank = xs[0], tuple(p["dims"]), len(xs[0].shape)
    if sorted(order) == list(range(1, rank + 1)):
        return TensorSpec(tuple(x.shape[i - 1] for i in order), x.dtype, tuple(x.axes[i - 1] for i in order))
    if rank == 1:
        return Diagnostic("shape/not-an-order", f"Permute swaps axes, but {x} has only one.", "Leave it out.")
    return Diagnostic(
        "shape/not-an-order",
        f"Permute needs each of the {rank} axes of {x} once, but gets {', '.join(map(str, order))}.",
        f"Write the numbers 1 to {rank} in another order.",
        field="dims",
        fix=put("Swap the last two axes", dims=(*range(1, rank - 1), rank, rank - 1)),
    )


def _select(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x = xs[0]
    if problem := needs_spare_axis("Select", x) or needs_axis("Select", p["dim"], x):
        return problem
    at = axis(p["dim"], len(x.shape)) or 0
    n = x.shape[at]
    if -n <= p["index"] < n:
        return without_axis(x, at)
    return Diagnostic(
        "shape/no-such-place",
        f"Select is to take place {p['index']}, but axis {at + 1} of {x} has the places 0 to {n - 1}.",
        f"Use 0 to {n - 1}, or -1 for the last.",
        field="index",
        fix=put("Take the last place", index=-1),
    )


def _selection(p: Params, xs: Inputs) -> Item:
    """``x[:, 0]``: the batch and the axes before the chosen one are kept."""
    at = axis(p["dim"], len(xs[0].shape)) or 0
    return Item(In(), (*(slice(None) for _ in range(at + 1)), p["index"]))


def _squeeze(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x = xs[0]
    if problem := needs_spare_axis("Squeeze", x) or needs_axis("Squeeze", p["dim"], x):
        return problem
    at = axis(p["dim"], len(x.shape)) or 0
    if x.shape[at] == 1:
        return without_axis(x, at)
    one = next((i for i, n in enumerate(x.shape) if n == 1), None)
    return Diagnostic(
        "shape/axis-not-1",
        f"Squeeze drops an axis of length 1, but axis {at + 1} of {x} has length {x.shape[at]}.",
        "Use Mean, Max or Select to shrink it." if one is None else f"Drop axis {one + 1}.",
        field="dim",
        fix=None if one is None else put(f"Drop axis {one + 1}", dim=one + 1),
    )


def _unsqueeze(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    x, rank = xs[0], len(xs[0].shape)
    at = axis(p["dim"], rank + 1)
    if at is not None:
        return TensorSpec((*x.shape[:at], 1, *x.shape[at:]), x.dtype, (*x.axes[:at], "", *x.axes[at:]))
    return Diagnostic(
        "shape/no-such-axis",
        f"Unsqueeze cannot put a new axis at place {p['dim']} of N × {x}.",
        which_axis(rank + 1),
        field="dim",
        fix=put("Put it behind the last axis", dim=-1),
    )


def _dim(help_: str) -> Param:
    return Param("dim", "int", 1, -7, 6, label="Axis", help=help_)


LAYERS = (
    LayerSpec(
        "Permute",
        "Shape",
        "Puts the axes of an example in another order, such as time × feature instead of channel × time. The values "
        "stay the same.",
        _permute,
        params=(Param("dims", "ints", (2, 1), 1, 6, label="Order", help="The axes, from 1, as they shall come out."),),
        forward=lambda p, _xs: call("torch.permute", In(), (0, *p["dims"])),
        flops=lambda _p, _xs, _out: 0,
        summary="order {dims}",
        keywords="transpose swap axes reorder",
        formula="y[i, j] = x[j, i] for the order 2, 1",
        source=NUMPY,
    ),
    LayerSpec(
        "Select",
        "Shape",
        "Takes one place along an axis: the first token, the last step, one channel. The axis falls away.",
        _select,
        params=(
            _dim("Axis to take from: 1 is the first after the batch."),
            Param("index", "int", 0, -1_000_000, 1_000_000, label="Place", help="0 is the first, -1 the last."),
        ),
        forward=_selection,
        flops=lambda _p, _xs, _out: 0,
        summary="place {index} of axis {dim}",
        keywords="index slice first last token cls",
        formula="y = x[i]",
        source=NUMPY,
    ),
    LayerSpec(
        "Squeeze",
        "Shape",
        "Drops an axis of length 1, such as the channel of a grey image or the single feature of a series.",
        _squeeze,
        params=(_dim("Axis to drop: 1 is the first after the batch."),),
        forward=lambda p, _xs: call("torch.squeeze", In(), p["dim"]),
        flops=lambda _p, _xs, _out: 0,
        summary="axis {dim}",
        keywords="remove drop axis",
        formula="y[i] = x[0, i]",
        source=NUMPY,
    ),
    LayerSpec(
        "Unsqueeze",
        "Shape",
        "Adds an axis of length 1, such as the channel of a grey image or the single feature of a series.",
        _unsqueeze,
        params=(_dim("Where the new axis stands: 1 is right after the batch, -1 the last."),),
        forward=lambda p, _xs: call("torch.unsqueeze", In(), p["dim"]),
        flops=lambda _p, _xs, _out: 0,
        summary="axis {dim}",
        keywords="expand add axis channel",
        formula="y[0, i] = x[i]",
        source=NUMPY,
    ),
)
