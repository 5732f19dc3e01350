"""Two nodes, one set of weights: whose they are, and what is wrong where they cannot be shared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from builder.block import is_block
from builder.catalog.rules import times
from builder.catalog.sharing import SHARE
from builder.diagnostic import Diagnostic, Fix
from builder.drawing import Drawing, Found
from builder.edit import SetParams
from builder.graph import Graph
from builder.params import shown

if TYPE_CHECKING:
    from builder.layer import NodeInfo


def owner(graph: Graph, id: str) -> str:
    """The node whose weights ``id`` uses: itself, unless it shares those of another."""
    return graph.by_id[id].params.get(SHARE.name) or id


def sharing(d: Drawing, nodes: Mapping[str, NodeInfo], id: str) -> Found | None:
    """Why ``id`` cannot use the weights of its owner; None if it can, or where one of the two has no shape yet."""
    root = owner(d.graph, id)
    if root == id and not d.graph.by_id[id].params.get(SHARE.name):
        return None
    alone = Fix("Give it weights of its own", (SetParams(id, {SHARE.name: None}),))
    problem = next(_refusals(d, nodes, id, root), None)
    if problem is None:
        return None
    code, what, cure, fix = problem
    return Found(Diagnostic(code, what, cure, id, SHARE.name), (fix, alone) if fix else (alone,))


def _refusals(
    d: Drawing, nodes: Mapping[str, NodeInfo], id: str, root: str
) -> Iterator[tuple[str, str, str, Fix | None]]:
    type_ = d.graph.by_id[id].type
    name = f"another {type_}"
    if root == id or root not in d.graph.by_id:
        what = f"{d.name(id)} shares the weights of {shown(root)}, and there is no such other layer{_where(d)}."
        yield "graph/share-unknown", what, f"Name {name}, or leave it empty.", None
    elif (other := d.graph.by_id[root].type) != type_:
        what = f"{d.name(id)} is a {type_} and cannot share the weights of {d.name(root)}, a {other}."
        yield "graph/share-other-type", what, f"Name {name}, or leave it empty.", None
    elif (further := owner(d.graph, root)) != root:
        what = f"{d.name(id)} shares the weights of {d.name(root)}, which shares those of {shown(further)}."
        fix = Fix(f"Share those of {further}", (SetParams(id, {SHARE.name: further}),))
        yield "graph/share-chain", what, f"Share those of {shown(further)}.", fix
    elif nodes[id].output and nodes[root].output:
        yield from _differences(d, nodes, id, root)


def _where(d: Drawing) -> str:
    """Each time that a block repeats it has weights of its own, so none can be shared across its border."""
    has_blocks = d.in_block or any(map(is_block, d.graph.nodes))
    return f" {'in this block' if d.in_block else 'outside the blocks'}" if has_blocks else ""


def _differences(
    d: Drawing, nodes: Mapping[str, NodeInfo], id: str, root: str
) -> Iterator[tuple[str, str, str, Fix | None]]:
    """One module must do for both: the same weights, and the same constructor."""
    spec, names = d.known[id], f"{d.name(id)} and {d.name(root)}"
    own, theirs = (spec.complete(d.graph.by_id[n].params) for n in (id, root))
    settings = {key: value for key, value in theirs.items() if key != SHARE.name and value != own[key]}
    fix = Fix(f"Take over the settings of {root}", (SetParams(id, settings),)) if settings else None
    odd = [n for n, shape in nodes[id].weights.items() if nodes[root].weights.get(n, ()) != shape]
    if nodes[id].weights != nodes[root].weights:
        sizes = " and ".join(times(nodes[n].weights.get(odd[0], ())) or "none" for n in (id, root)) if odd else ""
        what = f"{names} cannot share weights: theirs differ{f' ({odd[0]}: {sizes})' if odd else ''}."
        yield "graph/share-unequal", what, "Give both the same settings and inputs of the same size.", fix
    elif spec.module and spec.module(own, nodes[id].inputs) != spec.module(theirs, nodes[root].inputs):
        what = f"{names} share weights, so they must have the same settings, but {_listed(settings)}."
        yield "graph/share-unequal", what, "Give both the same settings.", fix


def _listed(settings: Mapping[str, object]) -> str:
    return f"{', '.join(settings)} differ{'s' if len(settings) == 1 else ''}" if settings else "their inputs differ"
