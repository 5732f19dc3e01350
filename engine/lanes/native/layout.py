"""Which networks the kernel takes, and what it has to know of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from torch import nn

from builder.plan import Step, plan
from engine.lanes.native import kinds
from engine.lanes.native.kinds import ENCODER, MERGING, BatchNorm, Layer, Shape, computed, kept, merged, told

if TYPE_CHECKING:
    from torch import Tensor

    from engine.loop import Training


# How PyTorch has the values of a batch in memory: example by example, or of a sequence step by step.
EXAMPLES, STEPS, OTHERWISE = "examples", "steps", "otherwise"


@dataclass(frozen=True)
class Layout:
    """``places`` says of every node where its output stands: 0 is the input, k + 1 what ``layers[k]`` gives. (A node
    like Flatten has no layer of its own, an Add of three branches has two.) ``shapes`` are those of one example, by
    node; ``counters`` tell how many batches the batch norms have seen. Per example, ``kept`` are the floats that all
    layers together remember for the way back, and ``awaited`` those of gradients that wait for a branch."""

    layers: tuple[Layer, ...]
    places: dict[str, int]
    shapes: dict[str, Shape]
    dropouts: tuple[nn.Dropout, ...]
    counters: tuple[Tensor, ...]
    inputs: int
    outputs: int
    kept: int
    awaited: int

    @property
    def sizes(self) -> list[int]:
        """Values per example at each place."""
        return [self.inputs, *(layer.outputs for layer in self.layers)]


class Unfit(Exception):
    """A network that the kernel does not take, with the reason in plain words."""


def layout(training: Training) -> Layout:
    """The network of ``training`` as the kernel's layers. Raises Unfit where it cannot be."""
    if any(not p.requires_grad for p in training.model.parameters()):
        raise Unfit("Some weights of this network are frozen, and the fast kernel moves all of them.")
    draft = _Draft(training)
    for step in plan(training.graph).steps:
        draft.take(step)
    if prod(draft.shape) != training.objective.first.outputs:
        raise Unfit("The output of this network has another form than the fast kernel expects.")
    if not any(layer.kind <= ENCODER for layer in draft.layers):
        raise Unfit("There is no layer with weights in this network for the fast kernel to speed up.")
    return draft.done()


