"""One level of a drawing (the whole, or what is in a block): what follows for each node, and what is wrong there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

from builder.block import MAX_LAYERS, REPEAT, entries, exits, inside, is_block, prefixes, size, times, used_ports
from builder.catalog import BY_TYPE
from builder.diagnostic import Diagnostic, Fix
from builder.drawing import Catalog, Drawing, Found, readers_of
from builder.edit import Inside, SetParams
from builder.fixes import name
from builder.flatten import too_many
from builder.graph import Graph, Node
from builder.layer import NodeInfo, Types, fixes_of_rule, layer, wrong_params
from builder.sharing import owner, sharing
from builder.spec import Inputs, TensorSpec
from builder.validate import structure

Given = tuple[TensorSpec | None, ...]  # what comes into the ports of a block


@dataclass
class Draft:
    """Problems in drawing order with untried fixes, what is known of each node, and the order of the layers.

    ``nodes`` holds what is in blocks too, ``order`` only layers; both by the ids of the flattened graph. ``output`` is
    what this level gives, if it is a block.
    """

    found: list[Found] = field(default_factory=list)
    nodes: dict[str, NodeInfo] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    output: TensorSpec | None = None


def draft(graph: Graph, catalog: Catalog, given: Given | None = None, beyond: Types = ()) -> Draft:
    """Walks one level. In a block, ``given`` comes into its ports and ``beyond`` are the types that read its output."""
    return _Level(graph, catalog, given, beyond).walked()


class _Level:
    def __init__(self, graph: Graph, catalog: Catalog, given: Given | None, beyond: Types) -> None:
        self.graph, self.catalog, self.beyond = graph, catalog, beyond
        self.drawing = Drawing(graph, catalog, in_block=given is not None)
        ports = [] if given is None else [n.id for n in entries(graph)]
        self.ports = dict(zip(ports, given or (), strict=True))
        self.exits = set() if given is None else {n.id for n in exits(graph)}
        self.blocks: dict[str, Draft] = {}
        self.nodes = {n.id: NodeInfo() for n in graph.nodes}
        self.found = structure(self.drawing)
        self.broken = {f.diagnostic.node for f in self.found if f.diagnostic.severity == "error"}
        self.large = given is None and size(graph) > MAX_LAYERS

    def walked(self) -> Draft:
        if self.large:
            self.found.append(Found(*too_many(self.graph)))
        self._check_params()
        order = _order(self.drawing)
        for id in order:
            self._node(id)
        for node in self.graph.nodes:
            if is_block(node) and node.id not in self.blocks:
                self._block(node, ())  # on a circle: at least what is wrong within is said
        self._share(order)
        return self._draft(order)

    def _check_params(self) -> None:
        for n in self.graph.nodes:
            known = self.drawing.known.get(n.id)
            if known and n.id not in self.ports and n.id not in self.exits and (wrong := wrong_params(n, known)):
                self.broken.add(n.id)
                self.found += wrong

    def _node(self, id: str) -> None:
        node, edges = self.graph.by_id[id], self.graph.inputs(id)
        inputs = tuple(x for e in edges if e.source in self.nodes and (x := self.nodes[e.source].output))
        if is_block(node):
            self._block(node, inputs if id not in self.broken and len(inputs) == len(edges) else ())
        elif id in self.ports:
            self.nodes[id] = NodeInfo(self.ports[id])  # whatever shape the Input itself says
        elif id in self.broken or id not in self.drawing.known or len(inputs) < len(edges):
            return
        elif id in self.exits:
            self.nodes[id] = NodeInfo(inputs[0], inputs)
        else:
            self._layer(node, inputs)

    def _layer(self, node: Node, inputs: Inputs) -> None:
        spec = self.drawing.known[node.id]
        readers = self.drawing.readers(node.id, self.beyond)
        info = layer(spec, tuple(spec.complete(node.params).items()), inputs, readers)
        self.nodes[node.id] = info
        for d in info.diagnostics:
            fixes = fixes_of_rule(self.graph, node.id, spec, d)
            self.found.append(Found(replace(d, node=node.id, fix=None), fixes))

    def _block(self, node: Node, inputs: Inputs) -> None:
        """What is in ``node``; nothing is known of its inputs where there are none."""
        if self.large:
            return
        readers, n = self.drawing.readers(node.id, self.beyond), len(entries(inside(node)))
        block = _block(node, inputs[:n] or (None,) * n, readers, self.catalog)
        if times(node) > 1 and _skips(inside(node)):
            self.found.append(_unchained(node))
        self.blocks[node.id] = block
        self.nodes[node.id] = _summed(block, inputs)
        self.found += block.found

    def _share(self, order: tuple[str, ...]) -> None:
        for id in order:
            if id in self.broken or id not in self.drawing.known:
                continue
            if problem := sharing(self.drawing, self.nodes, id):
                self.found.append(problem)
            elif owner(self.graph, id) != id:
                self.nodes[id] = replace(self.nodes[id], params=0)

    def _draft(self, order: tuple[str, ...]) -> Draft:
        place = {n.id: i for i, n in enumerate(self.graph.nodes)}
        self.found.sort(key=lambda f: place.get((f.diagnostic.node or "").partition(".")[0], -1))
        nodes = dict(self.nodes)
        for block in self.blocks.values():
            nodes.update(block.nodes)
        computed = [id for id in order if id not in self.ports and id not in self.exits]
        layers = [i for id in computed for i in (self.blocks[id].order if id in self.blocks else [id])]
        exit_ = next((n.id for n in self.graph.nodes if n.id in self.exits), None)
        return Draft(self.found, nodes, layers, self.nodes[exit_].output if exit_ else None)


class _Written:
    """A graph in a cache: the same if it is written the same, so that 1 is not True."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __hash__(self) -> int:
        return hash(self.graph.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Written) and self.graph.text == other.graph.text


