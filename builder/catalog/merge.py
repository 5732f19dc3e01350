"""Layers that bring branches together."""

from __future__ import annotations

from functools import reduce

from builder.catalog.rules import axis, insert, needs_axis, put, times
from builder.diagnostic import Diagnostic, Fix
from builder.spec import AllIn, Call, In, Inputs, LayerSpec, Param, Params, Port, TensorSpec, call

BRANCHES = (Port("inputs", variadic=True),)
DIM = Param("dim", "int", 1, -7, 6, label="Axis", help="Axis that grows: 1 is the first after the batch (channels).")


def _needs_one_type(layer: str, xs: Inputs) -> Diagnostic | None:
    if len({x.dtype for x in xs}) == 1:
        return None
    return Diagnostic(
        "dtype/mixed",
        f"{layer} needs inputs of one type, but gets {' and '.join(sorted({x.dtype for x in xs}))}.",
        "Put an Embedding after the whole numbers, or set the types of the Inputs alike.",
    )


def _listed(xs: Inputs) -> str:
    return " and ".join(str(x) for x in xs)


def _add(_p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    if problem := _needs_one_type("Add", xs):
        return problem
    first = xs[0]
    odd = next((port for port, x in enumerate(xs) if x.shape != first.shape), None)
    if odd is None:
        return first
    what = f"Add needs inputs of one shape, but gets {_listed(xs)}."
    cure = "Bring the branches to one shape first, or use Concat."
    fix = _projection(first, xs[odd], odd)
    return Diagnostic("shape/add-unequal", what, f"{fix.label}, or use Concat." if fix else cure, fix=fix)


def _projection(first: TensorSpec, odd: TensorSpec, port: int) -> Fix | None:
    """The layer that brings ``odd`` to the shape of ``first``, as in the paper on residual networks (option B)."""
    channels = first.shape[0]
    if len(first.shape) == len(odd.shape) == 3 and first.shape[1:] == odd.shape[1:]:
        label = f"Put a Conv2d with kernel 1 and {channels} filters on the branch of {odd}"
        return insert(label, "Conv2d", port, out_channels=channels, kernel_size=1)
    if len(first.shape) == len(odd.shape) and first.shape[:-1] == odd.shape[:-1]:
        outputs = first.shape[-1]
        label = f"Put a Linear with {outputs} outputs on the branch of {odd}"
        return insert(label, "Linear", port, out_features=outputs)
    return None


def _concat(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    first, ranks = xs[0], {len(x.shape) for x in xs}
    if problem := _needs_one_type("Concat", xs):
        return problem
    if len(ranks) > 1:
        what = f"Concat needs inputs with as many axes as each other, but gets {_listed(xs)}."
        port, most = max(enumerate(xs), key=lambda item: len(item[1].shape))
        told = f"Put a Flatten on the branch of {most}"
        return Diagnostic("shape/concat-unequal", what, f"{told}.", fix=insert(told, "Flatten", port))
    if problem := needs_axis("Concat", p["dim"], first):
        return problem
    at = axis(p["dim"], len(first.shape)) or 0
    total = (*first.shape[:at], sum(x.shape[at] for x in xs), *first.shape[at + 1 :])
    if all(_without(x, at) == _without(first, at) for x in xs):
        return TensorSpec(total, first.dtype, first.axes)
    return _concat_unequal(xs, at)


def _without(x: TensorSpec, at: int) -> tuple[int, ...]:
    return x.shape[:at] + x.shape[at + 1 :]


def _concat_unequal(xs: Inputs, at: int) -> Diagnostic:
    free = [i for i in range(len(xs[0].shape)) if len({_without(x, i) for x in xs}) == 1]
    wanted = times(tuple("any" if i == at else n for i, n in enumerate(xs[0].shape)))
    cure = f"Join along axis {free[0] + 1}." if free else "Bring the other axes to one size first."
    return Diagnostic(
        "shape/concat-unequal",
        f"Concat along axis {at + 1} needs {wanted} from every branch, but gets {_listed(xs)}.",
        cure,
        field="dim",
        fix=put(f"Join along axis {free[0] + 1}", dim=free[0] + 1) if free else None,
    )


def _sum(_p: Params, xs: Inputs) -> Call:
    def plus(so_far: In | Call, index: int) -> Call:
        return call("torch.add", so_far, In(index))

    return reduce(plus, range(2, len(xs)), call("torch.add", In(0), In(1)))


LAYERS = (
    LayerSpec(
        "Add",
        "Merge",
        "Adds branches of one shape, value by value. A branch that skips layers makes a residual connection, through "
        "which gradients reach early layers unhindered.",
        _add,
        ports=BRANCHES,
        forward=_sum,
        flops=lambda _p, xs, out: (len(xs) - 1) * out.numel,
        keywords="sum residual skip plus resnet",
        formula="y = x₁ + x₂ + …",
        source="He et al. (2016), Deep Residual Learning for Image Recognition, CVPR",
    ),
    LayerSpec(
        "Concat",
        "Merge",
        "Puts branches behind each other along an axis, by default the channels. The order of the branches matters.",
        _concat,
        params=(DIM,),
        ports=BRANCHES,
        forward=lambda p, _xs: call("torch.cat", AllIn(), dim=p["dim"]),
        flops=lambda _p, _xs, _out: 0,
        summary="axis {dim}",
        keywords="concatenate join stack cat densenet",
        formula="y = [x₁, x₂, …]",
        source="Huang et al. (2017), Densely Connected Convolutional Networks, CVPR",
    ),
)
