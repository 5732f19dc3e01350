"""What a quantity is, and what it gets to see of one training step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from engine.events import Kind
from engine.quantities.vectors import Vectors

Need = Literal["gradient", "weights", "update", "activations", "vectors"]
Array = NDArray[Any]
SAMPLE = 16_384  # values of one layer's output that are looked at


@dataclass(frozen=True)
class Measured:
    """A node whose output is measured. ``unit_axis`` is the axis of its units, the batch axis counted:
    1 for the channels of (batch, channel, height, width), −1 for the features of (batch, …, feature)."""

    id: str
    type: str
    kind: str
    unit_axis: int = -1


class Activations:
    """Outputs of several nodes laid end to end, so that one pass of NumPy serves all of them.

    ``outputs`` are arrays (batch, …), one per node. Of one larger than SAMPLE values whole examples are taken
    at even distances, since the units of an example belong together; if one example is larger still, only it.
    """

    def __init__(self, nodes: Sequence[Measured], outputs: Sequence[Array]) -> None:
        self.nodes = nodes
        self.outputs = [thin(a) for a in outputs]
        self.counts = np.array([a.size for a in self.outputs])
        self.starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]]).astype(np.intp)
        self.values: Array = np.concatenate([a.ravel(order="K") for a in self.outputs])

    @cached_property
    def mean(self) -> Array:
        """(node,) float64."""
        mean: Array = self.total(self.values) / self.counts
        return mean

    @cached_property
    def mean_square(self) -> Array:
        """(node,) float64."""
        mean: Array = self.total(np.square(self.values, dtype=np.float64)) / self.counts
        return mean

    def total(self, values: Array) -> Array:
        """Sums of ``values`` over each node's part, in double precision: (node,)."""
        return np.add.reduceat(values, self.starts, dtype=np.float64)


def thin(output: Array) -> Array:
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
    """JSON numbers of 6 significant digits; None for what does not apply and for NaN and infinity."""
    return [number(v) for v in values]


def number(value: float | None) -> float | None:
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None
