"""Everything that follows from a graph: shapes, weights, cost and Diagnostics per node. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from builder.catalog import BY_TYPE
from builder.diagnostic import Diagnostic, Fix
from builder.drawing import Catalog, Drawing, Found
from builder.edit import SetParams, apply
from builder.fixes import resolve
from builder.graph import Graph, Node
from builder.params import check_all, nearest, number, shown
from builder.sharing import owner, sharing
from builder.spec import MAX_DIM, MAX_NUMEL, Inputs, LayerSpec, Param, Shape, TensorSpec
from builder.validate import structure

CHECKED_NODES = 2_000  # fixes are tried out as long as this many nodes have not been inferred for it
Key = tuple[str, str, str | None, str | None]


@dataclass(frozen=True)
class NodeInfo:
    """What follows for one node. ``output`` is None where it is not known; ``flops`` is one pass of one example,
    ``inner`` the values that it keeps for the backward pass besides its output.

    ``params`` counts what the node adds to the network: nothing where it shares the ``weights`` of another.
    """

    output: TensorSpec | None = None
    inputs: Inputs = ()
    weights: Mapping[str, Shape] = field(default_factory=dict)
    params: int = 0
    flops: int = 0
    diagnostics: tuple[Diagnostic, ...] = ()
    inner: int = 0


@dataclass(frozen=True)
class Inference:
    """What follows for a graph. ``order`` is the topological order of the nodes that are not behind a cycle."""

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
        return sum(n.params for n in self.nodes.values())

    @cached_property
    def flops(self) -> int:
        return sum(n.flops for n in self.nodes.values())


def infer(graph: Graph, catalog: Catalog = BY_TYPE) -> Inference:
    """Walks the graph once, past errors: what hangs on a broken node stays silent.

    Diagnostics come in drawing order, those of the whole drawing first, and offer only fixes that work.
    """
    found, nodes, order = _draft(graph, catalog)
    before = _keys(found)
    tries = max(4, CHECKED_NODES // max(1, len(graph.nodes)))
    diagnostics = []
    for diagnostic, fixes in found:
        for fix in fixes[: max(0, tries)]:
            tries -= 1
            if _cures(fix, graph, diagnostic, before, catalog):
                diagnostic = replace(diagnostic, fix=fix)
                break
        diagnostics.append(diagnostic)
    return _inference(graph, catalog, nodes, tuple(diagnostics), order)


def checked(graph: Graph, diagnostic: Diagnostic, catalog: Catalog = BY_TYPE) -> Diagnostic:
    """``diagnostic`` with its fix only if that, applied to a copy, cures it and brings no new error."""
    before = _keys(_draft(graph, catalog)[0])
    works = diagnostic.fix and _cures(diagnostic.fix, graph, diagnostic, before, catalog)
    return diagnostic if works else replace(diagnostic, fix=None)


def _cures(fix: Fix, graph: Graph, diagnostic: Diagnostic, before: set[Key], catalog: Catalog) -> bool:
    found = _draft(apply(graph, fix.edits), catalog)[0]
    now = _keys(found)
    errors = _keys([f for f in found if f.diagnostic.severity == "error"])
    return _key(diagnostic) not in now and errors <= before


def _key(d: Diagnostic) -> Key:
    return d.code, d.severity, d.node, d.field


def _keys(found: list[Found]) -> set[Key]:
    return {_key(f.diagnostic) for f in found}


def _draft(graph: Graph, catalog: Catalog) -> tuple[list[Found], dict[str, NodeInfo], tuple[str, ...]]:
    """Problems in drawing order with untried fixes, what is known of each node, and the order."""
    drawing = Drawing(graph, catalog)
    found = structure(drawing)
    broken = {f.diagnostic.node for f in found if f.diagnostic.severity == "error"}
    nodes = {n.id: NodeInfo() for n in graph.nodes}
    order = _order(drawing)
    for n in graph.nodes:
        if n.id in drawing.known and (wrong := _wrong_params(n, drawing.known[n.id])):
            broken.add(n.id)
            found += wrong
    for id in order:
        inputs = tuple(x for e in graph.inputs(id) if e.source in nodes and (x := nodes[e.source].output))
        if id in broken or id not in drawing.known or len(inputs) < len(graph.inputs(id)):
            continue
        spec = drawing.known[id]
        readers = tuple(graph.by_id[e.target].type for e in graph.outputs(id) if e.target in nodes)
        info = _layer(spec, tuple(spec.complete(graph.by_id[id].params).items()), inputs, readers)
        nodes[id] = info
        for d in info.diagnostics:
            found.append(Found(replace(d, node=id, fix=None), _fixes_of_rule(graph, id, spec, d)))
    for id in order:
        if id in broken or id not in drawing.known:
            continue
        if problem := sharing(drawing, nodes, id):
            found.append(problem)
        elif owner(graph, id) != id:
            nodes[id] = replace(nodes[id], params=0)
    place = {n.id: i for i, n in enumerate(graph.nodes)}
    found.sort(key=lambda f: place.get(f.diagnostic.node or "", -1))
    return found, nodes, order


def _inference(
    graph: Graph,
    catalog: Catalog,
    nodes: dict[str, NodeInfo],
    diagnostics: tuple[Diagnostic, ...],
    order: tuple[str, ...],
) -> Inference:
    by_node: dict[str, list[Diagnostic]] = {}
    for d in diagnostics:
        by_node.setdefault(d.node or "", []).append(d)
    full = {id: replace(n, diagnostics=tuple(by_node[id])) if id in by_node else n for id, n in nodes.items()}
    ends = [(id, out, catalog[graph.by_id[id].type]) for id, n in full.items() if (out := n.output)]
    inputs = {id: out for id, out, spec in ends if not spec.ports}
    outputs = {id: out for id, out, spec in ends if not spec.outputs}
    return Inference(graph, full, diagnostics, order, inputs, outputs)


def _order(drawing: Drawing) -> tuple[str, ...]:
    """The graph's order without what is on or behind a cycle."""
    graph = drawing.graph
    if not drawing.circles:
        return tuple(graph.order())
    behind = drawing.behind_circles
    edges = tuple(e for e in graph.edges if e.source not in behind and e.target not in behind)
    return tuple(Graph(tuple(n for n in graph.nodes if n.id not in behind), edges).order())


