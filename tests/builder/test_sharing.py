"""Two nodes, one set of weights: counted once, trained together, exported once, and refused where unlike."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from builder.catalog import BY_TYPE, CATALOG
from builder.compile import GraphModule, compile_graph
from builder.document import dumps, loads
from builder.edit import apply
from builder.graph import Graph
from builder.infer import infer
from builder.source import source
from builder.spec import nothing
from tests.builder.drawings import chain, draw
from tests.builder.layers import LAYERS, alone, batch, inputs_for
from tests.builder.test_source import load_class

HALF = {"out_features": 3, "init": "xavier_uniform"}


def siamese(**right: Any) -> Graph:
    """Two inputs through the same Linear, and how they differ."""
    shape = {"shape": (4,)}
    nodes = "x:Input y:Input left:Linear right:Linear minus:Subtract o:Output"
    edges = "x>left y>right left>minus:0 right>minus:1 minus>o"
    return draw(nodes, edges, x=shape, y=shape, left=HALF, right={**HALF, "share": "left", **right})


def test_shared_weights_are_one_module_and_counted_once() -> None:
    graph = siamese()
    found, net = infer(graph), compile_graph(graph, seed=0)
    assert found.diagnostics == ()
    assert list(net.state_dict()) == ["left.weight", "left.bias"]
    assert found.params == sum(p.numel() for p in net.parameters()) == 4 * 3 + 3
    assert found.nodes["right"].weights == found.nodes["left"].weights
    x = batch(found.inputs["x"])
    assert not net(x, x).any(), "both branches compute the same"


def test_both_uses_add_to_one_gradient() -> None:
    graph = siamese()
    net, apart = compile_graph(graph, seed=0), compile_graph(graph.set_params("right", {"share": None}), seed=0)
    apart.load_state_dict(
        {f"{n}.{k}": net.state_dict()[f"left.{k}"] for n in ("left", "right") for k in ("weight", "bias")}
    )
    inputs = [batch(spec, 2, i) for i, spec in enumerate(infer(graph).inputs.values())]
    for each in (net, apart):
        each(*inputs).square().sum().backward()
    both = [gradient(apart, f"{n}.weight") for n in ("left", "right")]
    assert torch.allclose(gradient(net, "left.weight"), both[0] + both[1], atol=1e-6)


def gradient(net: GraphModule, name: str) -> torch.Tensor:
    found = net.get_parameter(name).grad
    assert found is not None
    return found


def test_the_source_has_one_attribute_and_starts_as_the_module_does() -> None:
    text = source(siamese())
    assert text.count("nn.Linear(4, 3)") == text.count("initialize(self.left") == 1
    assert text.count("self.left(") == 2
    assert "self.right" not in text
    torch.manual_seed(3)
    theirs = load_class(text)().state_dict()
    ours = compile_graph(siamese(), seed=3).state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_the_document_keeps_it_and_an_owner_that_leads_nowhere_still_lends_its_weights() -> None:
    graph = siamese()
    assert loads(dumps(graph)) == graph
    alone_ = draw(
        "x:Input a:Linear b:Linear o:Output", "x>a x>b b>o", a=HALF, b={**HALF, "share": "a", "init": "zeros"}
    )
    net = compile_graph(alone_, seed=0)
    assert list(net.state_dict()) == ["a.weight", "a.bias"]
    assert net.get_parameter("a.weight").any(), "the owner's start counts"


WRONG = [
    (siamese(share="nobody"), "graph/share-unknown", "Give it weights of its own"),
    (siamese(share="right"), "graph/share-unknown", "Give it weights of its own"),
    (siamese(share="minus"), "graph/share-other-type", "Give it weights of its own"),
    (siamese(out_features=5), "graph/share-unequal", "Take over the settings of left"),
    (siamese(bias=False), "graph/share-unequal", "Take over the settings of left"),
    (siamese().set_params("left", {"share": "right"}), "graph/share-chain", "Give it weights of its own"),
    (siamese().set_params("y", {"shape": (7,)}), "graph/share-unequal", "Give it weights of its own"),
    (
        chain("Input", "Conv2d", "Conv2d", "Output", a={"shape": (16, 8, 8)}, c={"share": "b", "stride": 2}),
        "graph/share-unequal",
        "Take over the settings of b",
    ),
]


@pytest.mark.parametrize(("graph", "code", "label"), WRONG, ids=lambda v: v if isinstance(v, str) else "")
def test_what_cannot_be_shared_is_refused_with_a_cure_that_works(graph: Graph, code: str, label: str) -> None:
    found = [d for d in infer(graph).errors if d.field == "share"]
    assert {d.code for d in found} == {code}
    for problem in found:
        assert problem.fix
        graph = apply(graph, problem.fix.edits)
    assert found[-1].fix is not None
    assert found[-1].fix.label == label
    assert infer(graph).ok


def test_messages_name_both_layers_and_both_sizes() -> None:
    sizes = infer(siamese(out_features=5)).errors[0]
    assert sizes.text == (
        "right and left cannot share weights: theirs differ (weight: 5 × 4 and 3 × 4). "
        "Give both the same settings and inputs of the same size."
    )
    (stride,) = infer(WRONG[-1][0]).errors
    assert stride.text == (
        "c and b share weights, so they must have the same settings, but stride differs. Give both the same settings."
    )


def test_a_chain_of_three_is_led_to_the_one_that_has_the_weights() -> None:
    square = {"out_features": 4}
    graph = chain(
        "Input", "Linear", "Linear", "Linear", "Output", a={"shape": (4,)}, b=square, c={**square, "share": "b"}
    )
    graph = graph.set_params("d", {**square, "share": "c"})
    (found,) = infer(graph).errors
    assert found.code == "graph/share-chain"
    assert found.fix
    assert found.fix.label == "Share those of b"
    assert list(compile_graph(apply(graph, found.fix.edits)).state_dict()) == ["b.weight", "b.bias"]


@pytest.mark.parametrize("spec", [s for s in LAYERS if s.weights is not nothing], ids=lambda s: s.type)
def test_every_layer_with_weights_can_share_them(spec: Any) -> None:
    inputs = inputs_for(spec)
    graph = alone(spec, inputs)
    twin = alone(spec, inputs, share="layer")
    for node in twin.nodes[1:-1]:
        graph = graph.add(type(node)(f"twin_{node.id}", node.type, node.params))
    graph = graph.add(type(twin.nodes[0])("twin", spec.type, {"share": "layer"}))
    graph = graph.add(type(twin.nodes[0])("end", "Output"))
    for e in twin.edges:
        source_ = f"twin_{e.source}" if e.source != "layer" else "twin"
        graph = graph.connect(type(e)(source_, "twin" if e.target == "layer" else "end", e.port))
    net = compile_graph(graph, seed=0).eval()
    values = [batch(x) for x in inputs]
    first, second = net(*values, *values)
    assert torch.equal(first, second)
    assert {k.split(".")[0] for k in net.state_dict()} <= {"layer"}
    assert infer(graph).params == sum(p.numel() for p in net.parameters())


def test_only_layers_with_weights_offer_it() -> None:
    offering = {s.type for s in CATALOG if "share" in {p.name for p in s.params}}
    assert {"Linear", "LSTM", "BatchNorm2d", "ClassToken", "PReLU"} <= offering
    assert not offering & {"Input", "ReLU", "Add", "Dropout", "MaxPool2d", "SinusoidalPositions"}
    assert all(BY_TYPE[t].weights is not nothing for t in offering)
