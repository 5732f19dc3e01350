"""A graph beside the catalogue, and what the checks of validate.py ask of the two again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import networkx as nx

from builder.block import entries, inside, is_block, spec_of
from builder.diagnostic import Diagnostic, Fix
from builder.fixes import name
from builder.graph import Graph, Node
from builder.spec import LayerSpec

Catalog = Mapping[str, LayerSpec]


class Found(NamedTuple):
    """A problem, and the cures that come into question; infer.py keeps the first that works."""

    diagnostic: Diagnostic
    fixes: tuple[Fix, ...] = ()


@dataclass(frozen=True)
class Drawing:
    """A graph with what the rules ask of it again and again. ``in_block`` if it stands in a block."""

    graph: Graph
    catalog: Catalog
    in_block: bool = False

    @cached_property
    def known(self) -> dict[str, LayerSpec]:
        """The LayerSpec of every node whose type exists."""
        return {n.id: spec for n in self.graph.nodes if (spec := spec_of(n, self.catalog))}

    @cached_property
    def sources(self) -> list[str]:
        return [id for id, spec in self.known.items() if not spec.ports]

    @cached_property
    def sinks(self) -> list[str]:
        return [id for id, spec in self.known.items() if not spec.outputs]

    @cached_property
    def loose(self) -> list[str]:
        """Nodes that give something which nothing takes."""
        return [id for id, spec in self.known.items() if spec.outputs and not self.graph.outputs(id)]

    @cached_property
    def tip(self) -> list[str]:
        """The loose node, if there is exactly one: what a fix connects without guessing."""
        return self.loose if len(self.loose) == 1 else []

    @cached_property
    def unfed(self) -> list[str]:
        """Nodes that need something and get nothing at all."""
        return [id for id, spec in self.known.items() if spec.ports and not self.graph.inputs(id)]

    @cached_property
    def circles(self) -> list[list[str]]:
        """One shortest cycle per strongly connected part, each from its first-drawn node on."""
        place = {n.id: i for i, n in enumerate(self.graph.nodes)}
        g = self.graph.nx
        parts = [p for p in nx.strongly_connected_components(g) if len(p) > 1 or g.has_edge(*(tuple(p) * 2))]
        return [_shortest_cycle(g.subgraph(p), min(p, key=place.__getitem__)) for p in parts]

    @cached_property
    def behind_circles(self) -> set[str]:
        """Every node on a cycle or after one."""
        return reached([circle[0] for circle in self.circles], self.graph.nx.successors)

    def name(self, id: str) -> str:
        return name(self.graph, id)

    def readers(self, id: str, beyond: tuple[str, ...]) -> tuple[str, ...]:
        """Types of the layers that read what ``id`` gives; ``beyond`` are those that read what this block gives."""
        edges = [e for e in self.graph.outputs(id) if e.target in self.graph.by_id]
        return tuple(t for e in edges for t in readers_at(self.graph.by_id[e.target], e.port, beyond, self.in_block))


def readers_at(node: Node, port: int, beyond: tuple[str, ...], in_block: bool) -> tuple[str, ...]:
    """Types of the layers that read what comes into ``node``: it, or where it is a block those behind its port."""
    if in_block and node.type == "Output":
        return beyond
    return (node.type,) if not is_block(node) else readers_of(inside(node), port)


def readers_of(inner: Graph, port: int) -> tuple[str, ...]:
    """Types of the layers in a block that read what comes into its ``port``."""
    found = [edge for entry in entries(inner)[port : port + 1] for edge in inner.outputs(entry.id)]
    known = [e for e in found if e.target in inner.by_id]
    return tuple(t for e in known for t in readers_at(inner.by_id[e.target], e.port, (), in_block=True))


def reached(starts: Iterable[str], following: Callable[[str], Iterable[str]]) -> set[str]:
    """``starts`` and everything that ``following``, taken again and again, leads to."""
    found, waiting = set(starts), list(starts)
    while waiting:
        new = [n for n in following(waiting.pop()) if n not in found]
        found.update(new)
        waiting += new
    return found


def _shortest_cycle(g: nx.MultiDiGraph, start: str) -> list[str]:
    paths = (nx.shortest_path(g, after, start) for after in g.successors(start))
    return [start, *min(paths, key=len)[:-1]]
