"""From what a rule proposes to edits of this drawing."""

from __future__ import annotations

from dataclasses import replace

from builder.diagnostic import Fix
from builder.edit import AddNode, Connect, Edit, RemoveNode, SetParams, apply
from builder.graph import Edge, Graph, Node

GAP = 220.0  # canvas pixels from one layer to the next


def name(graph: Graph, id: str) -> str:
    """How a message calls the node: its id, after its label if it has one."""
    label = graph.by_id[id].label if id in graph.by_id else ""
    return f"{label} ({id})" if label else id


def resolve(graph: Graph, node: str, fix: Fix) -> Fix:
    """``fix`` of a shape rule with this node's id in place of ``""`` and new layers put on the connection.

    The convention is in ARCHITECTURE.md, "Fixes from shape rules".
    """
    edits: list[Edit] = []
    now = graph
    for edit, following in zip(fix.edits, (*fix.edits[1:], None), strict=True):
        match edit:
            case SetParams(id=""):
                new: tuple[Edit, ...] = (SetParams(node, edit.params),)
            case AddNode(node=Node(id="")):
                new = before(now, node, _port(following), edit.node)
            case RemoveNode(id=""):
                new = without(now, node)
            case Connect(edge=Edge(source="", target="")):
                new = ()
            case _:
                new = (edit,)
        now = apply(now, new)
        edits += new
    return replace(fix, edits=tuple(edits))


def before(graph: Graph, target: str, index: int, layer: Node) -> tuple[Edit, ...]:
    """Puts ``layer`` on the connection that is input number ``index`` of ``target``."""
    edge = graph.inputs(target)[index]
    (x0, y0), (x1, y1) = graph.by_id[edge.source].position, graph.by_id[target].position
    new = replace(layer, id=graph.fresh_id(layer.type), position=((x0 + x1) / 2, (y0 + y1) / 2))
    return AddNode(new), Connect(Edge(edge.source, new.id)), Connect(Edge(new.id, target, edge.port))


def without(graph: Graph, node: str) -> tuple[Edit, ...]:
    """Removes ``node`` and connects what feeds its first input to what it feeds."""
    source = graph.inputs(node)[0].source
    return RemoveNode(node), *(Connect(Edge(source, e.target, e.port)) for e in graph.outputs(node))


def in_front(graph: Graph, type_: str, target: str, port: int) -> Fix:
    """Adds a layer that feeds a free port of ``target``."""
    x, y = graph.by_id[target].position
    new = Node(graph.fresh_id(type_), type_, position=(x - GAP, y))
    return Fix(f"Add an {type_} before {name(graph, target)}", (AddNode(new), Connect(Edge(new.id, target, port))))


def behind(graph: Graph, type_: str, source: str) -> Fix:
    """Adds a layer that takes what ``source`` gives."""
    x, y = graph.by_id[source].position
    new = Node(graph.fresh_id(type_), type_, position=(x + GAP, y))
    return Fix(f"Add an {type_} after {name(graph, source)}", (AddNode(new), Connect(Edge(source, new.id))))


def join(graph: Graph, source: str, target: str, port: int) -> Fix:
    return Fix(f"Connect {name(graph, source)} to {name(graph, target)}", (Connect(Edge(source, target, port)),))


def _port(edit: Edit | None) -> int:
    """The port that ``Connect(Edge("", "", port))`` after an AddNode names; else the first."""
    return edit.edge.port if isinstance(edit, Connect) and edit.edge.source == edit.edge.target == "" else 0
