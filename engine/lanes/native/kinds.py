"""The layers that the kernel has, and how each of torch's modules is told to it."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Structure, c_double, c_int64, c_void_p
from math import prod
from operator import floordiv, mod
from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn

from builder import modules
from builder.spec import Call, Expression

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
Shape = tuple[int, ...]
Place = Callable[[Tensor | None], int]
"""Where a parameter begins in the flat parameters; −1 for None."""

(
    LINEAR, CONV, RNN, LSTM, GRU, PROJECT, EMBEDDING, POSITIONS, NORM, BATCH_NORM, ENCODER,
    MAX_POOL, AVG_POOL, MEAN, SWAP, ADD, CONCAT,
    DROPOUT, RELU, LEAKY_RELU, ELU, SILU, GELU, SIGMOID, TANH,
) = range(25)  # see layers.h  # fmt: skip
MERGING = (ADD, CONCAT)
SELU_SLOPE, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # Klambauer et al. 2017


class Layer(Structure):
    """A layer as the kernel sees it: field by field as in layers.h."""

    _fields_ = (
        *(
            (name, c_int64)
            for name in ("kind", "inputs", "outputs", "weight", "bias", "source", "second", "at", "wait")
        ),
        ("slope", c_double),
        ("scale", c_double),
        *((name, c_int64) for name in ("channels", "high", "wide", "filters", "tall", "broad")),
        *((name, c_int64 * 2) for name in ("kernel", "stride", "pad", "dilation")),
        *((name, c_int64) for name in ("steps", "features", "hidden", "sequence", "hidden_weight", "hidden_bias")),
        *((name, c_int64) for name in ("kept", "rows", "heads", "activation", "causal", "first")),
        *((name, c_int64 * 2) for name in ("mixing", "joining", "rising", "falling")),
        ("norms", c_int64 * 4),
        ("eps", c_double),
        ("table", c_void_p),
        ("averages", c_void_p * 2),
    )


def told(module: nn.Module, call: Expression, given: Shape, gives: Shape, place: Place) -> list[Layer] | None:
    """``module`` as layers of the kernel, none where values pass as they lie in memory; None where it has no such.

    ``call`` is how it is called, ``given`` and ``gives`` are the shapes of one example before and after it.
    """
    match module:
        case nn.Flatten() | nn.Unflatten() | nn.Identity():
            return []
        case nn.Linear() if len(gives) == 1:
            return [_weighted(LINEAR, module, given, gives, place)]
        case nn.Linear() if len(gives) == 2:
            layer = _weighted(PROJECT, module, given, gives, place)
            layer.steps, layer.features, layer.hidden = given[0], given[1], gives[1]
            return [layer]
        case nn.Embedding() if len(given) == 1:
            return [_sequence(EMBEDDING, given, gives, place(module.weight), rows=module.num_embeddings)]
        case modules.LearnedPositions():
            return [_sequence(POSITIONS, given, gives, place(module.weight))]
        case modules.SinusoidalPositions():
            return [_sequence(POSITIONS, given, gives, -1, table=module.positions.data_ptr())]
        case nn.LayerNorm() if len(module.normalized_shape) == 1 and len(gives) <= 2:
            own = {"bias": place(module.bias), "eps": module.eps}
            return [_sequence(NORM, given, gives, place(module.weight), **own)]
        case nn.BatchNorm1d() | nn.BatchNorm2d() | nn.BatchNorm3d():
            return [_batch_norm(module, given, place)]
        case nn.TransformerEncoderLayer():
            return _encoder(module, call, given, place)
        case nn.Conv1d() | nn.Conv2d() if module.groups == 1 and module.padding_mode == "zeros":
            layer = _weighted(CONV, module, given, gives, place)
            return [_windowed(layer, module, given, gives, _left(module), module.dilation)]
        case nn.MaxPool1d() | nn.MaxPool2d() if not module.ceil_mode:
            return [_windowed(_plain(MAX_POOL, given, gives), module, given, gives, module.padding, module.dilation)]
        case nn.AdaptiveAvgPool1d() | nn.AdaptiveAvgPool2d() if not any(map(mod, given[1:], gives[1:])):
            return [_evenly(_plain(AVG_POOL, given, gives), given, gives)]
        case nn.AvgPool1d() | nn.AvgPool2d() if not module.ceil_mode:
            return [_windowed(_plain(AVG_POOL, given, gives), module, given, gives, module.padding, 1)]
        case nn.RNN() | nn.LSTM() | nn.GRU() if not module.bidirectional and not (
            module.dropout and module.num_layers > 1
        ):
            return _stacked(module, given, gives, place)
    return _elementwise(module, given)


def _plain(kind: int, given: Shape, gives: Shape) -> Layer:
    return Layer(kind=kind, inputs=prod(given), outputs=prod(gives), weight=-1, bias=-1, scale=1)


def _weighted(kind: int, module: nn.Module, given: Shape, gives: Shape, place: Place) -> Layer:
    layer = _plain(kind, given, gives)
    layer.weight, layer.bias = place(module.weight), place(module.bias)  # type: ignore[arg-type]
    return layer


def _windowed(layer: Layer, window: Any, given: Shape, gives: Shape, pad: object, dilation: object) -> Layer:
    """A signal (channel, time) is an image of one row."""
    layer.channels, layer.high, layer.wide = (given[0], *_two(given[1:], 1))
    layer.filters, layer.tall, layer.broad = (gives[0], *_two(gives[1:], 1))
    one_row = len(given) == 2
    layer.kernel, layer.stride = _pair(window.kernel_size, one_row, 1), _pair(window.stride, one_row, 1)
    layer.pad, layer.dilation = _pair(pad, one_row, 0), _pair(dilation, one_row, 1)
    return layer


def _evenly(layer: Layer, given: Shape, gives: Shape) -> Layer:
    """Windows side by side that cover all that is given."""
    window = tuple(map(floordiv, given[1:], gives[1:]))
    return _windowed(layer, SimpleNamespace(kernel_size=window, stride=window), given, gives, 0, 1)


def _left(module: nn.Conv1d | nn.Conv2d) -> object:
    """The zeros before the first row and column; how many come after the last follows from what comes out."""
    if module.padding != "same":
        return module.padding
    return tuple(d * (k - 1) // 2 for d, k in zip(module.dilation, module.kernel_size, strict=True))


def _pair(value: object, one_row: bool, alone: int) -> tuple[int, int]:
    """Of rows and of columns; ``alone`` is the value of rows where there is but one."""
    each = value if isinstance(value, tuple) else (value,) * (1 if one_row else 2)
    return _two(each, alone)


def _two(each: tuple[Any, ...], alone: int) -> tuple[int, int]:
    return (alone, each[0]) if len(each) == 1 else (each[0], each[1])


def _sequence(kind: int, given: Shape, gives: Shape, weight: int, **own: Any) -> Layer:
    """A layer that treats the steps of (step, feature) alike; of one vector as a single step."""
    steps = gives[0] if len(gives) == 2 else 1
    return Layer(kind=kind, inputs=prod(given), outputs=prod(gives), steps=steps, features=gives[-1], weight=weight,
                 **{"bias": -1, **own})  # fmt: skip


def _batch_norm(module: BatchNorm, given: Shape, place: Place) -> Layer:
    """Its running averages are written where they are; who runs the kernel counts the batches."""
    layer = _plain(BATCH_NORM, given, given)
    layer.weight, layer.bias, layer.channels = place(module.weight), place(module.bias), given[0]
    layer.eps, layer.slope = module.eps, module.momentum
    layer.averages = tuple(module.get_buffer(name).data_ptr() for name in ("running_mean", "running_var"))
    return layer


def _encoder(module: nn.TransformerEncoderLayer, call: Expression, given: Shape, place: Place) -> list[Layer] | None:
    """None where it drops values, which torch draws in an order of its own."""
    attention = module.self_attn
    if attention.dropout or module.dropout.p or module.dropout1.p or module.dropout2.p or module.norm1.bias is None:
        return None
    layer = _sequence(ENCODER, given, given, -1, eps=module.norm1.eps, first=int(module.norm_first))
    layer.heads, layer.hidden = attention.num_heads, module.linear1.out_features
    layer.activation = RELU if module.activation_relu_or_gelu == 1 else GELU
    layer.causal = int(isinstance(call, Call) and dict(call.kwargs).get("is_causal", False))
    layer.mixing = place(attention.in_proj_weight), place(attention.in_proj_bias)
    for name, part in (("joining", attention.out_proj), ("rising", module.linear1), ("falling", module.linear2)):
        setattr(layer, name, (place(part.weight), place(part.bias)))
    norms = (module.norm1, module.norm2)
    layer.norms = tuple(place(p) for norm in norms for p in (norm.weight, norm.bias))
    return [layer]


def computed(call: Expression, given: Shape, gives: Shape) -> list[Layer] | None:
    """A function without weights as layers: the mean over the steps of a sequence; none where values stay as they lie.
    None where it is another."""
    match call:
        case Call("torch.reshape"):
            return []
        case Call("torch.permute", (_, order)):
            order = [axis - 1 for axis in order[1:] if given[axis - 1] > 1]  # one of a single place can stand anywhere
            if order == sorted(order):
                return []
            if len(order) == 2:
                return [Layer(kind=SWAP, inputs=prod(given), outputs=prod(given), steps=given[order[1]],
                              features=given[order[0]])]  # fmt: skip
        case Call("torch.mean") if dict(call.kwargs)["dim"] in (1, -2) and len(given) == 2:
            return [Layer(kind=MEAN, inputs=prod(given), outputs=prod(gives), steps=given[0], features=given[1])]
    return None


def merged(call: Expression, first: Shape, second: Shape) -> tuple[Layer, Shape] | None:
    """Two branches, whose shapes are given, as one by ``call``, and its shape. None where they meet in another way."""
    match call:
        case Call("torch.add"):
            return _plain(ADD, first, first), first
        case Call("torch.cat"):
            dim = int(dict(call.kwargs)["dim"])
            axis = dim - 1 if dim > 0 else len(first) + dim
            gives = (*first[:axis], first[axis] + second[axis], *first[axis + 1 :])
            layer = _plain(CONCAT, first, gives)
            layer.steps, layer.features, layer.hidden = prod(first[:axis]), prod(first[axis:]), prod(second[axis:])
            return layer, gives
    return None


def _stacked(module: nn.RNNBase, given: Shape, gives: Shape, place: Place) -> list[Layer]:
    """One layer of the kernel for each of the module's. All but the last hand the whole sequence on."""
    found, steps, hidden = [], given[0], module.hidden_size
    for k in range(module.num_layers):
        last = k == module.num_layers - 1
        layer = _plain(MEMORIES[module.mode], (steps, hidden if k else given[1]), gives if last else (steps, hidden))
        layer.steps, layer.features, layer.hidden = steps, layer.inputs // steps, hidden
        layer.activation = RELU if module.mode == "RNN_RELU" else TANH
        layer.sequence = not last or len(gives) == 2
        named = dict(module.named_parameters())
        layer.weight, layer.hidden_weight = place(named[f"weight_ih_l{k}"]), place(named[f"weight_hh_l{k}"])
        layer.bias, layer.hidden_bias = place(named.get(f"bias_ih_l{k}")), place(named.get(f"bias_hh_l{k}"))
        found.append(layer)
    return found


