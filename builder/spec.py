"""The vocabulary of the catalogue: what the app knows of a layer, from which everything else is derived."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from builder.diagnostic import Diagnostic
from builder.params import check, coerce

Shape = tuple[int, ...]
DType = Literal["float32", "int64"]
Params = Mapping[str, Any]
MAX_DIM = 10_000_000
MAX_NUMEL = 2**31  # values in one tensor, or in the weights of one layer: 8 GB in float32


@dataclass(frozen=True)
class TensorSpec:
    """A tensor without its batch axis: ``shape``, ``dtype`` and the meaning of each axis.

    ``axes`` uses "channel", "height", "width", "time", "feature"; it is "" where nothing is known.
    """

    shape: Shape
    dtype: DType = "float32"
    axes: tuple[str, ...] = ()

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    def __str__(self) -> str:
        return " × ".join(map(str, self.shape)) or "scalar"


ParamKind = Literal["int", "float", "bool", "choice", "ints", "node", "name"]


@dataclass(frozen=True)
class Param:
    """One setting with its range; forms, checks, command lines and documents all read it.

    ``low`` and ``high`` are inclusive and hold for every entry of an "ints" value (1 to 6 whole numbers).
    An "int" with several ``axes`` is one number for all of them, or one for each: 3 or (3, 5). A "node" is the
    id of another layer, a "name" an identifier or "". ``optional`` admits None ("not set"). ``log`` asks for a
    logarithmic slider.
    """

    name: str
    kind: ParamKind
    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    label: str = ""
    help: str = ""
    symbol: str = ""
    optional: bool = False
    log: bool = False
    axes: int = 1

    @property
    def title(self) -> str:
        return self.label or self.name.replace("_", " ").capitalize()

    def check(self, value: Any) -> Diagnostic | None:
        """None if ``value`` is acceptable, else a Diagnostic with code ``param/...`` and ``field`` set."""
        return check(self, value)

    def coerce(self, value: Any) -> Any:
        """``value`` in the type of this kind where nothing is lost: 3.0 for an int is 3, a list of ints a tuple."""
        return coerce(self, value)


@dataclass(frozen=True)
class Port:
    """An input of a layer. A ``variadic`` port stands last and takes any number of edges (at least two)."""

    name: str
    variadic: bool = False


@dataclass(frozen=True)
class In:
    """In a Call: the tensor at input port ``index``."""

    index: int = 0


@dataclass(frozen=True)
class AllIn:
    """In a Call: the list of all input tensors, in port order."""


@dataclass(frozen=True)
class Item:
    """In a Call: ``of[key]``; ``key`` is an int, a slice or a tuple of them."""

    of: Call | Item | In
    key: Any


@dataclass(frozen=True)
class Call:
    """One call, which is both executed and printed, so that module and exported source cannot differ.

    ``target`` is "self" (the layer's own module), "nn.X" (also "nn.functional.x"), "torch.x" or "modules.X" (ours,
    in modules.py). Arguments are literals, In, AllIn, Item or Call.
    """

    target: str
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()


Expression = Call | Item


def call(target: str, *args: Any, **kwargs: Any) -> Call:
    return Call(target, args, tuple(kwargs.items()))


Inputs = tuple[TensorSpec, ...]
FORWARD = call("self", In())


def nothing(_p: Params, _x: Inputs) -> dict[str, Shape]:
    return {}


def no_advice(_p: Params, _x: Inputs, _readers: tuple[str, ...]) -> Diagnostic | None:
    return None


@dataclass(frozen=True)
class LayerSpec:
    """All that the app knows of a layer type.

    ``infer(params, inputs)`` gives the output or the Diagnostic that says why not. ``advise(params, inputs,
    types of the layers that read the output)`` warns of what torch accepts but is most likely a mistake; it is
    asked only where ``infer`` gave an output. Both get complete, checked params. ``weights`` gives the
    trainable tensors by their torch name. ``module`` is the constructor (None for a pure function),
    ``forward`` the expression that is evaluated per batch. ``flops`` counts one forward pass of one example
    (a multiply-add is 2); ``inner`` the values that it keeps inside for the backward pass, besides its output.
    ``summary`` is a format string over params, shown on the node. ``kind`` marks
    what the engine treats apart: dropout layers, ReLU family ("relu"), saturating ("sigmoid", "tanh").
    """

    type: str
    group: str
    help: str
    infer: Callable[[Params, Inputs], TensorSpec | Diagnostic]
    params: tuple[Param, ...] = ()
    ports: tuple[Port, ...] = (Port("input"),)
    weights: Callable[[Params, Inputs], dict[str, Shape]] = nothing
    module: Callable[[Params, Inputs], Call] | None = None
    forward: Callable[[Params, Inputs], Expression] = lambda _p, _x: FORWARD
    advise: Callable[[Params, Inputs, tuple[str, ...]], Diagnostic | None] = no_advice
    flops: Callable[[Params, Inputs, TensorSpec], int] = lambda _p, _x, out: out.numel
    inner: Callable[[Params, Inputs], int] = lambda _p, _x: 0
    title: str = ""
    summary: str = ""
    keywords: str = ""
    formula: str = ""
    source: str = ""
    kind: str = ""
    outputs: int = 1

    def complete(self, params: Params) -> dict[str, Any]:
        """``params`` with the defaults of what is not given, each in the type of its kind."""
        return {p.name: p.coerce(params.get(p.name, p.default)) for p in self.params}

    @property
    def variadic(self) -> bool:
        return bool(self.ports) and self.ports[-1].variadic

    def has_port(self, port: int) -> bool:
        return port >= 0 and (port < len(self.ports) or self.variadic)

    def port_name(self, port: int) -> str:
        return self.ports[min(port, len(self.ports) - 1)].name

    def free_ports(self, taken: set[int]) -> list[int]:
        """The ports that must still be connected; a variadic one asks for more until it has two."""
        last = len(self.ports) - 1
        if not self.variadic:
            return [p for p in range(last + 1) if p not in taken]
        several = sum(p >= last for p in taken)
        following = max([last - 1, *taken]) + 1
        return [p for p in range(last) if p not in taken] + list(range(following, following + 2 - several))
