"""What the families of layers share: refusals in the user's words, and the arithmetic of sliding windows.

A check gives None where all is well, so that a rule reads ``check or check or TensorSpec(...)``.
Edits of a Fix carry the id "" for "this node"; infer.py fills it in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from builder.diagnostic import Diagnostic, Fix
from builder.edit import AddNode, Connect, RemoveNode, SetParams
from builder.graph import Edge, Node
from builder.spec import Param, Params, Shape, TensorSpec

IMAGE = ("channel", "height", "width")
VOLUME = ("channel", "depth", "height", "width")
SIGNAL = ("channel", "time")
SEQUENCE = ("time", "feature")
WINDOW = ("kernel_size", "stride", "padding", "dilation")


def changed(params: Params, among: tuple[Param, ...]) -> dict[str, Any]:
    """Keyword arguments that differ from torch's defaults: what a person would have written."""
    return {p.name: params[p.name] for p in among if params[p.name] != p.default}


def insert(label: str, type_: str, port: int = 0, **params: Any) -> Fix:
    new = AddNode(Node("", type_, params))
    return Fix(label, (new, Connect(Edge("", "", port))) if port else (new,))


def put(label: str, **params: Any) -> Fix:
    return Fix(label, (SetParams("", params),))


def times(shape: tuple[object, ...]) -> str:
    return " × ".join(map(str, shape))


def counted(n: int, noun: str) -> str:
    """``counted(2, "axis")`` is "2 axes"."""
    plural = noun[:-2] + "es" if noun.endswith("is") else noun + "s"
    return f"{n} {noun if n == 1 else plural}"


def needs_float(layer: str, x: TensorSpec) -> Diagnostic | None:
    if x.dtype == "float32":
        return None
    return Diagnostic(
        "dtype/needs-float",
        f"{layer} needs real numbers (float32), but gets whole numbers (int64).",
        "Put an Embedding before it, or set the type of the Input to float32.",
        fix=insert("Put an Embedding before it", "Embedding"),
    )


def needs_layout(layer: str, layout: tuple[str, ...], x: TensorSpec) -> Diagnostic | None:
    """The input must have the axes of ``layout``; torch would read one axis less as a batch without a batch axis."""
    if len(x.shape) == len(layout):
        return None
    what = f"{layer} needs {times(layout)}, but gets {x} ({counted(len(x.shape), 'axis')})."
    shape = refolded(x.shape, layout)
    if not shape:
        return Diagnostic("shape/wrong-rank", what, f"Put a Reshape to {counted(len(layout), 'axis')} before it.")
    told = f"Put a Reshape to {times(shape)} before it"
    return Diagnostic("shape/wrong-rank", what, f"{told}.", fix=insert(told, "Reshape", shape=shape))


def refolded(shape: Shape, layout: tuple[str, ...]) -> Shape | None:
    """The same values with the axes of ``layout``, where one way of folding stands out."""
    if layout == SEQUENCE:
        if len(shape) == 1:
            return (shape[0], 1)
        return shape[1:] if len(shape) == 3 and shape[0] == 1 else None
    if len(shape) == len(layout) - 1:
        return (1, *shape)
    side = math.isqrt(shape[0]) if len(shape) == 1 else 0
    return (1, side, side) if layout == IMAGE and side * side == shape[0] else None


def per_axis(value: Any, dims: int) -> tuple[Any, ...]:
    """A setting for each of ``dims`` axes: 3 is (3, 3), (3, 5) is itself."""
    return value if isinstance(value, tuple) else (value,) * dims


def one_or_each(values: Iterable[int]) -> int | Shape:
    """The inverse of ``per_axis``: one number where all are alike."""
    each = tuple(values)
    return each[0] if len(set(each)) == 1 else each


def told(value: int | Shape) -> str:
    """``3`` or ``3 × 5``."""
    return times(value) if isinstance(value, tuple) else str(value)


def window_sizes(sides: Shape, p: Params) -> Shape:
    """Places where a window fits along each of ``sides``."""
    given = {key: per_axis(p[key], len(sides)) for key in WINDOW if key in p}
    rest = {"ceil_mode": p.get("ceil_mode")}
    return tuple(window_size(n, rest | {key: each[i] for key, each in given.items()}) for i, n in enumerate(sides))