class _Draft:
    """A Layout in the making: the layers so far, and where the outputs stand that are still to be read."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.shape: Shape = tuple(training.batches.x.shape[1:])  # of what was taken last
        self.inputs = prod(self.shape)
        self.standing = {0: (0, self.shape, EXAMPLES)}  # by the registers of the plan: place, shape, order
        self.layers: list[Layer] = []
        self.places: dict[str, int] = {}
        self.shapes: dict[str, Shape] = {}
        self.dropouts: list[nn.Dropout] = []
        self.counters: list[Tensor] = []
        self.names: set[str] = set()  # of modules

    def take(self, step: Step) -> None:
        module = self.training.model.get_submodule(step.name) if step.module else None
        if step.shared or step.name in self.names:
            raise Unfit(f"{self._words(step)} shares its weights, which the fast kernel cannot do.")
        self.names.add(step.name)
        place, self.shape, order = self.standing[step.sources[0]]
        if len(step.sources) > 1:
            place, order = self._merge(step, place, order)
        else:
            layers = self._layers(step, module)
            if isinstance(module, nn.Dropout):
                self._drop(step, module, layers[0], order)
            order = _ordered(module, layers, order)
            for layer in layers:
                place = self._put(layer, place)
        if isinstance(module, BatchNorm):
            self.counters.append(module.get_buffer("num_batches_tracked"))
        self.shape = tuple(step.output.shape)
        self.standing[step.target] = place, self.shape, order
        self.places[step.node], self.shapes[step.node] = place, self.shape

    def _drop(self, step: Step, module: nn.Dropout, layer: Layer, order: str) -> None:
        """torch draws a mask in the order in which the values lie, and so does this lane."""
        if order == OTHERWISE:
            raise Unfit(
                f"PyTorch has the values that {self._words(step)} drops in an order that the fast kernel has not."
            )
        if order == STEPS:
            layer.steps, layer.features = self.shape
        self.dropouts.append(module)

    def _merge(self, step: Step, place: int, order: str) -> tuple[int, str]:
        """Of more than two branches each in turn with what those before it gave."""
        for source in step.sources[1:]:
            other, theirs, another = self.standing[source]
            found = merged(step.forward, self.shape, theirs)
            if found is None:
                raise self._unknown(step)
            layer, self.shape = found
            place = self._put(layer, place, other)
            order = EXAMPLES if layer.kind == kinds.CONCAT else order if order == another else OTHERWISE
        return place, order

    def _put(self, layer: Layer, source: int, second: int = 0) -> int:
        """Appends ``layer``; the place of its output."""
        before = self.layers[-1] if self.layers else None
        layer.source, layer.second = source, second
        layer.at = before.at + before.outputs if before else self.inputs
        layer.kept = before.kept + kept(before) if before else 0
        self.layers.append(layer)
        return len(self.layers)

    def _layers(self, step: Step, module: nn.Module | None) -> list[Layer]:
        gives = tuple(step.output.shape)
        if module is None:
            found = computed(step.forward, self.shape, gives)
        else:
            found = told(module, step.forward, self.shape, gives, lambda p: _place(self.training, p))
        if found is None:
            raise self._unknown(step)
        return found

    def done(self) -> Layout:
        awaited = _wait(self.layers)
        last = self.layers[-1]
        return Layout(
            tuple(self.layers), self.places, self.shapes, tuple(self.dropouts), tuple(self.counters), self.inputs,
            prod(self.shape), last.kept + kept(last), awaited,
        )  # fmt: skip

    def _unknown(self, step: Step) -> Unfit:
        what = self.training.network.graph.by_id[step.node].type
        return Unfit(
            f"{self._words(step)} ({what}) is not one of the layers that the fast kernel knows (dense layers, "
            "convolution, pooling, RNN, LSTM and GRU in one direction, embeddings, positions, transformer encoder "
            "layers without dropout, LayerNorm, BatchNorm, mean over a sequence, Add, Concat, simple activations, "
            "dropout)."
        )

    def _words(self, step: Step) -> str:
        return f"'{self.training.network.graph.by_id[step.node].label or step.node}'"


def _ordered(module: nn.Module | None, layers: Sequence[Layer], order: str) -> str:
    """The order of what comes out of one node, given that of what goes in."""
    if not layers:
        looks = order == EXAMPLES or isinstance(module, nn.Identity)
        return order if looks else EXAMPLES if isinstance(module, nn.Flatten) else OTHERWISE
    last = layers[-1]
    if last.kind in (kinds.RNN, kinds.LSTM, kinds.GRU) and last.sequence:
        return STEPS
    if last.kind == kinds.SWAP or (last.kind == ENCODER and last.first):
        return OTHERWISE
    return order if last.kind >= kinds.DROPOUT or last.kind == kinds.POSITIONS else EXAMPLES


def _wait(layers: Sequence[Layer]) -> int:
    """Gives a gradient room to wait where it does not come from the next layer alone; floats per example of it all."""
    readers: dict[int, list[int]] = {}
    for k, layer in enumerate(layers):
        merging = layer.kind in MERGING
        for place in (layer.source, layer.second) if merging else (layer.source,):
            readers.setdefault(place, []).append(-1 if merging else k)
    room = 0
    for k, layer in enumerate(layers[:-1]):
        direct = readers[k + 1] == [k + 1]
        layer.wait, room = (-1, room) if direct else (room, room + layer.outputs)
    layers[-1].wait = -1
    return room


def _place(training: Training, parameter: Tensor | None) -> int:
    """Where ``parameter`` begins in the flat parameters; −1 if there is none."""
    if parameter is None:
        return -1
    weights = training.flat.weights
    return (parameter.data_ptr() - weights.data_ptr()) // weights.element_size()
