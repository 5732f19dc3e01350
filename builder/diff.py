"""What differs between two drawings: layers by their id, parameters with both values, connections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from builder.block import inside
from builder.catalog import BY_TYPE
from builder.graph import Edge, Graph, Node

Mark = Literal["added", "removed", "changed"]
ROOM = (150.0, 110.0)  # canvas pixels that a layer takes up, across and down


@dataclass(frozen=True)
class Changed:
    """A layer that is in both drawings and not the same; ``what`` is (name, old value, new value)."""

    node: Node
    what: tuple[tuple[str, Any, Any], ...]


@dataclass(frozen=True)
class Diff:
    """From one drawing to another.

    ``noted`` are notes as (old text, new text), "" for one that is not there. ``moved`` counts the layers that only
    stand elsewhere.
    """

    added: tuple[Node, ...] = ()
    removed: tuple[Node, ...] = ()
    changed: tuple[Changed, ...] = ()
    connected: tuple[Edge, ...] = ()
    disconnected: tuple[Edge, ...] = ()
    noted: tuple[tuple[str, str], ...] = ()
    moved: int = 0

    @property
    def same(self) -> bool:
        """Whether both are the same, wherever the layers stand."""
        found = (self.added, self.removed, self.changed, self.connected, self.disconnected, self.noted)
        return not any(found)

    def node_marks(self) -> dict[str, Mark]:
        marks: dict[str, Mark] = {n.id: "added" for n in self.added}
        marks |= {n.id: "removed" for n in self.removed}
        return marks | {c.node.id: "changed" for c in self.changed}

    def edge_marks(self) -> dict[Edge, Mark]:
        marks: dict[Edge, Mark] = dict.fromkeys(self.connected, "added")
        return marks | dict.fromkeys(self.disconnected, "removed")


def diff(old: Graph, new: Graph) -> Diff:
    """A parameter that is written out at its default is the same as one left out."""
    both = [(old.by_id[n.id], n) for n in new.nodes if n.id in old.by_id]
    changes = [(a, Changed(b, _what(a, b))) for a, b in both]
    before, after = dict.fromkeys(old.edges), dict.fromkeys(new.edges)
    was, now = ({n.id: n.text for n in graph.notes} for graph in (old, new))
    texts = [(was.get(id, ""), now.get(id, "")) for id in dict.fromkeys([*was, *now])]
    return Diff(
        added=tuple(n for n in new.nodes if n.id not in old.by_id),
        removed=tuple(n for n in old.nodes if n.id not in new.by_id),
        changed=tuple(c for _, c in changes if c.what),
        connected=tuple(e for e in after if e not in before),
        disconnected=tuple(e for e in before if e not in after),
        noted=tuple(pair for pair in texts if pair[0] != pair[1]),
        moved=sum(a.position != c.node.position and not c.what for a, c in changes),
    )


def merged(old: Graph, new: Graph) -> Graph:
    """Both drawings in one: ``new``, and what is gone from ``old`` where it stood or, if that is taken, below."""
    found = diff(old, new)
    nodes = list(new.nodes)
    for gone in found.removed:
        x, y = gone.position
        while any(abs(x - n.position[0]) < ROOM[0] and abs(y - n.position[1]) < ROOM[1] for n in nodes):
            y += ROOM[1]
        nodes.append(replace(gone, position=(x, y)))
    return Graph(tuple(nodes), (*new.edges, *found.disconnected), new.notes)


def _what(old: Node, new: Node) -> tuple[tuple[str, Any, Any], ...]:
    before, after = ({"type": n.type, "name": n.label, **_params(n)} for n in (old, new))
    names = dict.fromkeys([*before, *after])
    own = ((n, before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n))
    return (*own, *_within(old, new))


def _within(old: Node, new: Node) -> Iterator[tuple[str, Any, Any]]:
    """What differs in a block, as if it were of the block: a layer by its type, a connection by its input."""
    found = diff(inside(old), inside(new))
    yield from ((n.id, None, n.type) for n in found.added)
    yield from ((n.id, n.type, None) for n in found.removed)
    yield from ((f"{c.node.id} {name}", before, after) for c in found.changed for name, before, after in c.what)
    yield from ((f"{e.source} → {e.target}", None, f"input {e.port + 1}") for e in found.connected)
    yield from ((f"{e.source} → {e.target}", f"input {e.port + 1}", None) for e in found.disconnected)
    yield from (("note", before, after) for before, after in found.noted)


def _params(node: Node) -> dict[str, Any]:
    spec = BY_TYPE.get(node.type)
    return spec.complete(node.params) if spec else dict(node.params)
