"""What is pasted onto the canvas: read with the distrust that any file meets, and put among what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from builder.block import at
from builder.catalog import BY_TYPE
from builder.diagnostic import Refused
from builder.document import loads
from builder.edit import AddNode, AddNote, Connect, Edit, apply, within
from builder.graph import Edge, Graph, Node
from pages.canvas.blocks import readable
from pages.canvas.doc import Doc

GRID = 10  # canvas pixels, as nodes snap there
WIDE, HIGH = 170, 90  # canvas pixels that a layer takes up
MOST_TOLD = 3


def paste(doc: Doc, sent: object) -> None:
    """Adds the network in what the browser ``sent`` ({text, at: [x, y]}) to the block that is open, as one undo step,
    or says why it is none."""
    match sent:
        case {"text": str(text), "at": [int() | float() as x, int() | float() as y]}:
            pass
        case _:
            return
    try:
        found = loads(text)
    except Refused as refused:
        told = " ".join(d.text for d in refused.diagnostics[:MOST_TOLD])
        doc.ask("say", text=f"What was pasted is not a network. {told}")
        return
    edits, ids = added(at(doc.graph, doc.open), found, (float(x), float(y)))
    try:
        readable(apply(doc.graph, within(doc.open, edits)))
    except Refused as refused:
        doc.ask("say", text=refused.diagnostics[0].text)
        return
    if edits:
        path = f"{doc.open}." if doc.open else ""
        doc.change(doc.open, edits)
        doc.ask("select", *(path + id for id in ids))


def added(graph: Graph, found: Graph, middle: tuple[float, float]) -> tuple[list[Edit], tuple[str, ...]]:
    """The edits that put ``found`` into ``graph`` around ``middle``, and the ids that its parts get there."""
    twin = _twins(graph, found)
    dx, dy = _shift(graph, found, middle)

    def moved(position: tuple[float, float]) -> tuple[float, float]:
        return position[0] + dx, position[1] + dy

    def params(node: Node) -> Mapping[str, object]:
        """A setting that names another layer names its copy."""
        named = {p.name for p in BY_TYPE[node.type].params if p.kind == "node"}
        return {k: twin.get(v, v) if k in named else v for k, v in node.params.items()}

    nodes = [AddNode(replace(n, id=twin[n.id], params=params(n), position=moved(n.position))) for n in found.nodes]
    wires = [Connect(Edge(twin[e.source], twin[e.target], e.port)) for e in found.edges]
    notes = [AddNote(replace(n, id=twin[n.id], position=moved(n.position))) for n in found.notes]
    return [*nodes, *wires, *notes], tuple(twin.values())


def _twins(graph: Graph, found: Graph) -> dict[str, str]:
    """New ids: an id is kept where it is free."""
    used = {*graph.by_id, *(n.id for n in graph.notes)}
    twin = {}
    for id, base in [*((n.id, n.type.lower()) for n in found.nodes), *((n.id, "note") for n in found.notes)]:
        k, new = 1, id
        while new in used:
            new, k = f"{base}_{k}", k + 1
        used.add(new)
        twin[id] = new
    return twin


def _shift(graph: Graph, found: Graph, middle: tuple[float, float]) -> tuple[float, float]:
    """From where the parts stood to around ``middle``, or below what they would cover there."""
    places = _places(found) or [(0.0, 0.0)]
    low, high = ([pick(p[k] for p in places) for k in (0, 1)] for pick in (min, max))
    dx, dy = (round((middle[k] - (low[k] + high[k]) / 2) / GRID) * GRID for k in (0, 1))
    beside = [y for x, y in _places(graph) if low[0] + dx - WIDE < x < high[0] + dx + WIDE]
    while covered := [y for y in beside if low[1] + dy - HIGH < y < high[1] + dy + HIGH]:
        dy = round((max(covered) + HIGH - low[1]) / GRID) * GRID
    return float(dx), float(dy)


def _places(graph: Graph) -> list[tuple[float, float]]:
    return [*(n.position for n in graph.nodes), *(n.position for n in graph.notes)]
