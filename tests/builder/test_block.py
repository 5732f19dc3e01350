"""Blocks: what is in them is computed, counted, told and kept as if it were written out by hand."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor

from builder.block import MAX_DEPTH, MAX_LAYERS, at, drawn, size
from builder.compile import compile_graph
from builder.diagnostic import Refused
from builder.document import dumps, loads
from builder.edit import Inside, SetParams, apply, within
from builder.flatten import flatten
from builder.graph import Edge, Graph, Node
from builder.infer import infer
from builder.names import attributes
from builder.source import source
from tests.builder.drawings import chain, draw, nested
from tests.builder.layers import batch
from tests.builder.test_source import load_class

RESIDUAL = draw(
    "x:Input c:Conv2d r:ReLU a:Add o:Output",
    "x>c c>r r>a:0 x>a:1 a>o",
    c={"out_channels": 4, "kernel_size": 3, "padding": 1},
)
STACK = draw("i:Input b:Block f:Flatten l:Linear o:Output", "i>b b>f f>l l>o", i={"shape": (4, 6, 6)}, b={"repeat": 3})
STACK = STACK.set_inner("b", RESIDUAL)
DECODER = draw("x:Input m:Input a:Add l:Linear o:Output", "x>a:0 m>a:1 a>l l>o", l={"out_features": 5})
TWO_PORTS = draw("q:Input k:Input d:Block o:Output", "q>d:0 k>d:1 d>o", q={"shape": (5,)}, k={"shape": (5,)})
TWO_PORTS = TWO_PORTS.set_params("d", {"repeat": 2}).set_inner("d", DECODER)


def block(inner: Graph, repeat: int = 1, shape: tuple[int, ...] = (4, 8, 8)) -> Graph:
    """Input → a block with ``inner`` → Output."""
    return chain("Input", "Block", "Output", a={"shape": shape}, b={"repeat": repeat}).set_inner("b", inner)


def test_flattened_the_repeats_stand_one_after_the_other() -> None:
    flat = flatten(STACK)
    assert [n.id for n in flat.nodes][:4] == ["i", "b.0.c", "b.0.r", "b.0.a"]
    assert {(e.source, e.target, e.port) for e in flat.edges} >= {
        ("i", "b.0.c", 0),
        ("i", "b.0.a", 1),
        ("b.0.a", "b.1.c", 0),
        ("b.0.a", "b.1.a", 1),
        ("b.2.a", "f", 0),
    }
    assert flatten(flat) is flat


def test_a_second_port_gives_every_repeat_the_same_tensor() -> None:
    into_port = [(e.source, e.target) for e in flatten(TWO_PORTS).edges if e.port == 1]
    assert into_port == [("k", "d.0.a"), ("k", "d.1.a")]


def test_a_repeated_block_computes_what_it_does_by_hand() -> None:
    net = compile_graph(TWO_PORTS, seed=0)
    x, memory = batch(infer(TWO_PORTS).inputs["q"]), batch(infer(TWO_PORTS).inputs["k"], seed=1)
    state = net.state_dict()
    expected = x
    for k in range(2):
        expected = (expected + memory) @ state[f"d.{k}.l.weight"].T + state[f"d.{k}.l.bias"]
    assert torch.allclose(net(x, memory), expected, atol=1e-6)


def test_modules_mirror_the_blocks_and_weights_are_named_by_their_path() -> None:
    net = compile_graph(STACK, seed=0)
    assert list(dict(net.named_children())) == ["b", "f", "l"]
    assert list(dict(net.get_submodule("b").named_children())) == ["0", "1", "2"]
    weights = [f"b.{k}.c.{name}" for k in range(3) for name in ("weight", "bias")]
    assert list(net.state_dict()) == [*weights, "l.weight", "l.bias"]
    assert not torch.equal(net.state_dict()["b.0.c.weight"], net.state_dict()["b.1.c.weight"])


def test_each_layer_of_each_repeat_is_seen_by_its_path() -> None:
    seen: dict[str, Tensor] = {}
    compile_graph(STACK, seed=0)(batch(infer(STACK).inputs["i"]), tap=seen.__setitem__)
    assert set(seen) == {n.id for n in flatten(STACK).nodes}


@pytest.mark.parametrize("graph", [STACK, TWO_PORTS], ids=["one port", "two ports"])
def test_the_sums_of_a_block_are_those_of_its_layers_written_out(graph: Graph) -> None:
    found, flat = infer(graph), infer(flatten(graph))
    assert found.ok
    assert (found.params, found.flops) == (flat.params, flat.flops)
    assert found.params == sum(p.numel() for p in compile_graph(graph).parameters())
    assert found.order == tuple(flat.order)
    assert {id: found.nodes[id] for id in flat.nodes} == dict(flat.nodes)
    assert found.flat.nodes == flat.nodes
    kept = [sum(n.inner + n.output.numel for n in i.nodes.values() if n.output) for i in (flat,)]
    top = sum(info.inner + info.output.numel for id in graph.by_id if (info := found.nodes[id]).output)
    assert kept == [top]


def test_inside_shows_ports_and_layers_of_the_first_repeat() -> None:
    within = infer(STACK).inside("b")
    assert set(within) == set(RESIDUAL.by_id)
    assert str(within["x"].output) == "4 × 6 × 6"
    assert within["c"].params == 4 * 4 * 9 + 4
    assert set(infer(STACK).inside("")) == set(STACK.by_id)


def test_a_problem_in_a_block_is_told_there_and_at_the_block_and_its_fix_mends_all_repeats() -> None:
    graph = apply(STACK, [Inside("b", (SetParams("c", {"out_channels": 5}),))])
    found = infer(graph)
    (problem,) = found.errors
    assert (problem.code, problem.node) == ("shape/add-unequal", "b.a")
    assert found.nodes["b"].diagnostics == found.nodes["b.0.a"].diagnostics == (problem,)
    assert problem.fix
    mended = apply(graph, problem.fix.edits)
    assert infer(mended).ok
    assert size(mended) == size(graph) + 3


def test_a_block_that_does_not_fit_itself_again_is_told_so_once_with_a_cure() -> None:
    graph = block(draw("x:Input c:Conv2d o:Output", "x>c c>o", c={"kernel_size": 4}), repeat=5)
    (problem,) = infer(graph).diagnostics
    assert (problem.code, problem.node, problem.field) == ("block/repeat", "b", "repeat")
    assert problem.text == (
        "b repeats, and what it gives (16 × 2 × 2) does not suit it again. c: A 4 × 4 kernel does not fit a 2 × 2 "
        "input. Give it an output like its input, or repeat it less often."
    )
    assert problem.fix
    assert problem.fix.label == "Repeat it 2 times"
    assert infer(apply(graph, problem.fix.edits)).ok


def test_a_block_of_which_only_the_last_repeat_would_count_is_refused_with_a_cure() -> None:
    graph = TWO_PORTS.set_inner("d", DECODER.disconnect(Edge("x", "a")).add(Node("x2", "ReLU"), [Edge("m", "x2")]))
    graph = graph.set_inner("d", graph.by_id["d"].inner.connect(Edge("x2", "a", 0)))  # type: ignore[union-attr]
    (problem,) = infer(graph).errors
    assert (problem.code, problem.node, problem.text) == (
        "block/unchained",
        "d",
        "d repeats, but x, which takes what the time before gave, leads to no Output. Connect it, or do not repeat it.",
    )
    assert problem.fix
    assert infer(apply(graph, problem.fix.edits)).ok


def test_a_first_port_that_ends_in_a_block_within_does_not_count_as_used() -> None:
    within = draw("x:Input m:Input a:ReLU o:Output", "m>a a>o")
    inner = draw("x:Input m:Input b:Block o:Output", "x>b:0 m>b:1 b>o").set_inner("b", within)
    graph = TWO_PORTS.set_inner("d", inner)
    assert [d.code for d in infer(graph).errors] == ["block/unchained"]
    assert infer(graph.set_params("d", {"repeat": 1})).ok


@pytest.mark.parametrize("id", ["train", "forward", "class", "_modules", "T_destination"])
def test_blocks_and_layers_in_them_may_have_any_id(id: str) -> None:
    inner = Graph((Node("x", "Input"), Node(id, "Linear"), Node("o", "Output")), (Edge("x", id), Edge(id, "o")))
    for repeat in (1, 2):
        node = Node(id, "Block", {"repeat": repeat}, inner=inner)
        graph = Graph((Node("i", "Input"), node, Node("o", "Output")), (Edge("i", id), Edge(id, "o")))
        net = compile_graph(graph, seed=0)
        exported = load_class(source(graph))()
        assert list(exported.state_dict()) == list(net.state_dict())
        assert exported(torch.zeros(2, 2)).shape == (2, 16)


def test_a_path_is_named_part_by_part_among_siblings() -> None:
    names = attributes(["train_", "train.0.train", "train.1.train", "res.conv", "res.bn"])
    assert names == {
        "train_": "train_",
        "train.0.train": "train__.0.train_",
        "train.1.train": "train__.1.train_",
        "res.conv": "res.conv",
        "res.bn": "res.bn",
    }


def test_a_repeat_may_change_the_shape_where_every_layer_takes_it() -> None:
    graph = block(draw("x:Input c:Conv2d o:Output", "x>c c>o", c={"kernel_size": 3}), repeat=3)
    assert [str(infer(graph).nodes[f"b.{k}.c"].output) for k in range(3)] == ["16 × 6 × 6", "16 × 4 × 4", "16 × 2 × 2"]
    assert compile_graph(graph)(torch.zeros(1, 4, 8, 8)).shape == (1, 16, 2, 2)


BROKEN = [
    (Graph(), "graph/empty", "b", "There is nothing in this block."),
    (draw("l:Linear o:Output", "l>o"), "graph/no-input", "b", "This block has no Input, so no data can enter it."),
    (draw("x:Input l:Linear", "x>l"), "graph/no-output", "b", "This block has no Output, so nothing comes out of it."),
    (
        draw("x:Input l:Linear o:Output p:Output", "x>l l>o x>p"),
        "graph/block-outputs",
        "b",
        "A block gives one output; this one has 2 Outputs (o, p).",
    ),
    (
        draw("x:Input l:Linear m:Linear o:Output", "x>l l>o", m={"share": "l"}),
        "graph/unreachable",
        "b.m",
        "No data reaches m.",
    ),
    (
        draw("x:Input l:Linear o:Output", "x>l l>o", l={"share": "c"}),
        "graph/share-unknown",
        "b.l",
        "l shares the weights of 'c', and there is no such other layer in this block.",
    ),
]


@pytest.mark.parametrize(("inner", "code", "node", "what"), BROKEN, ids=[b[1] for b in BROKEN])
def test_what_is_wrong_within_a_block_is_told_as_such(inner: Graph, code: str, node: str, what: str) -> None:
    found = [d for d in infer(block(inner, shape=(4,))).errors if d.code == code]
    assert [(d.node, d.what) for d in found] == [(node, what)]


def test_weights_are_shared_within_each_repeat_and_not_across_the_border() -> None:
    inner = draw(
        "x:Input l:Linear m:Linear o:Output", "x>l l>m m>o", l={"out_features": 4}, m={"out_features": 4, "share": "l"}
    )
    graph = block(inner, repeat=2, shape=(4,))
    assert infer(graph).params == 2 * 20
    assert list(compile_graph(graph).state_dict()) == ["b.0.l.weight", "b.0.l.bias", "b.1.l.weight", "b.1.l.bias"]
    outside = chain("Input", "Block", "Linear", "Output", a={"shape": (4,)}, c={"out_features": 4, "share": "l"})
    problem = infer(outside.set_inner("b", inner)).errors[0]
    assert problem.what == "c shares the weights of 'l', and there is no such other layer outside the blocks."


def test_a_layer_in_a_block_knows_what_reads_the_block() -> None:
    """Softmax before an Output is advised against, but not where a layer follows."""
    inner = draw("x:Input s:Softmax o:Output", "x>s s>o")
    last = block(inner, repeat=2, shape=(4,))
    assert [(d.code, d.node) for d in infer(last).diagnostics] == [("train/softmax-before-output", "b.s")]
    followed = chain("Input", "Block", "Linear", "Output", a={"shape": (4,)}).set_inner("b", inner)
    assert infer(followed).diagnostics == ()


def test_too_many_repeats_within_repeats_are_refused_before_anything_is_written_out() -> None:
    graph = chain("Input", "ReLU", "Output")
    for _ in range(4):
        graph = block(graph, repeat=100, shape=(4,))
    (problem,) = infer(graph).errors
    assert problem.what == (
        f"With all repeats the network has {size(graph):,} layers; at most {MAX_LAYERS:,} are computed."
    )
    assert (problem.node, problem.fix) == ("b", None)
    with pytest.raises(Refused):
        compile_graph(graph)
    assert [n.id for n in flatten(graph).nodes] == ["a", "b.0.b.0.b.0.b.0.b", "c"]


@pytest.mark.parametrize("repeats", [(200, 200), (3, 200, 200), (200, 3, 200)], ids=str)
def test_too_many_layers_are_told_at_a_block_and_mended_by_repeating_it_as_often_as_may_be(
    repeats: tuple[int, ...],
) -> None:
    graph = chain("Input", "ReLU", "Output")
    for n in repeats:
        graph = block(graph, repeat=n, shape=(4,))
    (problem,) = infer(graph).errors
    assert problem.node
    assert problem.fix
    assert problem.fix.label in (f"Set repeats to {n}" for n in range(1, 200))
    mended = apply(graph, problem.fix.edits)
    assert infer(mended).errors == ()
    where, _, id = problem.node.rpartition(".")
    n = at(mended, where).by_id[id].params["repeat"]
    assert size(apply(mended, within(where, [SetParams(id, {"repeat": n + 1})]))) > MAX_LAYERS


OPEN = draw("l:Linear a:Add o:Output", "l>a a>o", l={"out_features": 4})


@pytest.mark.parametrize("inner", [draw("l:Linear o:Output", "l>o"), OPEN], ids=["one layer", "a shortcut"])
def test_a_block_that_lost_its_input_has_one_error_and_its_fix_mends_the_network(inner: Graph) -> None:
    graph = block(inner, shape=(4,))
    (problem,) = infer(graph).errors
    assert (problem.code, problem.node) == ("graph/no-input", "b")
    assert problem.fix
    assert infer(apply(graph, problem.fix.edits)).errors == ()
    alone = graph.disconnect(Edge("a", "b"))
    assert [(d.code, d.node) for d in infer(alone).errors] == [("graph/no-input", "b")]


def test_an_edit_of_another_block_works_out_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    from builder import draft as module

    graph = chain("Input", "Block", "Block", "Output", a={"shape": (4, 6, 6)})
    graph = graph.set_inner("b", RESIDUAL).set_inner("c", RESIDUAL.set_label("c", "second"))
    infer(graph)
    asked: list[str] = []
    whole = module.draft
    monkeypatch.setattr(module, "draft", lambda g, *a: (asked.append(g.text), whole(g, *a))[1])
    edited = apply(graph, [Inside("c", (SetParams("c", {"bias": False}),))])
    assert infer(edited).ok
    assert asked == [edited.by_id["c"].inner.text]  # type: ignore[union-attr]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graph=nested())
def test_a_wild_drawing_with_blocks_is_kept_and_compiles_or_says_why_not(graph: Graph) -> None:
    assert loads(dumps(graph)) == graph
    found = infer(graph)
    paths = {drawn(id) for id in found.nodes}
    assert all(d.node is None or d.node in paths for d in found.diagnostics)
    flat = flatten(graph)
    assert len({n.id for n in flat.nodes}) == len(flat.nodes)
    infer(flat)
    if found.errors:
        with pytest.raises(Refused):
            compile_graph(graph)
    elif found.params < 100_000 and all(n.output and n.output.numel < 100_000 for n in found.nodes.values()):
        out = compile_graph(graph, seed=0).eval()(*(batch(x) for x in found.inputs.values()))
        outs = out if isinstance(out, tuple) else (out,)
        assert [tuple(o.shape[1:]) for o in outs] == [x.shape for x in found.outputs.values()]
        assert {id: found.nodes[id].output for id in flat.by_id} == {
            id: n.output for id, n in infer(flat).nodes.items()
        }


def body(inner: object, **more: object) -> str:
    node = {"id": "b", "type": "Block", "inner": inner, **more}
    return json.dumps({"format": "layerloom", "version": 2, "nodes": [node], "edges": []})


def deep(levels: int) -> dict[str, object]:
    inner: dict[str, object] = {"nodes": [], "edges": []}
    for _ in range(levels):
        inner = {"nodes": [{"id": "b", "type": "Block", "inner": inner}], "edges": []}
    return inner


MANY = {"nodes": [{"id": f"n{i}", "type": "ReLU"} for i in range(2_000)], "edges": []}
HOSTILE = [
    (
        body(None),
        "nodes[0].inner: must be an object with the nodes and edges of the block; it is empty. Put them in { }.",
    ),
    (body({"nodes": []}), "nodes[0].inner.edges: must be a list; it is empty. Put them in [ ]."),
    (
        body({"nodes": [{"id": "x", "type": "Lineer"}], "edges": []}),
        "nodes[0].inner.nodes[0].type: must name a layer type; it is 'Lineer'. Did you mean 'Linear'?",
    ),
    (
        body({"nodes": [], "edges": [], "format": "layerloom"}),
        "nodes[0].inner.format: there is no such key. Use one of nodes, edges, notes.",
    ),
    (
        json.dumps(
            {
                "format": "layerloom",
                "version": 2,
                "nodes": [{"id": "l", "type": "Linear", "inner": {"nodes": [], "edges": []}}],
                "edges": [],
            }
        ),
        "nodes[0].inner: there is no such key. Use one of id, type, params, label, position.",
    ),
    (
        body(MANY),
        "nodes[0].inner.nodes: has 2,001 entries with those in blocks; at most 2,000 are read. Use fewer.",
    ),
    (
        body(deep(MAX_DEPTH)),
        "nodes[0]" + ".inner.nodes[0]" * MAX_DEPTH + f".inner: stands in {MAX_DEPTH} blocks already, and no more are "
        "read. Ungroup one of them.",
    ),
    (
        body({"nodes": [], "edges": []}, params={"repeat": "many"}),
        "nodes[0].params.repeat: Repeats must be a whole number from 1 to 200; it is 'many'. Give a whole number.",
    ),
]


@pytest.mark.parametrize(("text", "problem"), HOSTILE)
def test_a_hostile_block_is_refused_with_the_place_and_the_reason(text: str, problem: str) -> None:
    with pytest.raises(Refused) as refused:
        loads(text)
    assert [d.text for d in refused.value.diagnostics] == [problem]


def test_blocks_as_deep_as_is_read_are_read() -> None:
    assert loads(body(deep(MAX_DEPTH - 1)))


def test_ports_of_a_block_are_those_of_its_inputs_in_a_document_too() -> None:
    assert loads(dumps(TWO_PORTS)) == TWO_PORTS
    with pytest.raises(Refused, match=r"port: must be from 0 to 1 for d \(Block\); it is 2"):
        loads(dumps(TWO_PORTS).replace('"target": "d", "port": 1', '"target": "d", "port": 2'))


def test_a_file_of_the_first_version_opens_as_it_was() -> None:
    graph = draw("a:Input b:Linear c:Output", "a>b b>c")
    assert loads(dumps(graph).replace('"version": 2', '"version": 1')) == graph


def test_a_circle_through_blocks_is_told_and_ends() -> None:
    through = draw("x:Input o:Output", "x>o")
    graph = Graph(
        (Node("b", "Block", inner=through), Node("c", "Block", inner=through)), (Edge("b", "c"), Edge("c", "b"))
    )
    assert "graph/cycle" in {d.code for d in infer(graph).errors}
    assert flatten(graph).nodes == ()
