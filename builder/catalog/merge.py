"""Layers that bring branches together."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from builder.catalog.rules import axis, insert, needs_axis, needs_float, put, times
from builder.diagnostic import Diagnostic, Fix
from builder.spec import AllIn, Call, In, Inputs, LayerSpec, Param, Params, Port, TensorSpec, call

BRANCHES = (Port("inputs", variadic=True),)
PAIR = (Port("left"), Port("right"))
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


def _needs_floats(layer: str, xs: Inputs) -> Diagnostic | None:
    return next((problem for x in xs if (problem := needs_float(layer, x))), None)


def _one_shape(layer: str, xs: Inputs) -> TensorSpec | Diagnostic:
    first = xs[0]
    odd = next((port for port, x in enumerate(xs) if x.shape != first.shape), None)
    if odd is None:
        return first
    what = f"{layer} needs inputs of one shape, but gets {_listed(xs)}."
    fix = _projection(first, xs[odd], odd)
    cure = fix.label if fix else "Bring the branches to one shape first"
    return Diagnostic("shape/add-unequal", what, f"{cure}, or use Concat." if layer == "Add" else f"{cure}.", fix=fix)


def _add(_p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    return _needs_one_type("Add", xs) or _one_shape("Add", xs)


def _multiply(_p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    """Axes of length 1 are repeated, as a gate of channel × 1 × 1 needs it."""
    if problem := _needs_floats("Multiply", xs):
        return problem
    if len({len(x.shape) for x in xs}) == 1:
        sides = [{n for n in along if n != 1} for along in zip(*(x.shape for x in xs), strict=True)]
        if all(len(side) <= 1 for side in sides):
            return TensorSpec(tuple(max(side, default=1) for side in sides), axes=xs[0].axes)
    return Diagnostic(
        "shape/multiply-unequal",
        f"Multiply needs inputs whose axes are alike or of length 1, but gets {_listed(xs)}.",
        "Bring the branches to one shape first.",
    )


def _matmul(_p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    left, right = xs
    if problem := _needs_floats("MatMul", xs):
        return problem
    if len(left.shape) == len(right.shape) >= 2 and left.shape[:-2] == right.shape[:-2]:
        if left.shape[-1] == right.shape[-2]:
            return TensorSpec((*left.shape[:-1], right.shape[-1]), axes=(*left.axes[:-1], right.axes[-1]))
        if left.shape[-1] == right.shape[-1]:
            rank = len(right.shape)
            label = f"Swap the last two axes of {right}"
            swapped = insert(label, "Permute", 1, dims=(*range(1, rank - 1), rank, rank - 1))
            return Diagnostic("shape/matmul-unequal", _matmul_needs(left, right), f"{label}.", fix=swapped)
    cure = "Bring the branches to matrices that fit first."
    return Diagnostic("shape/matmul-unequal", _matmul_needs(left, right), cure)


def _matmul_needs(left: TensorSpec, right: TensorSpec) -> str:
    return f"MatMul needs n × k and k × m (and the same axes before them), but gets {left} and {right}."


def _similarity(p: Params, xs: Inputs) -> TensorSpec | Diagnostic:
    layer = "CosineSimilarity"
    if problem := _needs_floats(layer, xs) or needs_axis(layer, p["dim"], xs[0]):
        return problem
    x = _one_shape(layer, xs)
    if isinstance(x, Diagnostic):
        return x
    at = axis(p["dim"], len(x.shape)) or 0
    return TensorSpec((*x.shape[:at], 1, *x.shape[at + 1 :]), axes=x.axes)


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


def _folded(function: str) -> Callable[[Params, Inputs], Call]:
    """``function`` of the first two inputs, then of that and the third, and so on."""

    def forward(_p: Params, xs: Inputs) -> Call:
        def join(so_far: In | Call, index: int) -> Call:
            return call(function, so_far, In(index))

        return reduce(join, range(2, len(xs)), call(function, In(0), In(1)))

    return forward


def _alike(layer: str) -> Callable[[Params, Inputs], TensorSpec | Diagnostic]:
    return lambda _p, xs: _needs_floats(layer, xs) or _one_shape(layer, xs)


def _each_once(_p: Params, xs: Inputs, out: TensorSpec) -> int:
    return (len(xs) - 1) * out.numel


LAYERS = (
    LayerSpec(
        "Add",
        "Merge",
        "Adds branches of one shape, value by value. A branch that skips layers makes a residual connection, through "
        "which gradients reach early layers unhindered.",
        _add,
        ports=BRANCHES,
        forward=_folded("torch.add"),
        flops=_each_once,
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
    LayerSpec(
        "Subtract",
        "Merge",
        "Takes the right branch from the left, value by value: how two things differ.",
        _alike("Subtract"),
        ports=PAIR,
        forward=_folded("torch.sub"),
        keywords="minus difference siamese",
        formula="y = x₁ − x₂",
        source="Koch, Zemel & Salakhutdinov (2015), Siamese Neural Networks, ICML Deep Learning Workshop",
    ),
    LayerSpec(
        "Multiply",
        "Merge",
        "Multiplies branches value by value: a gate, where one branch says how much of the other passes. An axis of "
        "length 1 counts for all places.",
        _multiply,
        ports=BRANCHES,
        forward=_folded("torch.mul"),
        flops=_each_once,
        keywords="product times gate hadamard squeeze excitation attention",
        formula="y = x₁·x₂·…",
        source="Hu, Shen & Sun (2018), Squeeze-and-Excitation Networks, CVPR",
    ),
    LayerSpec(
        "Average",
        "Merge",
        "Takes the mean of branches of one shape, value by value.",
        _alike("Average"),
        ports=BRANCHES,
        forward=lambda _p, _xs: call("torch.mean", call("torch.stack", AllIn()), dim=0),
        flops=lambda _p, xs, out: len(xs) * out.numel,
        keywords="mean branches ensemble",
        formula="y = (x₁ + x₂ + …) / n",
        source="Breiman (1996), Bagging Predictors, Machine Learning 24",
    ),
    LayerSpec(
        "Maximum",
        "Merge",
        "Keeps the largest of the branches, value by value, so that each learns where it is best.",
        _alike("Maximum"),
        ports=BRANCHES,
        forward=_folded("torch.maximum"),
        flops=_each_once,
        keywords="max branches maxout",
        formula="y = max(x₁, x₂, …)",
        source="Goodfellow et al. (2013), Maxout Networks, ICML",
    ),
    LayerSpec(
        "MatMul",
        "Merge",
        "Multiplies two matrices, each made by a branch: every row of the left with every column of the right.",
        _matmul,
        ports=PAIR,
        forward=_folded("torch.matmul"),
        flops=lambda _p, xs, out: 2 * xs[0].shape[-1] * out.numel,
        keywords="matrix product dot attention bmm",
        formula="y[i, j] = Σₖ x₁[i, k]·x₂[k, j]",
        source="Luong, Pham & Manning (2015), Effective Approaches to Attention-based NMT, EMNLP",
    ),
    LayerSpec(
        "CosineSimilarity",
        "Merge",
        "How alike two branches are along an axis: 1 for the same direction, 0 for a right angle, −1 for the opposite. "
        "The axis stays, with length 1.",
        _similarity,
        params=(Param("dim", "int", -1, -7, 6, label="Axis", help="Axis that is compared; -1 is the last."),),
        ports=PAIR,
        module=lambda p, _xs: call("nn.CosineSimilarity", dim=p["dim"]),
        forward=lambda p, _xs: call("torch.unsqueeze", call("self", In(0), In(1)), p["dim"]),
        flops=lambda _p, xs, _out: 6 * xs[0].numel,  # three products, each summed
        inner=lambda _p, xs: 2 * xs[0].numel,
        summary="axis {dim}",
        title="Cosine similarity",
        keywords="cosine angle distance siamese metric",
        formula="y = x₁·x₂ / (‖x₁‖·‖x₂‖)",
        source="Chopra, Hadsell & LeCun (2005), Learning a Similarity Metric Discriminatively, CVPR",
    ),
    LayerSpec(
        "GaussianSampling",
        "Merge",
        "Draws a random value around a mean, as wide as the log-variance says, so that gradients reach both: the heart "
        "of the variational autoencoder. In evaluation it gives the mean.",
        _alike("GaussianSampling"),
        ports=(Port("mean"), Port("log-variance")),
        module=lambda _p, _xs: call("modules.GaussianSampling"),
        forward=lambda _p, _xs: call("self", In(0), In(1)),
        flops=lambda _p, _xs, out: 4 * out.numel,
        title="Gaussian sampling",
        keywords="vae variational autoencoder reparameterization reparametrisation trick latent",
        formula="y = μ + e^(logσ²/2)·n, n standard normal",
        source="Kingma & Welling (2014), Auto-Encoding Variational Bayes, ICLR",
    ),
)
