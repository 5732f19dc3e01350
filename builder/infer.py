"""Everything that follows from a graph: shapes, weights, cost and Diagnostics per node. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from builder.block import drawn
from builder.catalog import BY_TYPE
from builder.diagnostic import Diagnostic, Fix
from builder.draft import draft
from builder.drawing import Catalog, Drawing, Found
from builder.edit import apply
from builder.flatten import flatten
from builder.graph import Graph
from builder.layer import NodeInfo
from builder.spec import TensorSpec

__all__ = ["Inference", "NodeInfo", "checked", "infer"]
CHECKED_NODES = 2_000  # fixes are tried out as long as this many nodes have not been inferred for it
CLOSED = ("graph/no-input", "graph/empty")
UNFED = ("graph/unreachable", "graph/missing-port")
Key = tuple[str, str, str | None, str | None]


@dataclass(frozen=True)
class Inference:
    """What follows for a graph.

    ``nodes`` are those of the drawing and all that is in its blocks, by their ids in the flattened graph (see
    flatten.py); what holds for a block is the sum of what is in it. ``Diagnostic.node`` is a path of the drawing,
    ``res_1.conv_1`` however often ``res_1`` repeats. ``order`` is the topological order of the layers, those in blocks
    too, that are not behind a cycle. ``inputs`` and ``outputs`` are those of the network.
    """

    graph: Graph
    nodes: Mapping[str, NodeInfo]
    diagnostics: tuple[Diagnostic, ...]
    order: tuple[str, ...]
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]

    @cached_property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "error")

    @property
    def ok(self) -> bool:
        return not self.errors

    @cached_property
    def params(self) -> int:
        return sum(self.nodes[n.id].params for n in self.graph.nodes)

    @cached_property
    def flops(self) -> int:
        return sum(self.nodes[n.id].flops for n in self.graph.nodes)

    @cached_property
    def flat(self) -> Inference:
        """What follows for the flattened graph; itself if there are no blocks."""
        flat = flatten(self.graph)
        return self if flat is self.graph else infer(flat)

    def inside(self, block: str) -> dict[str, NodeInfo]:
        """What follows for the nodes in ``block`` (a path of the drawing), by their ids there.

        Where it repeats, the first time counts, as the drawing has only one.
        """
        found: dict[str, NodeInfo] = {}
        for id, info in self.nodes.items():
            path, _, name = drawn(id).rpartition(".")
            if path == block:
                found.setdefault(name, info)
        return found


def infer(graph: Graph, catalog: Catalog = BY_TYPE) -> Inference:
    """Walks the graph once, past errors: what hangs on a broken node stays silent.

    Diagnostics come in drawing order, those of the whole drawing first, and offer only fixes that work.
    """
    found = draft(graph, catalog)
    before = _keys(found.found)
    tries = max(4, CHECKED_NODES // max(1, len(found.nodes)))
    diagnostics = []
    for diagnostic, fixes in _causes(found.found):
        for fix in fixes[: max(0, tries)]:
            tries -= 1
            if _cures(fix, graph, diagnostic, before, catalog):
                diagnostic = replace(diagnostic, fix=fix)
                break
        diagnostics.append(diagnostic)
    return _inference(graph, catalog, found.nodes, tuple(diagnostics), tuple(found.order))


def _causes(found: list[Found]) -> list[Found]:
    """``found`` without what only follows: nothing can reach a block that has no Input, nor what is in it."""
    closed = {f.diagnostic.node for f in found if f.diagnostic.code in CLOSED}

    def follows(d: Diagnostic) -> bool:
        block = (d.node or "").rpartition(".")[0]
        return (d.code == "graph/unreachable" and d.node in closed) or (d.code in UNFED and block in closed)

    return [f for f in found if not follows(f.diagnostic)]


def checked(graph: Graph, diagnostic: Diagnostic, catalog: Catalog = BY_TYPE) -> Diagnostic:
    """``diagnostic`` with its fix only if that, applied to a copy, cures it and brings no new error."""
    before = _keys(draft(graph, catalog).found)
    works = diagnostic.fix and _cures(diagnostic.fix, graph, diagnostic, before, catalog)
    return diagnostic if works else replace(diagnostic, fix=None)


def _cures(fix: Fix, graph: Graph, diagnostic: Diagnostic, before: set[Key], catalog: Catalog) -> bool:
    found = draft(apply(graph, fix.edits), catalog).found
    now = _keys(found)
    errors = _keys([f for f in found if f.diagnostic.severity == "error"])
    return _key(diagnostic) not in now and errors <= before


def _key(d: Diagnostic) -> Key:
    return d.code, d.severity, d.node, d.field


def _keys(found: list[Found]) -> set[Key]:
    return {_key(f.diagnostic) for f in found}


def _inference(
    graph: Graph,
    catalog: Catalog,
    nodes: dict[str, NodeInfo],
    diagnostics: tuple[Diagnostic, ...],
    order: tuple[str, ...],
) -> Inference:
    by_node: dict[str, list[Diagnostic]] = {}
    for d in diagnostics:
        for path in _up(d.node or ""):
            by_node.setdefault(path, []).append(d)
    full = {
        id: replace(n, diagnostics=tuple(by_node[path])) if (path := drawn(id)) in by_node else n
        for id, n in nodes.items()
    }
    known = Drawing(graph, catalog).known
    ends = [(id, out, spec) for id, spec in known.items() if (out := full[id].output)]
    inputs = {id: out for id, out, spec in ends if not spec.ports}
    outputs = {id: out for id, out, spec in ends if not spec.outputs}
    return Inference(graph, full, diagnostics, order, inputs, outputs)


def _up(path: str) -> list[str]:
    """``a.b.c``, ``a.b`` and ``a``: what is wrong in a block is told at the block too."""
    parts = path.split(".")
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