@lru_cache(maxsize=256)
def _known(inner: _Written, given: Given, beyond: Types) -> Draft:
    return draft(inner.graph, BY_TYPE, given, beyond)


def _block(node: Node, given: Given, beyond: Types, catalog: Catalog) -> Draft:
    """A block with all its repeats; the ids in it begin with that of the block."""
    inner, whole = inside(node), Draft()
    again = readers_of(inner, 0)
    starts = prefixes(node)
    for k, prefix in enumerate(starts):
        readers = beyond if k == len(starts) - 1 else again
        level = _known(_Written(inner), given, readers) if catalog is BY_TYPE else draft(inner, catalog, given, readers)
        problem = next((f.diagnostic for f in level.found if f.diagnostic.severity == "error"), None) if k else None
        if problem:
            whole.found.insert(0, _misfit(node, k, given[0], problem))
            whole.output = None
            break
        known = {(f.diagnostic.code, f.diagnostic.node) for f in whole.found}
        lifted = [_lifted(node.id, f) for f in level.found]
        whole.found += [f for f in lifted if (f.diagnostic.code, f.diagnostic.node) not in known]
        whole.nodes |= {prefix + id: info for id, info in level.nodes.items()}
        whole.order += [prefix + id for id in level.order]
        whole.output = level.output
        if level.output is None:
            break
        given = (level.output, *given[1:])
    return whole


def _lifted(block: str, found: Found) -> Found:
    """A problem in ``block``, as the graph around it sees it."""
    d, fixes = found
    node = f"{block}.{d.node}" if d.node else block
    return Found(replace(d, node=node), tuple(Fix(f.label, (Inside(block, f.edits),)) for f in fixes))


def _misfit(node: Node, k: int, given: TensorSpec | None, problem: Diagnostic) -> Found:
    """What comes out of a block does not fit its input again."""
    inner = name(inside(node), problem.node) if problem.node in inside(node).by_id else problem.node or node.id
    misfit = f"what it gives ({given}) does not suit it again"
    what = f"{node.label or node.id} repeats, and {misfit}. {inner}: {problem.what}"
    cure = "Give it an output like its input, or repeat it less often."
    fewer = Fix(f"Repeat it {k} times" if k > 1 else "Do not repeat it", (SetParams(node.id, {REPEAT.name: k}),))
    return Found(Diagnostic("block/repeat", what, cure, node.id, REPEAT.name), (fewer,))


def _skips(inner: Graph) -> bool:
    """Whether what comes into the first port leads nowhere, so that only the last of the repeats counts."""
    return bool(entries(inner) and exits(inner)) and entries(inner)[0].id not in used_ports(inner)


def _unchained(node: Node) -> Found:
    port = name(inside(node), entries(inside(node))[0].id)
    what = f"{node.label or node.id} repeats, but {port}, which takes what the time before gave, leads to no Output."
    once = Fix("Do not repeat it", (SetParams(node.id, {REPEAT.name: 1}),))
    return Found(Diagnostic("block/unchained", what, "Connect it, or do not repeat it.", node.id, REPEAT.name), (once,))


def _summed(block: Draft, inputs: Inputs) -> NodeInfo:
    layers = [info for id in block.order if (info := block.nodes[id]).output]
    kept = sum(info.inner + info.output.numel for info in layers if info.output)
    return NodeInfo(
        block.output,
        inputs,
        params=sum(info.params for info in layers),
        flops=sum(info.flops for info in layers),
        inner=max(0, kept - block.output.numel) if block.output else 0,
    )


def _order(drawing: Drawing) -> tuple[str, ...]:
    """The graph's order without what is on or behind a cycle."""
    graph = drawing.graph
    if not drawing.circles:
        return tuple(graph.order())
    behind = drawing.behind_circles
    edges = tuple(e for e in graph.edges if e.source not in behind and e.target not in behind)
    return tuple(Graph(tuple(n for n in graph.nodes if n.id not in behind), edges).order())
