"""A graph with blocks, written out as one without: what the engine trains and exports name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from builder.block import MAX_LAYERS, REPEAT, entries, exits, inside, is_block, prefixes, size, times
from builder.catalog.sharing import SHARE
from builder.diagnostic import Diagnostic, Fix
from builder.edit import SetParams, within
from builder.graph import Edge, Graph, Node

TOO_MANY = "graph/too-many-layers"


def flatten(graph: Graph) -> Graph:
    """``graph`` with every block replaced by what is in it, as often as it repeats; itself if it has none.

    The ids of what was in a block are paths, ``res_1.conv_1``, or ``res_1.0.conv_1`` where it repeats; they also name
    the weights in a state_dict. Connections that lead nowhere are left out. What would grow too large (infer.py
    refuses it) has only the first repeat of each block.
    """
    if not any(map(is_block, graph.nodes)):
        return graph
    level = _Level(graph, once=size(graph) > MAX_LAYERS)
    level.write()
    return Graph(tuple(level.nodes), tuple(level.edges), graph.notes)


def too_many(graph: Graph) -> tuple[Diagnostic, tuple[Fix, ...]]:
    """The problem, told at the block that brings the most layers, and how often it may repeat."""
    what = f"With all repeats the network has {size(graph):,} layers; at most {MAX_LAYERS:,} are computed."
    path, n = _repeats(graph, MAX_LAYERS)
    if not n:
        return Diagnostic(TOO_MANY, what, "Repeat blocks less often.", path or None), ()
    block, _, id = path.rpartition(".")
    fix = Fix(f"Set repeats to {n}", within(block, [SetParams(id, {REPEAT.name: n})]))
    return Diagnostic(TOO_MANY, what, f"Repeat this block at most {n} times.", path), (fix,)


def _repeats(graph: Graph, most: int) -> tuple[str, int]:
    """Path of the largest block that can be repeated less often so that ``graph`` has at most ``most`` layers, and how
    often then; 0 if there is none."""
    block = max(filter(is_block, graph.nodes), key=lambda n: times(n) * size(inside(n)), default=None)
    if block is None:
        return "", 0
    left, once = most - (size(graph) - times(block) * size(inside(block))), size(inside(block))
    if left >= once:
        return block.id, min(times(block), left // once)
    inner, n = _repeats(inside(block), left // times(block))
    return (f"{block.id}.{inner}", n) if n else (block.id, 0)


@dataclass(eq=False)
class _Level:
    """The graph of one block, one of the times that it repeats. ``before`` is the time before."""

    graph: Graph
    prefix: str = ""
    outer: _Level | None = None
    block: str = ""
    before: _Level | None = None
    once: bool = False
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)  # nodes whose source is being looked for: a circle ends there

    def __post_init__(self) -> None:
        self.within = {n.id: self._times(n) for n in self.graph.nodes if is_block(n)}
        self.ports = {n.id: i for i, n in enumerate(entries(self.graph))} if self.outer else {}

    def _times(self, node: Node) -> list[_Level]:
        found: list[_Level] = []
        for prefix in prefixes(node, self.prefix)[: 1 if self.once else None]:
            found.append(_Level(inside(node), prefix, self, node.id, found[-1] if found else None, self.once))
        return found

    def write(self) -> None:
        """Fills ``nodes`` and ``edges``, blocks where they stand in the drawing."""
        for node in self.graph.nodes:
            if node.id in self.within:
                for level in self.within[node.id]:
                    level.write()
                    self.nodes += level.nodes
                    self.edges += level.edges
            elif not (self.outer and node.type in ("Input", "Output")):
                self.nodes.append(self._renamed(node))
                for e in self.graph.inputs(node.id):
                    if source := self.source(e.source):
                        self.edges.append(Edge(source, self.prefix + node.id, e.port))

    def _renamed(self, node: Node) -> Node:
        """What shares weights does so with a layer of the same block, the same time."""
        params = node.params
        if owner := params.get(SHARE.name):
            params = {**params, SHARE.name: f"{self.prefix}{owner}"}
        return replace(node, id=self.prefix + node.id, params=params)

    def source(self, id: str) -> str | None:
        """Id of the node in the flattened graph that computes what ``id`` gives here."""
        if id in self.asked or id not in self.graph.by_id:
            return None
        self.asked.add(id)
        try:
            if id in self.ports:
                return self._port(self.ports[id])
            return self.within[id][-1].result() if id in self.within else self.prefix + id
        finally:
            self.asked.discard(id)

    def _port(self, port: int) -> str | None:
        if self.before and port == 0:
            return self.before.result()
        assert self.outer is not None, "only a block has ports"
        return next((self.outer.source(e.source) for e in self.outer.graph.inputs(self.block) if e.port == port), None)

    def result(self) -> str | None:
        for node in exits(self.graph)[:1]:
            for e in self.graph.inputs(node.id)[:1]:
                return self.source(e.source)
        return None