def _elementwise(module: nn.Module, given: Shape) -> list[Layer] | None:
    kind = KINDS.get(type(module))
    if kind is None or (isinstance(module, nn.GELU) and module.approximate != "none"):
        return None
    layer = _plain(kind, given, given)
    match module:
        case nn.LeakyReLU():
            layer.slope = module.negative_slope
        case nn.ELU():
            layer.slope = module.alpha
        case nn.SELU():
            layer.slope, layer.scale = SELU_SLOPE, SELU_SCALE
    return [layer]


KINDS: dict[type[nn.Module], int] = {
    nn.Dropout: DROPOUT,
    nn.ReLU: RELU,
    nn.LeakyReLU: LEAKY_RELU,
    nn.ELU: ELU,
    nn.SELU: ELU,
    nn.SiLU: SILU,
    nn.GELU: GELU,
    nn.Sigmoid: SIGMOID,
    nn.Tanh: TANH,
}

MEMORIES = {"RNN_TANH": RNN, "RNN_RELU": RNN, "LSTM": LSTM, "GRU": GRU}  # by the mode of torch's module
KEPT = {RNN: 2, LSTM: 6, GRU: 5}  # floats per step and unit of the memory: recurrent.h


def kept(layer: Layer) -> int:
    """Floats per example that a layer remembers from its way forward to its way back: recurrent.h, batch_norm.h,
    norm.h, encoder.h."""
    steps, features = int(layer.steps), int(layer.features)
    if layer.kind in KEPT:
        return steps * KEPT[layer.kind] * int(layer.hidden)
    if layer.kind == BATCH_NORM:
        return int(layer.outputs + layer.channels)
    if layer.kind == NORM:
        return steps * (features + 1)
    if layer.kind == ENCODER:
        return steps * (6 * features + 4 + int(layer.hidden) + int(layer.heads) * (steps + 1))
    return 0
