"""The module of a graph: names, steps, taps, seeds, and what it costs."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

from builder.catalog import BY_TYPE
from builder.compile import GraphModule, compile_graph
from builder.diagnostic import Refused
from builder.graph import Edge, Graph, Node
from builder.infer import infer
from builder.names import OF_MODULE, OF_TRACED, attribute, attributes
from builder.plan import plan
from tests.builder.drawings import chain, draw, graphs
from tests.builder.layers import batch

MLP = chain("Input", "Linear", "Tanh", "Linear", "Output", b={"out_features": 8}, d={"out_features": 3})
DIAMOND = draw(
    "x:Input l:Linear r:Linear a:Add t:Tanh o:Output",
    "x>l x>r l>a:0 r>a:1 a>t t>o",
    l={"out_features": 4},
    r={"out_features": 4},
)


def slow(net: GraphModule, graph: Graph, *inputs: Tensor) -> dict[str, Tensor]:
    """What every node gives, each looked up by recursion and called by hand."""
    nodes = infer(graph).nodes
    given_ = dict(zip((n.id for n in graph.nodes if n.type == "Input"), inputs, strict=True))

    def value(id: str) -> Tensor:
        spec = BY_TYPE[graph.by_id[id].type]
        if id in given_:
            return given_[id]
        xs = [value(e.source) for e in graph.inputs(id)]
        if spec.type == "Output":
            return xs[0]
        if spec.type == "Add":
            return sum(xs[1:], xs[0])
        if spec.type == "Concat":
            return torch.cat(xs, dim=spec.complete(graph.by_id[id].params)["dim"])
        if spec.type == "Reshape":
            out = nodes[id].output
            return xs[0].reshape(len(xs[0]), *(out.shape if out else ()))
        out = getattr(net, attribute(id))(xs[0])
        if spec.group != "Recurrent":
            return out
        assert not graph.by_id[id].params.get("bidirectional"), "last of both directions is tested in test_behaviour"
        return out[0] if graph.by_id[id].params.get("output") == "sequence" else out[0][:, -1]

    return {n.id: value(n.id) for n in graph.nodes}


def assert_as_slow(graph: Graph) -> None:
    net = compile_graph(graph, seed=0).eval()
    inputs = [batch(x, 3, i) for i, x in enumerate(infer(graph).inputs.values())]
    tapped: dict[str, Tensor] = {}
    out = net(*inputs, tap=tapped.__setitem__)
    expected = slow(net, graph, *inputs)
    assert list(tapped) == [*(n.id for n in graph.nodes if n.type == "Input"), *_computed(graph)]
    for id, value in tapped.items():
        assert torch.equal(value, expected[id]), id
    ends = [expected[n.id] for n in graph.nodes if n.type == "Output"]
    for got, want in zip(out if isinstance(out, tuple) else (out,), ends, strict=True):
        assert torch.equal(got, want)


def _computed(graph: Graph) -> list[str]:
    steps = plan(graph)
    return [*(s.node for s in steps.steps), *(id for id, _ in steps.outputs)]


BRANCHY = draw(
    "x:Input c:Conv2d p:MaxPool2d q:AvgPool2d j:Concat f:Flatten r:Reshape s:LSTM o:Output o2:Output y:Input z:Output",
    "x>c c>p c>q p>j:0 q>j:1 j>f f>o j>r r>s s>o2 y>z",
    x={"shape": (1, 8, 8)},
    c={"out_channels": 4, "same_padding": True},
    r={"shape": (16, -1)},
)


@pytest.mark.parametrize("graph", [MLP, DIAMOND, BRANCHY], ids=["mlp", "diamond", "branchy"])
def test_every_node_gives_what_it_gives_when_called_by_hand(graph: Graph) -> None:
    assert_as_slow(graph)


@settings(max_examples=60, deadline=None)
@given(graph=graphs())
def test_a_wild_drawing_compiles_or_says_why_not(graph: Graph) -> None:
    found = infer(graph)
    if found.errors:
        with pytest.raises(Refused) as refusal:
            compile_graph(graph)
        assert refusal.value.diagnostics == found.errors
    elif all(n.params < 100_000 and n.output and n.output.numel < 1_000_000 for n in found.nodes.values()):
        net = compile_graph(graph, seed=0).eval()
        out = net(*(batch(x) for x in found.inputs.values()))
        outs = out if isinstance(out, tuple) else (out,)
        assert [tuple(o.shape[1:]) for o in outs] == [x.shape for x in found.outputs.values()]


def test_several_outputs_come_in_drawing_order() -> None:
    graph = draw("x:Input b:Output a:Output l:Linear", "x>b x>l l>a", l={"out_features": 5})
    first, second = compile_graph(graph)(torch.zeros(2, 2))
    assert (first.shape, second.shape) == ((2, 2), (2, 5))


def test_a_wrong_number_of_inputs_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="1 tensors, not 2"):
        compile_graph(MLP)(torch.zeros(1, 2), torch.zeros(1, 2))


def test_parameters_are_named_by_node_in_order() -> None:
    assert list(compile_graph(MLP).state_dict()) == ["b.weight", "b.bias", "d.weight", "d.bias"]


def test_a_dead_end_is_left_out_so_that_every_weight_can_learn() -> None:
    graph = MLP.add(Node("dead", "Linear"), [Edge("b", "dead")])
    assert list(compile_graph(graph).state_dict()) == list(compile_graph(MLP).state_dict())


def test_the_names_that_torch_uses_are_known() -> None:
    assert {name for name in dir(nn.Module()) if not name.startswith("_")} == OF_MODULE


def test_every_name_that_a_traced_module_uses_itself_is_known() -> None:
    own = {name for name in dir(torch.fx.GraphModule) if not name.startswith("_")}
    assert own - OF_MODULE == OF_TRACED


@pytest.mark.parametrize("id", [*sorted(OF_MODULE | OF_TRACED), "class", "None", "__init__", "_modules", "__x", "_"])
def test_a_node_may_have_any_id(id: str) -> None:
    graph = Graph().add(Node("in", "Input")).add(Node(id, "Linear"), [Edge("in", id)])
    net = compile_graph(graph.add(Node("out", "Output"), [Edge(id, "out")]))
    assert net(torch.zeros(2, 2)).shape == (2, 16)
    assert list(net.state_dict()) == [f"{attribute(id)}.weight", f"{attribute(id)}.bias"]


def test_names_stay_different_where_two_ids_would_meet() -> None:
    names = attributes(["train", "train_", "_a", "layer_a", "a b", "a_b", "é"])
    assert len(set(names.values())) == len(names)
    assert (names["train_"], names["layer_a"], names["a_b"]) == ("train_", "layer_a", "a_b")
    assert all(name.isidentifier() and name.isascii() for name in names.values())


def test_registers_are_used_again_as_soon_as_they_are_free() -> None:
    assert plan(chain("Input", *["Linear", "Tanh"] * 20, "Output")).registers == 1
    assert plan(DIAMOND).registers == 2
    assert [s.target for s in plan(DIAMOND).steps] == [1, 0, 0, 0]


def test_the_same_seed_gives_the_same_weights_and_leaves_the_random_state_alone() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, second, other = (compile_graph(MLP, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert not torch.equal(first["b.weight"], other["b.weight"])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_copy_computes_with_its_own_weights() -> None:
    net = compile_graph(MLP, seed=0)
    twin = copy.deepcopy(net)
    nn.init.zeros_(net.d.weight)  # type: ignore[arg-type, union-attr]
    nn.init.zeros_(net.d.bias)  # type: ignore[arg-type, union-attr]
    x = batch(infer(MLP).inputs["a"])
    assert not net(x).any()
    assert twin(x).all()


def test_watching_leaves_output_and_gradients_bit_identical() -> None:
    results = []
    for tap in (None, lambda _id, _value: None):
        net = compile_graph(DIAMOND, seed=0)
        out = net(batch(infer(DIAMOND).inputs["x"]), tap=tap)
        out.square().sum().backward()
        results.append([out, *(p.grad for p in net.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