def _fixes_of_rule(graph: Graph, id: str, spec: LayerSpec, d: Diagnostic) -> tuple[Fix, ...]:
    """What the rule proposes; where that does not work out further on, the default may."""
    own = (resolve(graph, id, d.fix),) if d.fix else ()
    return own + tuple(_set(id, p, p.default) for p in spec.params if p.name == d.field and d.severity == "error")


def _wrong_params(node: Node, spec: LayerSpec) -> list[Found]:
    by_name = {p.name: p for p in spec.params}
    found = []
    for d in check_all(spec, node.params):
        fixes: tuple[Fix, ...] = ()
        if param := by_name.get(d.field or ""):
            near = nearest(param, node.params[param.name]) if d.code == "param/range" else param.default
            fixes = (_set(node.id, param, near), _set(node.id, param, param.default))
        found.append(Found(d.at(node.id), fixes))
    return found


def _set(node: str, param: Param, value: Any) -> Fix:
    return Fix(f"Set {param.title.lower()} to {_text(value)}", (SetParams(node, {param.name: value}),))


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " × ".join(map(_text, value))
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else shown(value).strip("'")


@lru_cache(maxsize=16_384)
def _layer(spec: LayerSpec, params: tuple[tuple[str, Any], ...], inputs: Inputs, readers: tuple[str, ...]) -> NodeInfo:
    """One layer on its own: the part of the work that repeats from edit to edit."""
    p = dict(params)
    output = spec.infer(p, inputs)
    if isinstance(output, Diagnostic):
        return NodeInfo(inputs=inputs, diagnostics=(output,))
    if problem := _too_large(output.shape, "Its output"):
        return NodeInfo(inputs=inputs, diagnostics=(problem,))
    weights = spec.weights(p, inputs)
    for name, shape in weights.items():
        if problem := _too_large(shape, f"Its {name}"):
            return NodeInfo(inputs=inputs, diagnostics=(problem,))
    count = sum(math.prod(shape) for shape in weights.values())
    advice = spec.advise(p, inputs, readers)
    found = (advice,) if advice else ()
    return NodeInfo(output, inputs, weights, count, spec.flops(p, inputs, output), found, spec.inner(p, inputs))


def _too_large(shape: Shape, what: str) -> Diagnostic | None:
    if max(shape, default=0) <= MAX_DIM and math.prod(shape) <= MAX_NUMEL:
        return None
    size = " × ".join(f"{n:,}" for n in shape)
    text = f"{what} would be {size}; at most {MAX_DIM:,} per axis and {MAX_NUMEL:,} values fit."
    return Diagnostic("shape/too-large", text, "Make this layer, or the one before it, smaller.")
