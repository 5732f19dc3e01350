"""Grouping layers into a block and taking a block apart, as plain edits: one undo step of the canvas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import networkx as nx

from builder.block import BLOCK, MAX_DEPTH, entries, exits, inside, is_block, times
from builder.catalog import BY_TYPE
from builder.catalog.sharing import SHARE
from builder.diagnostic import Diagnostic, Refused
from builder.edit import AddNode, Connect, Edit, RemoveNode, apply
from builder.fixes import GAP, name
from builder.graph import Edge, Graph, Node

Place = tuple[float, float]
WIDTH, HEIGHT = 200.0, 100.0  # canvas pixels that a layer takes
DOWN = 170.0  # from one row to the next


def group(graph: Graph, ids: Iterable[str], title: str = "", depth: int = 0) -> tuple[Edit, ...]:
    """Puts the nodes ``ids`` into one new block called ``title``, connected as they were; ``graph`` itself stands
    ``depth`` blocks deep.

    The block gets one Input for each node outside that the selection reads, and its one Output from the node that is
    read outside. Raises Refused where that cannot be, with the reason.
    """
    chosen = [n.id for n in graph.nodes if n.id in set(ids)]
    if problem := _problem(graph, chosen, depth):
        raise Refused(problem)
    sources = _sources(graph, chosen)
    last = _given(graph, chosen)[0]
    block = graph.fresh_id(BLOCK.type)
    # Where the first of them stood is room for the block, and nobody has to look for it.
    place = graph.by_id[_ordered(graph, chosen)[0]].position
    node = Node(block, BLOCK.type, {}, title, place, _inner(graph, chosen, sources, last))
    into = [Connect(Edge(source, block, port)) for port, (source, _) in enumerate(sources) if source]
    out = [Connect(Edge(block, e.target, e.port)) for e in _leaving(graph, chosen)]
    return (AddNode(node), *(RemoveNode(id) for id in chosen), *into, *out)


def ungroup(graph: Graph, id: str) -> tuple[Edit, ...]:
    """Puts what is in the block ``id`` in its place, as often as it repeats; ids are kept where they are free."""
    node = graph.by_id[id]
    edits: list[Edit] = [RemoveNode(id)]
    now = graph.remove(id)
    feeds = {e.port: e.source for e in graph.inputs(id)}
    given: str | None = None
    for k in range(times(node)):
        new, given = _unpacked(now, node, feeds, k)
        now = apply(now, new)
        edits += new
        feeds = {port: source for port, source in feeds.items() if port} | ({0: given} if given else {})
    if given:
        edits += [Connect(Edge(given, e.target, e.port)) for e in graph.outputs(id)]
    return tuple(edits)


def _problem(graph: Graph, chosen: list[str], depth: int) -> Diagnostic | None:
    within, given = set(chosen), _given(graph, chosen)
    if not chosen:
        return _refusal("nothing", "No layer is selected.", "Select the layers that belong together.")
    if ends := [id for id in chosen if graph.by_id[id].type in ("Input", "Output")]:
        what = (
            f"{ends[0]} is where data {'enter' if graph.by_id[ends[0]].type == 'Input' else 'leave'}; it stays outside."
        )
        return _refusal("end", what, "Select the layers without it.")
    if between := _between(graph, within):
        what = f"A way leads out of the selection through {name(graph, between)} and back into it."
        return _refusal("between", what, f"Select {name(graph, between)} too.")
    if len(given) != 1:
        reads = (
            f"{len(given)} of its layers are read outside ({', '.join(given)})" if given else "nothing is read of it"
        )
        return _refusal("outputs", f"A block gives one output, but of this selection {reads}.", "Select other layers.")
    if shared := _shared_across(graph, within):
        what = f"{name(graph, shared[0])} shares the weights of {name(graph, shared[1])}, and a block would part them."
        return _refusal("shared", what, "Select both, or give each weights of its own.")
    if depth + 1 + max((_depth(graph.by_id[id]) for id in chosen), default=0) > MAX_DEPTH:
        return _refusal("depth", f"Blocks stand in blocks at most {MAX_DEPTH} deep.", "Ungroup one of them first.")
    return None


def _refusal(problem: str, what: str, cure: str) -> Diagnostic:
    return Diagnostic(f"group/{problem}", what, cure)


def _between(graph: Graph, within: set[str]) -> str | None:
    """A node outside that is both behind and before the selection."""
    after = {n for id in within for n in nx.descendants(graph.nx, id)}
    before = {n for id in within for n in nx.ancestors(graph.nx, id)}
    return next((n.id for n in graph.nodes if n.id in after & before - within), None)


def _leaving(graph: Graph, chosen: list[str]) -> list[Edge]:
    within = set(chosen)
    return [e for e in graph.edges if e.source in within and e.target not in within and e.target in graph.by_id]


def _given(graph: Graph, chosen: list[str]) -> list[str]:
    """The nodes that are read outside; where none is, those that nothing reads at all."""
    leaving = {e.source for e in _leaving(graph, chosen)}
    return [id for id in chosen if id in leaving] or [id for id in chosen if not graph.outputs(id)]


def _sources(graph: Graph, chosen: list[str]) -> list[tuple[str, tuple[Edge, ...]]]:
    """What comes in: each source outside with the edges from it; "" for an unconnected layer that begins a branch."""
    within, found = set(chosen), dict[str, list[Edge]]()
    for id in chosen:
        for e in graph.inputs(id):
            if e.source not in within and e.source in graph.by_id:
                found.setdefault(e.source, []).append(e)
    open_ = [id for id in chosen if not graph.inputs(id)]
    return [*((s, tuple(edges)) for s, edges in found.items()), *(("", (Edge("", id),)) for id in open_)]


def _shared_across(graph: Graph, within: set[str]) -> tuple[str, str] | None:
    pairs = [(n.id, n.params[SHARE.name]) for n in graph.nodes if n.params.get(SHARE.name)]
    return next(((a, b) for a, b in pairs if b in graph.by_id and (a in within) != (b in within)), None)


def _depth(node: Node) -> int:
    return 1 + max(map(_depth, inside(node).nodes), default=0) if is_block(node) else 0


def _ordered(graph: Graph, ids: Iterable[str]) -> list[str]:
    """``ids``, each after what it reads; in drawing order where data would flow in a circle."""
    ids = list(ids)
    part = graph.nx.subgraph(ids)
    if not nx.is_directed_acyclic_graph(part):
        return ids
    return list(nx.lexicographical_topological_sort(part, key=ids.index))


def _places(graph: Graph, chosen: list[str]) -> dict[str, Place]:
    """Where the layers stand in their block: as they stood where all wires run to the right, else a column each, for
    rows that wrap would run back inside."""
    part = graph.nx.subgraph(chosen)
    at = {id: graph.by_id[id].position for id in chosen}
    if not all(at[b][0] - at[a][0] >= WIDTH for a, b in part.edges()):
        at, column, used = {}, dict[str, int](), dict[int, int]()
        for id in _ordered(graph, chosen):
            column[id] = 1 + max((column[s] for s in part.predecessors(id) if s in column), default=-1)
            row = used.get(column[id], 0)
            used[column[id]] = row + 1
            at[id] = (column[id] * GAP, row * DOWN)
    x0, y0 = min(x for x, _ in at.values()), min(y for _, y in at.values())
    return {id: (x - x0 + GAP, y - y0) for id, (x, y) in at.items()}


def _inner(graph: Graph, chosen: list[str], sources: list[tuple[str, tuple[Edge, ...]]], last: str) -> Graph:
    """The selection with its ports, Inputs at the left and the Output at the right."""
    places = _places(graph, chosen)
    within = set(chosen)
    inner = Graph()
    for i in range(len(sources)):
        inner = inner.add(Node(_free(inner, graph, "Input"), "Input", position=(0.0, 110.0 * i)))
    ports = [n.id for n in inner.nodes]
    for id in chosen:
        inner = inner.add(replace(graph.by_id[id], position=places[id]))
    edges = [e for e in graph.edges if e.source in within and e.target in within]
    edges += [Edge(port, e.target, e.port) for port, (_, into) in zip(ports, sources, strict=True) for e in into]
    end = _free(inner, graph, "Output")
    place = (max(x for x, _ in places.values()) + GAP, places[last][1])
    return inner.add(Node(end, "Output", position=place), [*edges, Edge(last, end)])


def _free(inner: Graph, graph: Graph, type_: str) -> str:
    """An id that is free here, and outside too, so that ungrouping and grouping again changes no name."""
    k = 1
    while (id := f"{type_.lower()}_{k}") in inner.by_id or (id in graph.by_id and graph.by_id[id].type != type_):
        k += 1
    return id


def _clear(now: Graph, places: Iterable[Place]) -> float:
    """How far down ``places`` must move so that nothing of ``now`` stands there."""
    taken, places, down = [n.position for n in now.nodes], list(places), 0.0
    while any(abs(x - u) < WIDTH and abs(y + down - v) < HEIGHT for x, y in places for u, v in taken):
        down += DOWN
    return down


def _unpacked(now: Graph, block: Node, feeds: Mapping[int, str], k: int) -> tuple[list[Edit], str | None]:
    """The edits that bring one repeat into ``now``, and the node that gives its output."""
    inner = inside(block)
    ports = {n.id: feeds.get(i) for i, n in enumerate(entries(inner))}
    ends = {n.id for n in exits(inner)}
    layers = [n for n in inner.nodes if n.id not in ports and n.id not in ends]
    twin = _twins(now, layers)
    x, y = _corner(inner, layers)
    wide = max((n.position[0] for n in layers), default=0.0) - min((n.position[0] for n in layers), default=0.0) + GAP
    dx, dy = block.position[0] - x + k * wide, block.position[1] - y
    dy += _clear(now, [(n.position[0] + dx, n.position[1] + dy) for n in layers])
    edits: list[Edit] = [
        AddNode(replace(n, id=twin[n.id], position=(n.position[0] + dx, n.position[1] + dy), params=_named(n, twin)))
        for n in layers
    ]
    for e in inner.edges:
        source = ports.get(e.source) if e.source in ports else twin.get(e.source)
        if source and e.target in twin:
            edits.append(Connect(Edge(source, twin[e.target], e.port)))
    last = next((e.source for e in inner.edges if e.target in ends), "")
    return edits, ports[last] if last in ports else twin.get(last)


def _corner(inner: Graph, layers: list[Node]) -> Place:
    """Where the first layer of a block stands: ungrouping puts it where the block is, as grouping did."""
    order = _ordered(inner, [n.id for n in layers])
    return inner.by_id[order[0]].position if order else (0.0, 0.0)


def _named(node: Node, twin: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of ``node``, those that name another layer with its new id."""
    spec = BY_TYPE.get(node.type)
    names = {p.name for p in spec.params if p.kind == "node"} if spec else set()
    return {k: twin.get(v, v) if k in names and isinstance(v, str) else v for k, v in node.params.items()}


def _twins(graph: Graph, layers: list[Node]) -> dict[str, str]:
    used, twin = {*graph.by_id, *(n.id for n in graph.notes)}, {}
    for node in layers:
        k, new = 1, node.id
        while new in used:
            new, k = f"{node.type.lower()}_{k}", k + 1
        used.add(new)
        twin[node.id] = new
    return twin
