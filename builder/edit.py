"""Edits as values: a Diagnostic carries them as its fix; Python and the canvas apply the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from builder.graph import Edge, Graph, Node, Note
from builder.written import body


@dataclass(frozen=True)
class AddNode:
    node: Node

    def apply(self, graph: Graph) -> Graph:
        return graph.add(self.node)

    def to_json(self) -> dict[str, Any]:
        inner = {"inner": body(self.node.inner)} if self.node.inner else {}
        own = asdict(replace(self.node, inner=None, params={}))
        del own["inner"]
        return {"op": "add_node", "node": {**own, "params": dict(self.node.params), **inner}}


@dataclass(frozen=True)
class AddNote:
    note: Note

    def apply(self, graph: Graph) -> Graph:
        return replace(graph, notes=(*graph.notes, self.note))

    def to_json(self) -> dict[str, Any]:
        return {"op": "add_note", "note": asdict(self.note)}


@dataclass(frozen=True)
class RemoveNode:
    id: str

    def apply(self, graph: Graph) -> Graph:
        return graph.remove(self.id)

    def to_json(self) -> dict[str, Any]:
        return {"op": "remove_node", "id": self.id}


@dataclass(frozen=True)
class SetParams:
    id: str
    params: Mapping[str, Any]

    def apply(self, graph: Graph) -> Graph:
        return graph.set_params(self.id, self.params)

    def to_json(self) -> dict[str, Any]:
        return {"op": "set_params", "id": self.id, "params": dict(self.params)}


@dataclass(frozen=True)
class SetLabel:
    id: str
    label: str

    def apply(self, graph: Graph) -> Graph:
        return graph.set_label(self.id, self.label)

    def to_json(self) -> dict[str, Any]:
        return {"op": "set_label", "id": self.id, "label": self.label}


@dataclass(frozen=True)
class Connect:
    edge: Edge

    def apply(self, graph: Graph) -> Graph:
        return graph.connect(self.edge)

    def to_json(self) -> dict[str, Any]:
        return {"op": "connect", "edge": asdict(self.edge)}


@dataclass(frozen=True)
class Disconnect:
    edge: Edge

    def apply(self, graph: Graph) -> Graph:
        return graph.disconnect(self.edge)

    def to_json(self) -> dict[str, Any]:
        return {"op": "disconnect", "edge": asdict(self.edge)}


@dataclass(frozen=True)
class Inside:
    """Edits of what is in the block ``id``; its repeats are one drawing, so all of them change."""

    id: str
    edits: tuple[Edit, ...]

    def apply(self, graph: Graph) -> Graph:
        block = graph.by_id.get(self.id)
        return graph.set_inner(self.id, apply(block.inner, self.edits)) if block and block.inner else graph

    def to_json(self) -> dict[str, Any]:
        return {"op": "inside", "id": self.id, "edits": [e.to_json() for e in self.edits]}


Edit = AddNode | AddNote | RemoveNode | SetParams | SetLabel | Connect | Disconnect | Inside


def within(block: str, edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """``edits`` of what is in the block at the path ``block`` ("" is the drawing itself), seen from the whole."""
    for id in reversed(block.split(".") if block else []):
        edits = (Inside(id, tuple(edits)),)
    return tuple(edits)


def apply(graph: Graph, edits: Iterable[Edit]) -> Graph:
    for edit in edits:
        graph = edit.apply(graph)
    return graph
