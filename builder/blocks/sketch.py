"""Draws a graph layer by layer: each layer stands one column behind what it reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from builder.graph import Edge, Graph, Node

COLUMN, ROW = 230.0, 150.0  # px from one layer to the next


class Sketch:
    """The graph so far, in ``graph``. ``row`` places a layer below or above the others: side branches read so."""

    def __init__(self) -> None:
        self.graph = Graph()
        self._columns: dict[str, int] = {}

    def add(self, type_: str, *sources: str, row: float = 0, label: str = "", **params: Any) -> str:
        """A new layer that reads ``sources`` at its ports 0, 1, …; returns its id."""
        return self._place(Node(self.graph.fresh_id(type_), type_, params, label), sources, row)

    def block(self, inner: Graph, *sources: str, name: str = "block", row: float = 0, label: str = "") -> str:
        """A block that holds ``inner``; its id begins with ``name``."""
        return self._place(Node(self.graph.fresh_id(name), "Block", {}, label, inner=inner), sources, row)

    def chain(self, source: str, *layers: str | tuple[str, dict[str, Any]], row: float = 0) -> str:
        """Layers behind each other, each a type or a type with its params; returns the id of the last."""
        for layer in layers:
            type_, params = (layer, {}) if isinstance(layer, str) else layer
            source = self.add(type_, source, row=row, **params)
        return source

    def _place(self, node: Node, sources: tuple[str, ...], row: float) -> str:
        column = 1 + max((self._columns[s] for s in sources), default=-1)
        self._columns[node.id] = column
        edges = [Edge(source, node.id, port) for port, source in enumerate(sources)]
        self.graph = self.graph.add(replace(node, position=(column * COLUMN, row * ROW)), edges)
        return node.id
