"""A graph as the JSON of a document: what is at its default is left out."""

from __future__ import annotations

from typing import Any

from builder.graph import Graph, Node


def body(graph: Graph) -> dict[str, Any]:
    """``{"nodes", "edges"}``, and ``"notes"`` where there are any; blocks have theirs in ``"inner"``."""
    edges = [{"source": e.source, "target": e.target, "port": e.port} for e in graph.edges]
    notes = [{"id": n.id, "text": n.text, "position": list(n.position), "size": list(n.size)} for n in graph.notes]
    found: dict[str, Any] = {"nodes": [_node(n) for n in graph.nodes], "edges": edges}
    return found | ({"notes": notes} if notes else {})


def _node(n: Node) -> dict[str, Any]:
    optional = {"params": dict(n.params), "label": n.label}
    kept = {key: value for key, value in optional.items() if value}
    inner = {"inner": body(n.inner)} if n.inner is not None else {}
    return {"id": n.id, "type": n.type, **kept, "position": list(n.position), **inner}
