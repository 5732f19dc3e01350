"""Checks of the whole drawing, as an explicit table of small rules. Shapes are checked in infer.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import networkx as nx

from builder.diagnostic import Diagnostic, Fix, suggest
from builder.drawing import Drawing, Found, reached
from builder.edit import AddNode, Connect, Disconnect, RemoveNode
from builder.fixes import GAP, behind, in_front, join, without
from builder.graph import Edge, Node
from builder.params import shown
from builder.spec import LayerSpec


def structure(drawing: Drawing) -> list[Found]:
    """What is wrong with the drawing as such, in no particular order."""
    return [found for rule in RULES for found in rule(drawing)]


def empty(d: Drawing) -> Iterator[Found]:
    if not d.graph.nodes:
        start = (
            AddNode(Node("input_1", "Input")),
            AddNode(Node("output_1", "Output", position=(2 * GAP, 0.0))),
            Connect(Edge("input_1", "output_1")),
        )
        what, cure = "The canvas is empty.", "Add an Input, layers and an Output, or start from a template."
        if d.in_block:
            what, cure = "There is nothing in this block.", "Add an Input, layers and an Output, or remove the block."
        yield Found(Diagnostic("graph/empty", what, cure), (Fix("Add an Input and an Output", start),))


def duplicate_ids(d: Drawing) -> Iterator[Found]:
    for id, n in Counter(node.id for node in d.graph.nodes).items():
        if n > 1:
            what = f"{n} layers have the id {shown(id)}, so connections to it are ambiguous."
            yield Found(Diagnostic("graph/duplicate-id", what, "Give each layer an id of its own.", node=id))


def unknown_types(d: Drawing) -> Iterator[Found]:
    for n in d.graph.nodes:
        if n.type not in d.catalog:
            what = f"There is no layer type {shown(n.type)}."
            yield Found(Diagnostic("graph/unknown-type", what, suggest(n.type, d.catalog), node=n.id))


def ends(d: Drawing) -> Iterator[Found]:
    """A network, and what is in a block, needs at least one Input and one Output."""
    if not d.graph.nodes:
        return
    this = "This block" if d.in_block else "The network"
    if not d.sources:
        fixes = tuple(in_front(d.graph, "Input", id, 0) for id in d.unfed[:1] if len(d.unfed) == 1)
        fixes = (*_port_again(d), *fixes) if d.in_block else fixes
        what = f"{this} has no Input, so no data can enter it."
        yield Found(Diagnostic("graph/no-input", what, "Add an Input and connect it to the first layer."), fixes)
    if not d.sinks:
        fixes = tuple(behind(d.graph, "Output", id) for id in d.tip)
        what = f"{this} has no Output, so nothing {'comes out of' if d.in_block else 'can be learned from'} it."
        yield Found(Diagnostic("graph/no-output", what, "Add an Output and connect the last layer to it."), fixes)


def _port_again(d: Drawing) -> Iterator[Fix]:
    """An Input for everything in a block that waits for one, as it was before its Input was removed."""
    free = {id: spec.free_ports({e.port for e in d.graph.inputs(id)}) for id, spec in d.known.items()}
    waiting = [(id, ports[0]) for id, ports in free.items() if ports]
    if len(waiting) > 1:
        first = in_front(d.graph, "Input", *waiting[0])
        new = d.graph.fresh_id("Input")
        more = tuple(Connect(Edge(new, id, port)) for id, port in waiting[1:])
        yield Fix(" and ".join([first.label, *(d.name(id) for id, _ in waiting[1:])]), first.edits + more)


def one_exit(d: Drawing) -> Iterator[Found]:
    """What reads a block reads its one output."""
    if d.in_block and len(d.sinks) > 1:
        what = f"A block gives one output; this one has {len(d.sinks)} Outputs ({', '.join(d.sinks)})."
        yield Found(Diagnostic("graph/block-outputs", what, "Keep one of them, or ungroup the block."))


def stray_edges(d: Drawing) -> Iterator[Found]:
    """Every connection starts at a layer with an output and ends at an input that exists."""
    for e in d.graph.edges:
        cut = Fix("Remove this connection", (Disconnect(e),))
        missing = [id for id in (e.source, e.target) if id not in d.graph.by_id]
        if missing:
            what = f"A connection from {shown(e.source)} to {shown(e.target)} needs a layer {shown(missing[0])}."
            node = e.target if e.target in d.graph.by_id else None
            yield Found(Diagnostic("graph/unknown-node", what, "There is none: remove the connection.", node), (cut,))
            continue
        source, target = d.known.get(e.source), d.known.get(e.target)
        if source and not source.outputs:
            what = f"{d.name(e.source)} gives nothing on, yet {d.name(e.target)} is connected to it."
            cure = f"Connect {d.name(e.target)} to a layer before it."
            yield Found(Diagnostic("graph/nothing-given", what, cure, e.source), (cut,))
        if target and not target.has_port(e.port):
            yield Found(*_no_such_port(d, e, target, cut))


def _no_such_port(d: Drawing, e: Edge, target: LayerSpec, cut: Fix) -> Found:
    n = len(target.ports)
    has = "takes no input" if n == 0 else f"has {n} input{'s' if n > 1 else ''}"
    what = f"{d.name(e.target)} {has}; the connection from {d.name(e.source)} goes to number {e.port + 1}."
    taken = {o.port for o in d.graph.inputs(e.target)}
    move = tuple(
        Fix(f"Move it to input {p + 1}", (Disconnect(e), Connect(Edge(e.source, e.target, p))))
        for p in range(n)
        if p not in taken
    )
    fixes = (*move, cut) if len(move) == 1 else (cut,)
    return Found(Diagnostic("graph/unknown-port", what, "Remove it or move it to a free input.", e.target), fixes)


def doubled_ports(d: Drawing) -> Iterator[Found]:
    for (target, port), n in Counter((e.target, e.port) for e in d.graph.edges).items():
        if n < 2 or target not in d.known or not (spec := d.known[target]).has_port(port):
            continue
        at = [e for e in d.graph.inputs(target) if e.port == port]
        label = "its input" if len(spec.ports) == 1 else f"input {port + 1} ({spec.port_name(port)})"
        what = f"{d.name(target)} has {n} connections at {label}, which takes one."
        last = Fix(f"Keep the one from {d.name(at[-1].source)}", (Connect(at[-1]),))
        if spec.variadic and port >= len(spec.ports) - 1:
            free = max(e.port for e in d.graph.inputs(target)) + 1
            edits = [Connect(at[0]), *(Connect(Edge(e.source, target, free + i)) for i, e in enumerate(at[1:]))]
            last = Fix("Give each an input of its own", tuple(edits))
        cure = "Keep one, or join them with Add or Concat first."
        yield Found(Diagnostic("graph/doubled-port", what, cure, target), (last,))


def cycles(d: Drawing) -> Iterator[Found]:
    for circle in d.circles:
        what = f"Data would flow in a circle: {' → '.join(d.name(id) for id in (*circle, circle[0]))}."
        cure = "Remove one of these connections; for a loop over time use RNN, LSTM or GRU."
        pairs = set(zip(circle, (*circle[1:], circle[0]), strict=True))
        last_drawn = [e for e in reversed(d.graph.edges) if (e.source, e.target) in pairs][:3]
        fixes = [
            fix
            for e in last_drawn
            for fix in (
                *(join(d.graph, tip, e.target, e.port) for tip in d.tip),
                Fix(f"Remove {d.name(e.source)} → {d.name(e.target)}", (Disconnect(e),)),
            )
        ]
        yield Found(Diagnostic("graph/cycle", what, cure, circle[0]), tuple(fixes))


def unreachable(d: Drawing) -> Iterator[Found]:
    """Layers that get nothing at all; what hangs on them is mentioned, and stays silent itself."""
    fed = reached(d.sources, d.graph.nx.successors)
    for id in d.unfed:
        starving = any(e.target not in fed for e in d.graph.outputs(id))
        what = f"No data reaches {d.name(id)}{', nor what comes after it' if starving else ''}."
        fixes = tuple(join(d.graph, tip, id, 0) for tip in d.tip if tip != id)
        if not d.graph.outputs(id):
            fixes = (*fixes, Fix(f"Remove {d.name(id)}", (RemoveNode(id),)))
        yield Found(Diagnostic("graph/unreachable", what, "Connect a layer to its input, or remove it.", id), fixes)


def missing_ports(d: Drawing) -> Iterator[Found]:
    """Layers that get some of what they need."""
    for id, spec in d.known.items():
        edges = d.graph.inputs(id)
        free = spec.free_ports({e.port for e in edges})
        if not edges or not free:
            continue
        if spec.variadic:
            needs = len(spec.ports) + 1
            what = f"{d.name(id)} needs at least {needs} inputs; it gets {len(edges)}."
        else:
            names = ", ".join(spec.port_name(p) for p in free)
            what = f"{d.name(id)} needs {len(spec.ports)} inputs; nothing is connected to {names}."
        fixes = [join(d.graph, tip, id, free[0]) for tip in d.tip if tip != id]
        if spec.ports[0].variadic:
            fixes.append(Fix(f"Remove {d.name(id)} and connect past it", without(d.graph, id)))
        yield Found(Diagnostic("graph/missing-port", what, "Connect a layer to it.", id), tuple(fixes))


def dead_ends(d: Drawing) -> Iterator[Found]:
    """A warning at the end of each branch that leads to no Output."""
    if not d.sinks:
        return  # then everything is one, and the missing Output says so
    unfed = set(d.unfed)
    waiting = [id for id in d.sinks if id in unfed]
    for tip in d.loose:
        if tip in unfed:
            continue
        branch = _only_for(d.graph.nx, tip)
        others = f" and {_count(len(branch) - 1, 'layer')} before it" if len(branch) > 1 else ""
        verb = "lead" if others else "leads"
        what = f"{d.name(tip)}{others} {verb} to no Output and will not be trained."
        fixes = [join(d.graph, tip, id, 0) for id in waiting if len(waiting) == 1]
        fixes.append(Fix(f"Remove {d.name(tip)}{others}", tuple(RemoveNode(id) for id in branch)))
        cure = "Connect it to a layer that leads to the Output, or remove it."
        yield Found(Diagnostic("graph/dead-end", what, cure, tip, severity="warning"), tuple(fixes))


RULES: tuple[Callable[[Drawing], Iterator[Found]], ...] = (
    empty,
    duplicate_ids,
    unknown_types,
    ends,
    one_exit,
    stray_edges,
    doubled_ports,
    cycles,
    unreachable,
    missing_ports,
    dead_ends,
)


def _only_for(g: nx.MultiDiGraph, tip: str) -> list[str]:
    """``tip`` and every node before it whose output goes nowhere else, nearest first."""
    branch: dict[str, None] = {tip: None}
    waiting = [tip]
    while waiting:
        for before in g.predecessors(waiting.pop()):
            if before not in branch and all(after in branch for after in g.successors(before)):
                branch[before] = None
                waiting.append(before)
    return list(branch)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
