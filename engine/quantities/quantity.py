"""What a quantity is, and what it gets to see of one training step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from engine.events import Kind
from engine.quantities.vectors import Vectors
from engine.squares import Squares

Need = Literal["gradient", "weights", "update", "activations", "vectors"]
Array = NDArray[Any]
Cut = Callable[[Array], Array]
SAMPLE = 16_384  # values of one layer's output that are looked at
DIGITS = 6  # of a number in an event
SPREAD = 0.1  # share of the mean square that a variance has at least which is taken from it
TINY = 1e-290  # a number below it is told as 0
POWERS = np.array([float(f"1e{k}") for k in range(309)])


@dataclass(frozen=True)
class Measured:
    """A node whose output is measured. ``unit_axis`` is the axis of its units, the batch axis counted:
    1 for the channels of (batch, channel, height, width), −1 for the features of (batch, …, feature)."""

    id: str
    type: str
    kind: str
    unit_axis: int = -1


class Room:
    """Where outputs of these shapes and strides are laid end to end, unit by unit: kept as long as they stay the same,
    since to ask for memory is dearer than to fill it.

    ``counts`` and ``starts`` (node,) say which part of ``values`` (n,) each node has, ``units`` (node,) how many units.
    ``segments`` are where the units of the ReLU family begin, and all other nodes; ``segment_of`` has their nodes.
    """

    def __init__(self, nodes: Sequence[Measured], outputs: Sequence[Array]) -> None:
        self.cuts = [cut(node, output) for node, output in zip(nodes, outputs, strict=True)]
        seen = [c(output) for c, output in zip(self.cuts, outputs, strict=True)]
        self.first = [unit_first(node, output) for node, output in zip(nodes, seen, strict=True)]
        shapes = [output.transpose(axes).shape for output, axes in zip(seen, self.first, strict=True)]
        self.counts = np.array([math.prod(shape) for shape in shapes])
        self.starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]]).astype(np.intp)
        self.units = np.array([shape[0] for shape in shapes])
        self.relu = np.array([node.kind == "relu" for node in nodes])
        self.segments, self.segment_of = self._segments()
        self.values = np.empty(int(self.counts.sum()), np.float32)
        self.scratch = np.empty_like(self.values)
        self.parts = np.split(self.values, self.starts[1:])
        self.squares = Squares([[part] for part in self.parts])
        self._places = [part.reshape(shape) for part, shape in zip(self.parts, shapes, strict=True)]

    def _segments(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        each = np.where(self.relu, self.units, 1)
        of = np.repeat(np.arange(len(each)), each)
        number = np.arange(len(of)) - np.repeat(np.cumsum(each) - each, each)
        return self.starts[of] + number * (self.counts // each)[of], of

    def take(self, outputs: Sequence[Array]) -> list[Array]:
        """Copies what is looked at of ``outputs``; gives it as it lies in them."""
        seen = [c(output) for c, output in zip(self.cuts, outputs, strict=True)]
        for place, output, axes in zip(self._places, seen, self.first, strict=True):
            place[...] = output.transpose(axes)
        return seen


class Activations:
    """Outputs of several nodes laid end to end, so that one pass of NumPy serves all of them.

    ``outputs`` are arrays (batch, …), one per node. Of one larger than SAMPLE values a part stands for all: see
    ``cut``. ``room`` is that of earlier outputs of the same shapes, if there were some: they are overwritten.
    """

    def __init__(self, nodes: Sequence[Measured], outputs: Sequence[Array], room: Room | None = None) -> None:
        self.nodes, self.room = nodes, room or Room(nodes, outputs)
        self.outputs = self.room.take(outputs)
        self.counts, self.starts, self.values = self.room.counts, self.room.starts, self.room.values

    @cached_property
    def mean(self) -> Array:
        """(node,) float64."""
        mean: Array = np.add.reduceat(self.values, self.starts) / self.counts
        for i in np.flatnonzero(~np.isfinite(mean)):
            mean[i] = self.room.parts[i].mean(dtype=np.float64)
        return mean

    @cached_property
    def std(self) -> Array:
        """Of the population, (node,) float64."""
        square = self.room.squares() / self.counts
        variance = square - self.mean**2
        for i in np.flatnonzero(~(variance > SPREAD * square)):  # too few digits are left of it
            variance[i] = self.room.parts[i].var(dtype=np.float64)
        std: Array = np.sqrt(variance)
        return std


def unit_first(node: Measured, output: Array) -> tuple[int, ...]:
    """The axes of ``output``, that of the units in front."""
    unit = node.unit_axis % output.ndim
    return (unit, *(i for i in range(output.ndim) if i != unit))


def cut(node: Measured, output: Array) -> Cut:
    """Takes what is looked at of an output like this one (batch, …): all of it, up to SAMPLE values.

    Of a larger one whole examples at even distances; if one example is larger still, only it. Where the values of all
    examples lie side by side, as in the native lane, all examples of places at even distances instead: a place is what
    the units of an example have in common, like a pixel. What is told of such an output (mean, spread, shares,
    histogram) is then an estimate from about SAMPLE values.
    """
    unit, step = node.unit_axis % output.ndim, -(-output.size // SAMPLE)
    places = output.size // (len(output) * output.shape[unit])
    last = unit == output.ndim - 1
    if step <= 1 or output.strides[0] != min(output.strides) or places < step or not (last or unit == 1):
        return thin
    while math.gcd(step, output.shape[-2 if last else -1]) > 1:  # or only a few columns of an image would be seen
        step += 1
    if last:
        return lambda o: o.reshape(len(o), -1, o.shape[-1])[:, ::step]
    return lambda o: o.reshape(*o.shape[:2], -1)[:, :, ::step]


def thin(output: Array) -> Array:
    """Whole examples at even distances, SAMPLE values at most unless one example has more."""
    return output if output.size <= SAMPLE else output[:: -(-output.size // SAMPLE)]


@dataclass
class Seen:
    """One watched step. Norms are per layer (layer,), of all its parameters, in double precision.

    ``gradient`` is that of data loss and penalties before clipping; ``weights`` are those it was taken at;
    ``update`` is how far the step moved them. ``vectors`` has the same parameter by parameter, where it is asked for.
    """

    gradient: Array
    weights: Array
    update: Array
    activations: Activations | None
    vectors: Vectors | None = None


class Quantity:
    """``name`` is its field in an event. ``needs`` is what it reads, ``cost`` how often it passes over that."""

    name: ClassVar[str]
    needs: ClassVar[frozenset[Need]]
    cost: ClassVar[int]

    def measure(self, seen: Seen) -> Sequence[Any] | Array:
        """One entry per layer or per measured node; None where it does not apply."""
        raise NotImplementedError


class Reading:
    """What is read off a watched step when it is asked for. ``name`` is the kind of its event."""

    name: ClassVar[Kind]
    needs: ClassVar[frozenset[Need]]
    cost: ClassVar[int]

    def read(self, seen: Seen) -> dict[str, Any] | None:
        """The body of the event; None where this step has nothing to tell."""
        raise NotImplementedError


def numbers(values: Sequence[Any] | Array) -> list[float | None]:
    """JSON numbers of DIGITS significant digits; None for what does not apply and for NaN and infinity."""
    v = np.asarray(values, dtype=np.float64)
    size = np.abs(v)
    known = (size > TINY) & (size < np.inf)
    shift = DIGITS - 1 - np.floor(np.log10(size, where=known, out=np.zeros_like(v))).astype(np.intp)
    power, large = POWERS[np.abs(shift)], shift < 0  # only powers of ten from 1 on are exact
    with np.errstate(over="ignore"):
        digits = np.rint(np.where(large, v / power, v * power))
        rounded = np.where(large, digits * power, digits / power)
    rounded = np.where(known, rounded, np.where(size <= TINY, 0.0, np.nan))
    return [x if x == x else None for x in rounded.tolist()]


def number(value: float | None) -> float | None:
    return float(f"{value:.{DIGITS}g}") if value is not None and math.isfinite(value) else None
