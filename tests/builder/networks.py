"""Random networks that hold, over the whole catalogue: several Inputs and Outputs, blocks in blocks, repeats."""

from __future__ import annotations

import math
import os
from typing import Any

from hypothesis import strategies as st

from builder.catalog import BY_TYPE, CATALOG
from builder.catalog.sharing import SHARE
from builder.graph import Edge, Graph, Node
from builder.infer import infer
from builder.spec import Diagnostic, LayerSpec, TensorSpec
from tests.builder.drawings import values
from tests.builder.layers import LAYERS, tensor

EXAMPLES = int(os.environ.get("LAYERLOOM_EXAMPLES", "30"))  # `make property` asks for 500
STARTS = [tensor((6,)), tensor((4, 8)), tensor((4, 8, 8)), tensor((2, 4, 6, 6)), tensor((7,), "int64")]
MOST = 4_000  # values in one tensor
DEEPEST = 2  # blocks in blocks
Made = dict[str, TensorSpec]  # what each node gives


@st.composite
def valid_graphs(draw: st.DrawFn) -> Graph:
    """From one to three Inputs layer after layer, or block after block; what leads nowhere goes to an Output."""
    graph, made = Graph(), Made()
    for k in range(draw(st.integers(1, 3))):
        x = draw(st.sampled_from(STARTS if k == 0 else [*made.values(), *STARTS]))
        graph = graph.add(Node(f"in{k}", "Input", {"shape": x.shape, "dtype": x.dtype}))
        made[f"in{k}"] = x
    graph = draw(grown(graph, made, DEEPEST))
    for id in [id for id in made if not graph.outputs(id) and made[id].dtype == "float32"]:
        graph = graph.add(Node(f"out_{id}", "Output"), [Edge(id, f"out_{id}")])
    return graph


@st.composite
def grown(draw: st.DrawFn, graph: Graph, made: Made, depth: int) -> Graph:
    """``graph`` with more layers, each on tensors that it takes; ``made`` grows with it."""
    for i in range(draw(st.integers(1, 6))):
        before = draw(st.sampled_from(list(made)[-4:]))
        within = depth and draw(st.integers(0, 3)) == 0 and made[before].dtype == "float32"
        node, edges, out = draw(
            block_on(f"b{i}", made, before, depth) if within else layer_on(f"n{i}", graph, made, before)
        )
        graph, made[node.id] = graph.add(node, edges), out
    return graph


@st.composite
def layer_on(draw: st.DrawFn, id: str, graph: Graph, made: Made, before: str) -> tuple[Node, list[Edge], TensorSpec]:
    spec = draw(layers_on(made[before]))
    params = draw(settings_of(spec))
    params = params if output(spec, params, made[before]) else {}
    if (twins := _twins(graph, made, before)) and draw(st.booleans()):
        twin = draw(st.sampled_from(twins))
        spec, params = BY_TYPE[twin.type], {**twin.params, SHARE.name: twin.id}
    alike = [other for other, x in made.items() if x == made[before]]
    ports = range(draw(st.integers(2, 3)) if spec.variadic else len(spec.ports))
    edges = [Edge(draw(st.sampled_from(alike)) if port else before, id, port) for port in ports]
    out = spec.infer(spec.complete(params), (made[before],) * len(edges))
    assert isinstance(out, TensorSpec)
    return Node(id, spec.type, params), edges, out


@st.composite
def block_on(draw: st.DrawFn, id: str, made: Made, before: str, depth: int) -> tuple[Node, list[Edge], TensorSpec]:
    """A block of one or two ports that holds a network of the same kind, repeated where it can be."""
    sources = [before, *draw(st.lists(st.sampled_from(list(made)), max_size=1))]
    inner, within = Graph(), Made()
    for k, source in enumerate(sources):
        inner = inner.add(Node(f"p{k}", "Input"))
        within[f"p{k}"] = made[source]
    inner = draw(grown(inner, within, depth - 1))
    last = draw(st.sampled_from([i for i, x in within.items() if x.dtype == "float32"][-3:]))
    inner = inner.add(Node("end", "Output"), [Edge(last, "end")])
    label = draw(st.sampled_from(["", "Stage", "Übung 1"]))
    block = Node(id, "Block", {"repeat": draw(st.integers(2, 3))}, label, inner=inner)
    edges = [Edge(source, id, port) for port, source in enumerate(sources)]
    if _alone(block, [made[s] for s in sources]) is None:
        block = Node(id, "Block", {}, label, inner=inner)
    out = _alone(block, [made[s] for s in sources])
    assert out is not None
    return block, edges, out


