"""The drawn network: an immutable value. An edit returns a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import networkx as nx


@dataclass(frozen=True)
class Node:
    """A layer on the canvas.

    ``id`` is machine-made (``conv2d_1``), ``label`` free text; ``params`` hold what differs from the default.
    ``position`` is the left upper corner in canvas pixels, y downwards. A block (see block.py) has an ``inner`` graph.
    """

    id: str
    type: str
    params: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    position: tuple[float, float] = (0.0, 0.0)
    inner: Graph | None = None


@dataclass(frozen=True)
class Edge:
    """A tensor that flows from ``source`` to input ``port`` (0-based) of ``target``."""

    source: str
    target: str
    port: int = 0


@dataclass(frozen=True)
class Note:
    """A text that is stuck on the drawing, for readers; it takes no part in the computation.

    ``position`` is the left upper corner, ``size`` width and height, both in canvas pixels.
    """

    id: str
    text: str = ""
    position: tuple[float, float] = (0.0, 0.0)
    size: tuple[float, float] = (200.0, 90.0)


@dataclass(frozen=True)
class Graph:
    """Nodes, edges, and notes for the reader.

    Nothing is checked here: a half-drawn network is a value too (see infer.py).
    """

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    notes: tuple[Note, ...] = ()

    @cached_property
    def text(self) -> str:
        """All of it, as Python writes it: the same text if and only if the same graph, down to 1 and True."""
        return repr((self.nodes, self.edges, self.notes))

    @cached_property
    def by_id(self) -> dict[str, Node]:
        return {n.id: n for n in self.nodes}

    @cached_property
    def nx(self) -> nx.MultiDiGraph:
        """The networkx view, edges keyed by port. Edges to or from unknown nodes are left out."""
        g = nx.MultiDiGraph()
        g.add_nodes_from(n.id for n in self.nodes)
        ids = self.by_id
        g.add_edges_from((e.source, e.target, e.port) for e in self.edges if e.source in ids and e.target in ids)
        return g

    @cached_property
    def _into(self) -> dict[str, tuple[Edge, ...]]:
        found: dict[str, list[Edge]] = {}
        for e in sorted(self.edges, key=lambda e: e.port):
            found.setdefault(e.target, []).append(e)
        return {node: tuple(edges) for node, edges in found.items()}

    @cached_property
    def _out_of(self) -> dict[str, tuple[Edge, ...]]:
        found: dict[str, list[Edge]] = {}
        for e in self.edges:
            found.setdefault(e.source, []).append(e)
        return {node: tuple(edges) for node, edges in found.items()}

    def inputs(self, node: str) -> tuple[Edge, ...]:
        """The edges into ``node``, in port order."""
        return self._into.get(node, ())

    def outputs(self, node: str) -> tuple[Edge, ...]:
        """The edges out of ``node``, in drawing order."""
        return self._out_of.get(node, ())

    def order(self) -> list[str]:
        """Node ids, sources first, ties in drawing order. Raises networkx.NetworkXUnfeasible on a cycle."""
        place = {n.id: i for i, n in enumerate(self.nodes)}
        return list(nx.lexicographical_topological_sort(self.nx, key=place.__getitem__))

    def fresh_id(self, type_: str) -> str:
        base, k = type_.lower(), 1
        while f"{base}_{k}" in self.by_id:
            k += 1
        return f"{base}_{k}"

    def add(self, node: Node, edges: Iterable[Edge] = ()) -> Graph:
        return replace(self, nodes=(*self.nodes, node), edges=(*self.edges, *edges))

    def remove(self, node: str) -> Graph:
        kept = tuple(e for e in self.edges if node not in (e.source, e.target))
        return replace(self, nodes=tuple(n for n in self.nodes if n.id != node), edges=kept)

    def connect(self, edge: Edge) -> Graph:
        """Connects, taking the place of what was on that port."""
        kept = (e for e in self.edges if (e.target, e.port) != (edge.target, edge.port))
        return replace(self, edges=(*kept, edge))

    def disconnect(self, edge: Edge) -> Graph:
        return replace(self, edges=tuple(e for e in self.edges if e != edge))

    def set_params(self, node: str, params: Mapping[str, Any]) -> Graph:
        return self._update(node, lambda n: replace(n, params={**n.params, **params}))

    def set_label(self, node: str, label: str) -> Graph:
        return self._update(node, lambda n: replace(n, label=label))

    def move(self, node: str, position: tuple[float, float]) -> Graph:
        return self._update(node, lambda n: replace(n, position=position))

    def set_inner(self, node: str, inner: Graph) -> Graph:
        return self._update(node, lambda n: replace(n, inner=inner))

    def _update(self, node: str, change: Callable[[Node], Node]) -> Graph:
        return replace(self, nodes=tuple(change(n) if n.id == node else n for n in self.nodes))
