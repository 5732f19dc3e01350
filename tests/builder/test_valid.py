"""Random networks that hold compute, learn, and are exported as they are; damaged ones are explained."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from builder.block import drawn
from builder.compile import compile_graph
from builder.diagnostic import Refused
from builder.document import dumps, loads
from builder.edit import apply
from builder.flatten import flatten
from builder.graph import Graph
from builder.infer import infer
from builder.source import source
from tests.builder.layers import batch
from tests.builder.networks import EXAMPLES, broken_graphs, valid_graphs
from tests.builder.test_source import load_class

thoroughly = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@thoroughly
@given(graph=valid_graphs())
def test_a_valid_network_computes_learns_and_is_exported_as_it_is(graph: Graph) -> None:
    found = infer(graph)
    assert found.errors == ()
    assert loads(dumps(graph)) == graph
    net = compile_graph(graph, seed=0)
    assert sum(p.numel() for p in net.parameters()) <= found.params
    inputs = [batch(x, 4) for x in found.inputs.values()]
    seen: dict[str, tuple[int, ...]] = {}
    outs = listed(net(*inputs, tap=lambda id, x: seen.update({id: tuple(x.shape[1:])})))
    flat = infer(flatten(graph)).nodes
    assert seen == {id: x.shape for id in seen if (x := found.nodes[id].output)}
    assert seen == {id: x.shape for id in seen if (x := flat[id].output)}
    assert [tuple(out.shape[1:]) for out in outs] == [x.shape for x in found.outputs.values()]
    if any(out.requires_grad for out in outs):
        sum(out.sum() for out in outs).backward()  # type: ignore[union-attr]
    exported = load_class(source(graph, "Net"))()
    assert set(exported.state_dict()) == set(net.state_dict())
    exported.load_state_dict(net.state_dict())
    with torch.no_grad():
        ours, theirs = listed(net.eval()(*inputs)), listed(exported.eval()(*inputs))
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True) for a, b in zip(ours, theirs, strict=True))


@thoroughly
@given(graph=broken_graphs())
def test_a_broken_network_is_explained_and_its_cures_cure(graph: Graph) -> None:
    found = infer(graph)
    places = {drawn(id) for id in found.nodes}
    for d in found.diagnostics:
        assert d.what
        assert d.cure
        assert d.node is None or d.node in places
        if d.fix:
            after = infer(apply(graph, d.fix.edits))
            assert (d.code, d.node, d.field) not in {(e.code, e.node, e.field) for e in after.diagnostics}
    if found.errors:
        for refuses in (compile_graph, source):
            with pytest.raises(Refused) as refusal:
                refuses(graph)  # type: ignore[operator]
            assert refusal.value.diagnostics == found.errors
    elif found.params < 1_000_000 and all(n.output is None or n.output.numel < 10**6 for n in found.nodes.values()):
        outs = listed(compile_graph(graph, seed=0).eval()(*(batch(x) for x in found.inputs.values())))
        assert [tuple(out.shape[1:]) for out in outs] == [x.shape for x in found.outputs.values()]


def listed(outs: Any) -> list[torch.Tensor]:
    return list(outs) if isinstance(outs, tuple) else [outs]
