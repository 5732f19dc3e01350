"""Which networks the kernel takes, and what it has to know of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from torch import nn

from builder.plan import Step, plan
from engine.lanes.native.kinds import ENCODER, BatchNorm, Layer, Shape, computed, kept, told

if TYPE_CHECKING:
    from torch import Tensor

    from engine.loop import Training


@dataclass(frozen=True)
class Chain:
    """``places`` says of every node where its output stands: 0 is the input, k + 1 what ``layers[k]`` gives. (A node
    like Flatten has no layer of its own.) ``shapes`` are those of one example, by node; ``counters`` tell how many
    batches the batch norms have seen; ``kept`` are the floats per example that all layers together remember for the
    way back."""

    layers: tuple[Layer, ...]
    places: dict[str, int]
    shapes: dict[str, Shape]
    dropouts: tuple[nn.Dropout, ...]
    counters: tuple[Tensor, ...]
    inputs: int
    outputs: int
    kept: int

    @property
    def sizes(self) -> list[int]:
        """Values per example at each place."""
        return [self.inputs, *(layer.outputs for layer in self.layers)]


class Unfit(Exception):
    """A network that the kernel does not take, with the reason in plain words."""


def chain(training: Training) -> Chain:
    """The network of ``training`` as a chain of the kernel's layers. Raises Unfit where it is none."""
    steps = plan(training.graph).steps
    shape: Shape = tuple(training.batches.x.shape[1:])
    inputs = prod(shape)
    layers: list[Layer] = []
    places, shapes, dropouts, counters, room = {}, {}, [], [], 0
    if any(not p.requires_grad for p in training.model.parameters()):
        raise Unfit("Some weights of this network are frozen, and the fast kernel moves all of them.")
    for before, step in zip((None, *steps), steps, strict=False):
        module = training.model.get_submodule(step.name) if step.module else None
        _follows(training, steps, before, step)
        for layer in _layers(training, step, module, shape):
            layer.kept, room = room, room + kept(layer)
            layers.append(layer)
        if isinstance(module, nn.Dropout):
            dropouts.append(module)
        if isinstance(module, BatchNorm):
            counters.append(module.get_buffer("num_batches_tracked"))
        shape = tuple(step.output.shape)
        places[step.node], shapes[step.node] = len(layers), shape
    if prod(shape) != training.objective.first.outputs:
        raise Unfit("The output of this network has another form than the fast kernel expects.")
    if not any(layer.kind <= ENCODER for layer in layers):
        raise Unfit("There is no layer with weights in this network for the fast kernel to speed up.")
    return Chain(tuple(layers), places, shapes, tuple(dropouts), tuple(counters), inputs, prod(shape), room)


def _follows(training: Training, steps: Sequence[Step], before: Step | None, step: Step) -> None:
    start = before.target if before else 0
    if step.sources != (start,):
        raise Unfit(
            f"The network branches at {_words(training, step)}, and the fast kernel takes chains of layers only."
        )
    if [other.name for other in steps].count(step.name) > 1:
        raise Unfit(f"{_words(training, step)} shares its weights, which the fast kernel cannot do.")


def _layers(training: Training, step: Step, module: nn.Module | None, shape: Shape) -> list[Layer]:
    gives = tuple(step.output.shape)
    if module is None:
        found = computed(step.forward, shape, gives)
    else:
        found = told(module, step.forward, shape, gives, lambda p: _place(training, p))
    if found is None:
        what = training.network.graph.by_id[step.node].type
        raise Unfit(
            f"{_words(training, step)} ({what}) is not one of the layers that the fast kernel knows (dense layers, "
            "convolution, pooling, RNN, LSTM and GRU in one direction, embeddings, positions, transformer encoder "
            "layers without dropout, LayerNorm, BatchNorm, mean over a sequence, simple activations, dropout)."
        )
    return found


def _place(training: Training, parameter: Tensor | None) -> int:
    """Where ``parameter`` begins in the flat parameters; −1 if there is none."""
    if parameter is None:
        return -1
    weights = training.flat.weights
    return (parameter.data_ptr() - weights.data_ptr()) // weights.element_size()


def _words(training: Training, step: Step) -> str:
    return f"'{training.network.graph.by_id[step.node].label or step.node}'"
