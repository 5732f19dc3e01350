"""What the app knows of a built-in block: a small network of layers with a name and a few settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from builder.graph import Graph, Node
from builder.spec import Param, Params, TensorSpec


def as_given(_x: TensorSpec) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class BlockSpec:
    """``build(params)`` draws what is inside: its Input and Output nodes, in drawing order, are the block's ports.

    ``suit(x)`` gives the settings by which the block fits behind a tensor ``x``, such as the channels that come in.
    ``formula`` says what the block computes, ``source`` where it was first described.
    """

    name: str
    title: str
    help: str
    build: Callable[[Params], Graph]
    params: tuple[Param, ...]
    formula: str
    source: str
    suit: Callable[[TensorSpec], dict[str, Any]] = as_given
    keywords: str = ""

    def complete(self, params: Params) -> dict[str, Any]:
        """``params`` with the defaults of what is not given, each in the type of its kind."""
        return {p.name: p.coerce(params.get(p.name, p.default)) for p in self.params}

    def graph(self, **params: Any) -> Graph:
        """The inner graph for ``params``, missing ones at their defaults."""
        return self.build(self.complete(params))

    def node(self, id: str, repeat: int = 1, **params: Any) -> Node:
        """The block as a node to put into a drawing."""
        repeats = {"repeat": repeat} if repeat != 1 else {}
        return Node(id, "Block", repeats, self.title, inner=self.graph(**params))
