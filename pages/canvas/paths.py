"""Nodes by their path in the drawing: ``res_1.conv_1`` stands in the block ``res_1``."""

from __future__ import annotations

from collections.abc import Iterator

from builder.block import inside, is_block, prefixes
from builder.graph import Graph, Node


def walk(graph: Graph, before: str = "", flat: str = "") -> Iterator[tuple[str, str, Node]]:
    """Every node that is drawn, those in blocks too: its path, its id in the flattened graph, and itself.

    Of a block that repeats, the ids of the first time count.
    """
    for node in graph.nodes:
        yield before + node.id, flat + node.id, node
        if is_block(node):
            yield from walk(inside(node), f"{before}{node.id}.", prefixes(node, flat)[0])


def find(graph: Graph, path: str) -> Node | None:
    """The node at ``path``, if there is one."""
    node = None
    for id in path.split("."):
        node = graph.by_id.get(id)
        if node is None:
            return None
        graph = inside(node)
    return node


def split(path: str) -> tuple[str, str]:
    """Path of the block that a node stands in ("" for none), and its id there."""
    block, _, id = path.rpartition(".")
    return block, id


def above(path: str) -> list[str]:
    """``path`` itself and the blocks around it, nearest first."""
    parts = path.split(".")
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]


def numbered(graph: Graph, path: str) -> str:
    """The id of the node at ``path`` in the flattened graph, the first time where it repeats."""
    return next((flat for found, flat, _ in walk(graph) if found == path), path)