def _alone(block: Node, inputs: list[TensorSpec]) -> TensorSpec | None:
    """What ``block`` gives, if it does and stays small."""
    graph = Graph((block,))
    for k, x in enumerate(inputs):
        node = Node(f"x{k}", "Input", {"shape": x.shape, "dtype": x.dtype})
        graph = graph.add(node, [Edge(node.id, block.id, k)])
    found = infer(graph.add(Node("y", "Output"), [Edge(block.id, "y")]))
    small = all(info.output is None or info.output.numel <= MOST for info in found.nodes.values())
    return found.nodes[block.id].output if found.ok and small else None


@st.composite
def layers_on(draw: st.DrawFn, x: TensorSpec) -> LayerSpec:
    """A layer that takes ``x``; each group is as likely as any other, and whole numbers are looked up at once."""
    fitting = [spec for spec in LAYERS if output(spec, {}, x) and (x.dtype == "float32" or spec.type == "Embedding")]
    group = draw(st.sampled_from(sorted({spec.group for spec in fitting})))
    return draw(st.sampled_from([spec for spec in fitting if spec.group == group]))


def output(spec: LayerSpec, params: dict[str, Any], x: TensorSpec) -> TensorSpec | None:
    n = 2 if spec.variadic else len(spec.ports)
    out = spec.infer(spec.complete(params), (x,) * n)
    return None if isinstance(out, Diagnostic) or math.prod(out.shape) > MOST else out


@st.composite
def settings_of(draw: st.DrawFn, spec: LayerSpec) -> dict[str, Any]:
    kept = (SHARE.name, "num_embeddings")  # drawn above; as many rows as the data have words
    return {p.name: draw(values(p)) for p in spec.params if p.name not in kept and draw(st.booleans())}


def _twins(graph: Graph, made: Made, before: str) -> list[Node]:
    """The layers whose weights one more layer on ``before`` could use."""
    owners = [n for n in graph.nodes if SHARE in BY_TYPE[n.type].params and SHARE.name not in n.params]
    return [n for n in owners if made[graph.inputs(n.id)[0].source] == made[before]]


@st.composite
def broken_graphs(draw: st.DrawFn) -> Graph:
    """A network that held, damaged in from one to three places, in blocks too."""
    graph = draw(valid_graphs())
    for _ in range(draw(st.integers(1, 3))):
        graph = draw(damaged(graph))
    return graph


@st.composite
def damaged(draw: st.DrawFn, graph: Graph) -> Graph:
    blocks = [n for n in graph.nodes if n.inner is not None]
    if blocks and draw(st.booleans()):
        block = draw(st.sampled_from(blocks))
        assert block.inner is not None
        return graph.set_inner(block.id, draw(damaged(block.inner)))
    if not graph.nodes:
        return graph.add(Node("late", "Linear"))
    ids = st.sampled_from([n.id for n in graph.nodes] + ["nobody"])
    node = draw(st.sampled_from(graph.nodes))
    wild = st.none() | st.integers(-3, 10**6) | st.floats() | st.sampled_from(["", "same", "nobody"]) | st.booleans()
    match draw(st.sampled_from(["lose", "cut", "join", "set", "type", "twice", "repeat"])):
        case "lose":
            return graph.remove(node.id)
        case "cut" if graph.edges:
            return graph.disconnect(draw(st.sampled_from(graph.edges)))
        case "join":
            return graph.add(Node("late", "Linear"), [Edge(draw(ids), draw(ids), draw(st.integers(-1, 4)))])
        case "type":
            type_ = draw(st.sampled_from([*(s.type for s in CATALOG), "Block", "Lineer"]))
            return Graph(tuple(Node(n.id, type_, n.params) if n is node else n for n in graph.nodes), graph.edges)
        case "twice":
            return graph.add(node)
        case "repeat":
            return graph.set_params(node.id, {"repeat": draw(wild)})
    spec = BY_TYPE.get(node.type)
    names = [p.name for p in spec.params] if spec and spec.params else ["nonsense"]
    return graph.set_params(node.id, {draw(st.sampled_from(names)): draw(wild)})
