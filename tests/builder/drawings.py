"""Small drawings for tests, and hypothesis strategies for wild ones."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from builder.block import spec_of
from builder.catalog import BY_TYPE, CATALOG
from builder.edit import AddNode, Connect, Disconnect, Edit, RemoveNode, SetLabel, SetParams
from builder.graph import Edge, Graph, Node
from builder.spec import Param


def draw(nodes: str, edges: str = "", **params: dict[str, Any]) -> Graph:
    """``draw("a:Input b:Linear", "a>b c>d:1", b={"out_features": 3})``: ids with types, edges with ports."""
    drawn = []
    for i, word in enumerate(nodes.split()):
        id, type_ = word.split(":")
        drawn.append(Node(id, type_, params.get(id, {}), position=(100.0 * i, 0.0)))
    joined = []
    for word in edges.split():
        ends, _, port = word.partition(":")
        source, target = ends.split(">")
        joined.append(Edge(source, target, int(port or 0)))
    return Graph(tuple(drawn), tuple(joined))


def chain(*types: str, **params: dict[str, Any]) -> Graph:
    """Layers one after the other, called a, b, c, …"""
    ids = [chr(ord("a") + i) for i in range(len(types))]
    nodes = " ".join(f"{id}:{t}" for id, t in zip(ids, types, strict=True))
    return draw(nodes, " ".join(f"{s}>{t}" for s, t in pairwise(ids)), **params)


IDS = st.sampled_from("abcdef")


def values(param: Param) -> st.SearchStrategy[Any]:
    """Values that ``param`` admits, small ones."""
    low = int(param.low if param.low is not None else -9)
    high = int(min(param.high if param.high is not None else 9, low + 12))
    whole = st.integers(low, high)
    some = {
        "int": whole,
        "ints": st.lists(whole, min_size=1, max_size=4).map(tuple),
        "bool": st.booleans(),
        "node": IDS,
        "name": IDS | st.just(""),
        "choice": st.sampled_from(param.choices or ("",)),
        "float": st.floats(
            param.low if param.low is not None else -9.0, min(9.0 if param.high is None else param.high, 9.0)
        ),
    }[param.kind]
    if param.axes > 1:
        some = some | st.lists(some, min_size=param.axes, max_size=param.axes).map(param.coerce)
    return st.none() | some if param.optional else some


@st.composite
def nodes(draw_: st.DrawFn, ids: st.SearchStrategy[str] = IDS) -> Node:
    spec = BY_TYPE[draw_(st.sampled_from(sorted(s.type for s in CATALOG)))]
    params = {p.name: draw_(values(p)) for p in spec.params if draw_(st.booleans())}
    text = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=8)
    where = st.floats(-1e4, 1e4)
    return Node(draw_(ids), spec.type, params, draw_(text), (draw_(where), draw_(where)))


EDGES = st.builds(Edge, IDS, IDS, st.integers(0, 2))
EDITS: st.SearchStrategy[Edit] = st.one_of(
    nodes().map(AddNode),
    IDS.map(RemoveNode),
    st.builds(SetParams, IDS, st.dictionaries(st.sampled_from(["p", "dim", "kernel_size"]), st.integers(-2, 40))),
    st.builds(SetLabel, IDS, st.text(max_size=5)),
    EDGES.map(Connect),
    EDGES.map(Disconnect),
)


@st.composite
def graphs(draw_: st.DrawFn) -> Graph:
    """Any drawing a document may hold: known types, values in range, edges between what exists, also cycles."""
    drawn = draw_(st.lists(nodes(), min_size=1, max_size=6, unique_by=lambda n: n.id))
    known = {n.id: BY_TYPE[n.type] for n in drawn}
    wild = draw_(st.lists(EDGES, max_size=9, unique=True))
    kept = [e for e in wild if e.source in known and e.target in known and known[e.target].has_port(e.port)]
    return Graph(tuple(drawn), tuple(kept))


@st.composite
def nested(draw_: st.DrawFn, depth: int = 2) -> Graph:
    """As ``graphs``, with blocks that hold such drawings, whole or broken, repeat, and are connected."""
    graph = draw_(graphs())
    if depth == 0:
        return graph
    free = [id for id in "ghi" if id not in graph.by_id]
    for id in free[: draw_(st.integers(0, 2))]:
        inner = draw_(st.none() | nested(depth - 1))
        params = {"repeat": draw_(st.integers(-1, 3))} if draw_(st.booleans()) else {}
        graph = graph.add(Node(id, "Block", params, position=(draw_(st.floats(-99, 99)), 0.0), inner=inner or Graph()))
    known = {n.id: spec for n in graph.nodes if (spec := spec_of(n, BY_TYPE))}
    ids = st.sampled_from(sorted(known))
    wild = draw_(st.lists(st.builds(Edge, ids, ids, st.integers(0, 2)), max_size=6, unique=True))
    return Graph(graph.nodes, (*graph.edges, *(e for e in wild if known[e.target].has_port(e.port))), graph.notes)
