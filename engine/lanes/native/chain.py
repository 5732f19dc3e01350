"""Which networks the kernel takes, and what it has to know of them."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import Structure, c_double, c_int64
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from torch import nn

from builder.plan import Step, plan

if TYPE_CHECKING:
    from torch import Tensor

    from engine.loop import Training

LINEAR, DROPOUT, RELU, LEAKY_RELU, ELU, SILU, SIGMOID, TANH = range(8)  # as in layers.h
SELU_SLOPE, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # Klambauer et al. 2017


class Layer(Structure):
    """A layer as the kernel sees it: see layers.h."""

    _fields_ = (
        ("kind", c_int64),
        ("inputs", c_int64),
        ("outputs", c_int64),
        ("weight", c_int64),
        ("bias", c_int64),
        ("slope", c_double),
        ("scale", c_double),
    )


@dataclass(frozen=True)
class Chain:
    """``places`` says of every node where its output stands: 0 is the input, k + 1 what ``layers[k]`` gives. (A node
    like Flatten has no layer of its own.) ``shapes`` are those of one example, by node."""

    layers: tuple[Layer, ...]
    places: dict[str, int]
    shapes: dict[str, tuple[int, ...]]
    dropouts: tuple[nn.Dropout, ...]
    inputs: int
    outputs: int

    @property
    def sizes(self) -> list[int]:
        """Values per example at each place."""
        return [self.inputs, *(layer.outputs for layer in self.layers)]


class Unfit(Exception):
    """A network that the kernel does not take, with the reason in plain words."""


def chain(training: Training) -> Chain:
    """The network of ``training`` as a chain of the kernel's layers. Raises Unfit where it is none."""
    steps = plan(training.graph).steps
    inputs = prod(training.data.x_train.shape[1:])
    layers: list[Layer] = []
    places, shapes, dropouts, width = {}, {}, [], inputs
    if any(not p.requires_grad for p in training.model.parameters()):
        raise Unfit("Some weights of this network are frozen, and the fast kernel moves all of them.")
    for before, step in zip((None, *steps), steps, strict=False):
        module = training.model.get_submodule(step.name) if step.module else None
        _follows(training, steps, before, step)
        layer = _layer(training, step, module, width)
        if layer is not None:
            layers.append(layer)
            width = layer.outputs
        if isinstance(module, nn.Dropout):
            dropouts.append(module)
        places[step.node], shapes[step.node] = len(layers), tuple(step.output.shape)
    if width != training.data.outputs:
        raise Unfit("The output of this network has another form than the fast kernel expects.")
    if not any(layer.kind == LINEAR for layer in layers):
        raise Unfit("There is no dense layer in this network for the fast kernel to speed up.")
    return Chain(tuple(layers), places, shapes, tuple(dropouts), inputs, width)


def _follows(training: Training, steps: Sequence[Step], before: Step | None, step: Step) -> None:
    start = before.target if before else 0
    if step.sources != (start,):
        raise Unfit(
            f"The network branches at {_words(training, step)}, and the fast kernel takes chains of layers only."
        )
    if [other.name for other in steps].count(step.name) > 1:
        raise Unfit(f"{_words(training, step)} shares its weights, which the fast kernel cannot do.")


def _layer(training: Training, step: Step, module: nn.Module | None, width: int) -> Layer | None:
    """None for a node that passes its values on as they lie in memory."""
    if isinstance(module, nn.Linear) and len(step.output.shape) == 1:
        weight, bias = _place(training, module.weight), _place(training, module.bias)
        return Layer(LINEAR, module.in_features, module.out_features, weight, bias, 0, 0)
    if type(module) in PASSING:
        return None
    slope, scale = _curve(module)
    if type(module) not in KINDS:
        what = training.graph.by_id[step.node].type
        raise Unfit(
            f"{_words(training, step)} ({what}) is not one of the layers that the fast kernel knows (dense layers on "
            "one vector, simple activations, dropout)."
        )
    return Layer(KINDS[type(module)], width, width, -1, -1, slope, scale)


KINDS: dict[type[nn.Module] | type[None], int] = {
    nn.Dropout: DROPOUT,
    nn.ReLU: RELU,
    nn.LeakyReLU: LEAKY_RELU,
    nn.ELU: ELU,
    nn.SELU: ELU,
    nn.SiLU: SILU,
    nn.Sigmoid: SIGMOID,
    nn.Tanh: TANH,
}
PASSING = (nn.Flatten, nn.Identity)


def _curve(module: nn.Module | None) -> tuple[float, float]:
    """Slope and scale of an activation that has them."""
    match module:
        case nn.LeakyReLU():
            return module.negative_slope, 1.0
        case nn.ELU():
            return module.alpha, 1.0
        case nn.SELU():
            return SELU_SLOPE, SELU_SCALE
    return 0.0, 1.0


def _place(training: Training, parameter: Tensor | None) -> int:
    """Where ``parameter`` begins in the flat parameters; −1 if there is none."""
    if parameter is None:
        return -1
    weights = training.flat.weights
    return (parameter.data_ptr() - weights.data_ptr()) // weights.element_size()


def _words(training: Training, step: Step) -> str:
    return f"'{training.graph.by_id[step.node].label or step.node}'"