def window_size(n: int, p: Params) -> int:
    """Places where a window fits along an axis of length ``n``, as torch counts them.

    ``⌊(n + 2·padding − dilation·(kernel_size − 1) − 1) / stride⌋ + 1``; with ``ceil_mode`` rounded up, but
    no window may start in the padding on the right.
    """
    stride = p.get("stride") or p["kernel_size"]
    free = n + 2 * p["padding"] - span(p)
    if not p.get("ceil_mode"):
        return int(free // stride) + 1
    count = -(-free // stride) + 1
    return int(count - 1 if (count - 1) * stride >= n + p["padding"] else count)


def span(p: Params) -> int:
    """Length that a window covers: ``dilation·(kernel_size − 1) + 1``."""
    return int(p.get("dilation", 1) * (p["kernel_size"] - 1) + 1)


def needs_room(p: Params, x: TensorSpec, pads: bool = True) -> Diagnostic | None:
    """The window must fit at least once along every axis after the first (the channel); ``pads`` if padding helps."""
    sides, dims = x.shape[1:], len(x.shape) - 1
    if min(window_sizes(sides, p)) >= 1:
        return None
    dilation, padding = p.get("dilation", 1), p["padding"]
    each = zip(sides, per_axis(padding, dims), per_axis(dilation, dims), strict=True)
    most = [(n + 2 * a - 1) // d + 1 for n, a, d in each]
    kernels = per_axis(p["kernel_size"], dims)
    square = not isinstance(p["kernel_size"], tuple)
    fits = min(most) if square else one_or_each(min(k, m) for k, m in zip(kernels, most, strict=True))
    kernel = f"A {times(kernels)} kernel" if dims > 1 else f"A kernel of {kernels[0]}"
    dilated = f" with dilation {told(dilation)}" if dilation != 1 else ""
    place = f"a {times(sides)} input" if dims > 1 else f"an input of length {sides[0]}"
    padded = f" with padding {told(padding)}" if padding else ""
    return Diagnostic(
        "shape/kernel-too-large",
        f"{kernel}{dilated} does not fit {place}{padded}.",
        f"Use a kernel of {told(fits)}{'' if fits == 1 else ' or less'}{', or add padding' if pads else ''}.",
        field="kernel_size",
        fix=put(f"Set the kernel to {told(fits)}", kernel_size=fits, **({} if pads else {"padding": 0})),
    )


def axis(dim: int, rank: int) -> int | None:
    """``dim`` as torch counts it (0 is the batch, negative from the end), as an index into the shape; None if none."""
    place = (dim + rank + 1 if dim < 0 else dim) - 1
    return place if 0 <= place < rank else None


def needs_spare_axis(layer: str, x: TensorSpec) -> Diagnostic | None:
    """An example keeps at least one axis, so that every layer after finds values to work on."""
    if len(x.shape) > 1:
        return None
    return Diagnostic(
        "shape/no-axis-left",
        f"{layer} takes one axis away, but {x} has only one.",
        "Leave it out, or put it where there are two axes or more.",
        fix=Fix(f"Leave this {layer} out", (RemoveNode(""),)),
    )


def without_axis(x: TensorSpec, at: int) -> TensorSpec:
    return TensorSpec((*x.shape[:at], *x.shape[at + 1 :]), x.dtype, (*x.axes[:at], *x.axes[at + 1 :]))


def which_axis(rank: int) -> str:
    return "Use axis 1, the only one." if rank == 1 else f"Use an axis from 1 to {rank}, or -1 for the last."


def needs_axis(layer: str, dim: int, x: TensorSpec) -> Diagnostic | None:
    """``dim`` must be an axis of the example: along the batch the examples would mix."""
    rank = len(x.shape)
    if axis(dim, rank) is not None:
        return None
    batch = dim in (0, -rank - 1)
    said = "is the batch, where examples would mix" if batch else f"does not exist in N × {x}"
    return Diagnostic(
        "shape/no-such-axis",
        f"{layer} acts along one axis of the example, but axis {dim} {said}.",
        which_axis(rank),
        field="dim",
        fix=put("Use the last axis", dim=-1),
    )
