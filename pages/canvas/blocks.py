"""What the canvas asks of Python about blocks: to group, to take apart, and to insert one of the built-in ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder.block import BLOCK, at, entries
from builder.blocks import BY_NAME
from builder.blocks.spec import BlockSpec
from builder.diagnostic import Refused
from builder.document import from_json, to_json
from builder.edit import AddNode, Connect, Disconnect, Edit, apply, within
from builder.graph import Edge, Graph, Node
from builder.grouping import group, ungroup
from builder.infer import Inference
from builder.spec import TensorSpec
from pages.canvas.doc import Doc
from pages.canvas.paths import numbered

MOST = 60  # characters of a title


@dataclass(frozen=True)
class Insertion:
    """A built-in block that the user wants: where on the canvas, within which block ("" for none), and which wire it
    is led into or which node feeds it."""

    spec: BlockSpec
    place: tuple[float, float]
    within: str
    wire: Edge | None = None
    source: str | None = None

    @property
    def feeder(self) -> str | None:
        return self.wire.source if self.wire else self.source

    def given(self, inference: Inference) -> TensorSpec | None:
        """What will come into the block, if that is known."""
        if self.feeder is None:
            return None
        path = f"{self.within}.{self.feeder}" if self.within else self.feeder
        info = inference.nodes.get(numbered(inference.graph, path))
        return info.output if info else None


def asked(doc: Doc, sent: object) -> Insertion | None:
    """Does what the browser ``sent`` (Asked in frontend/src/types.ts), or says why not. What is to be inserted is
    given back, since its settings are for the user to choose."""
    graph = at(doc.graph, doc.open)
    try:
        match sent:
            case {"do": "group", "ids": list(ids), "title": str(title)}:
                depth = len(doc.open.split(".")) if doc.open else 0
                _selected(doc, group(graph, [i for i in ids if isinstance(i, str)], title[:MOST], depth))
            case {"do": "ungroup", "id": str(id)} if id in graph.by_id and graph.by_id[id].type == BLOCK.type:
                _selected(doc, ungroup(graph, id))
            case {"do": "insert", "name": str(name), "at": [int() | float() as x, int() | float() as y]}:
                return _insertion(doc, sent, name, (float(x), float(y)))
    except Refused as refused:
        doc.ask("say", text=refused.diagnostics[0].text)
    return None


def _insertion(doc: Doc, sent: object, name: str, place: tuple[float, float]) -> Insertion | None:
    assert isinstance(sent, Mapping)
    graph, spec = at(doc.graph, doc.open), BY_NAME.get(name)
    if spec is None:
        return None
    match sent.get("onto"):
        case str(source) if source in graph.by_id:
            return Insertion(spec, place, doc.open, source=source)
        case {"source": source, "target": target, "port": port}:
            wire = next((e for e in graph.edges if (e.source, e.target, e.port) == (source, target, port)), None)
            return Insertion(spec, place, doc.open, wire=wire)
    return Insertion(spec, place, doc.open)


def insert(doc: Doc, wanted: Insertion, params: Mapping[str, Any]) -> None:
    """Puts the block with ``params`` into the drawing as one undo step, and selects it. Raises Refused."""
    graph, spec = at(doc.graph, wanted.within), wanted.spec
    node = Node(graph.fresh_id(spec.name), BLOCK.type, {}, spec.title, wanted.place, spec.graph(**params))
    edits = within(wanted.within, [AddNode(node), *_wires(graph, node, wanted)])
    readable(apply(doc.graph, edits))
    doc.command(edits)
    doc.ask("select", f"{wanted.within}.{node.id}" if wanted.within else node.id)


def readable(graph: Graph) -> None:
    """Raises Refused where ``graph`` could be drawn and not be opened again: too large, or too many blocks deep."""
    from_json(to_json(graph))


def _wires(graph: Graph, node: Node, wanted: Insertion) -> list[Edit]:
    """Into the first input, and on to what the wire fed. Further inputs are for the user to connect."""
    if wanted.wire and wanted.wire in graph.edges:
        on = Edge(node.id, wanted.wire.target, wanted.wire.port)
        return [Disconnect(wanted.wire), Connect(Edge(wanted.wire.source, node.id)), Connect(on)]
    if wanted.source in graph.by_id and node.inner and entries(node.inner):
        return [Connect(Edge(str(wanted.source), node.id))]
    return []


def _selected(doc: Doc, edits: tuple[Edit, ...]) -> None:
    """Applies ``edits`` within the block that is open, and selects what they add."""
    before, path = doc.open, f"{doc.open}." if doc.open else ""
    doc.change(before, edits)
    doc.ask("select", *(path + e.node.id for e in edits if isinstance(e, AddNode)))
