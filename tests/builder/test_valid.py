"""Random networks that hold, over the whole catalogue: they compute, learn, and their source computes the same."""

from __future__ import annotations

import math
from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.catalog import BY_TYPE
from builder.catalog.sharing import SHARE
from builder.compile import compile_graph
from builder.document import dumps, loads
from builder.graph import Edge, Graph, Node
from builder.infer import infer
from builder.source import source
from builder.spec import Diagnostic, LayerSpec, TensorSpec
from tests.builder.drawings import values
from tests.builder.layers import LAYERS, batch, tensor
from tests.builder.test_source import load_class

STARTS = [tensor((6,)), tensor((4, 8)), tensor((4, 8, 8)), tensor((2, 4, 6, 6)), tensor((7,), "int64")]
MOST = 4_000  # values in one tensor


@st.composite
def valid_graphs(draw: st.DrawFn) -> Graph:
    """Layer after layer, each on tensors that it takes; what leads nowhere goes to an Output."""
    start = draw(st.sampled_from(STARTS))
    graph = Graph().add(Node("start", "Input", {"shape": start.shape, "dtype": start.dtype}))
    made = {"start": start}
    for i in range(draw(st.integers(1, 8))):
        before = draw(st.sampled_from(list(made)[-3:]))
        spec = draw(layers_on(made[before]))
        params = draw(settings_of(spec))
        params = params if output(spec, params, made[before]) else {}
        if (twins := _twins(graph, made, before)) and draw(st.booleans()):
            twin = draw(st.sampled_from(twins))
            spec, params = BY_TYPE[twin.type], {**twin.params, SHARE.name: twin.id}
        alike = [id for id, x in made.items() if x == made[before]]
        ports = range(draw(st.integers(2, 3)) if spec.variadic else len(spec.ports))
        edges = [Edge(draw(st.sampled_from(alike)) if port else before, f"n{i}", port) for port in ports]
        graph = graph.add(Node(f"n{i}", spec.type, params), edges)
        out = spec.infer(spec.complete(params), (made[before],) * len(edges))
        assert isinstance(out, TensorSpec)
        made[f"n{i}"] = out
    for id in [id for id in made if not graph.outputs(id) and made[id].dtype == "float32"]:
        graph = graph.add(Node(f"out_{id}", "Output"), [Edge(id, f"out_{id}")])
    return graph


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


def _twins(graph: Graph, made: dict[str, TensorSpec], before: str) -> list[Node]:
    """The layers whose weights one more layer on ``before`` could use."""
    owners = [n for n in graph.nodes if SHARE in BY_TYPE[n.type].params and SHARE.name not in n.params]
    return [n for n in owners if made[graph.inputs(n.id)[0].source] == made[before]]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graph=valid_graphs())
def test_a_valid_network_computes_learns_and_is_exported_as_it_is(graph: Graph) -> None:
    found = infer(graph)
    assert found.errors == ()
    assert loads(dumps(graph)) == graph
    net = compile_graph(graph, seed=0)
    assert sum(p.numel() for p in net.parameters()) <= found.params
    inputs = [batch(x, 4) for x in found.inputs.values()]
    outs = listed(net(*inputs))
    assert [tuple(out.shape[1:]) for out in outs] == [x.shape for x in found.outputs.values()]
    if any(out.requires_grad for out in outs):
        sum(out.sum() for out in outs).backward()  # type: ignore[union-attr]
    exported = load_class(source(graph, "Net"))()
    exported.load_state_dict(net.state_dict())
    with torch.no_grad():
        ours, theirs = listed(net.eval()(*inputs)), listed(exported.eval()(*inputs))
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True) for a, b in zip(ours, theirs, strict=True))


def listed(outs: Any) -> list[torch.Tensor]:
    return list(outs) if isinstance(outs, tuple) else [outs]
