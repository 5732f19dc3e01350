from __future__ import annotations

import pytest
from hypothesis import given, settings

from builder.catalog import BY_TYPE
from builder.diagnostic import Diagnostic
from builder.edit import apply
from builder.graph import Edge, Graph, Node
from builder.infer import infer
from builder.spec import LayerSpec, Port
from tests.builder.drawings import draw, graphs

TWO = LayerSpec("Two", "Test", "", lambda _p, x: x[0], ports=(Port("left"), Port("right")))
CATALOG = BY_TYPE | {"Two": TWO}
WHOLE = "a:Input b:Linear c:Output"
LINE = "a>b b>c"

# drawing; code, node, text, label of the fix
GOLDEN = {
    "an empty canvas": (
        Graph(),
        ("graph/empty", None, "The canvas is empty. Add an Input, layers and an Output, or start from a template.",
         "Add an Input and an Output"),
    ),
    "a cycle": (
        draw("i:Input a:Add b:ReLU o:Output", "i>a a>b b>a:1 b>o"),
        ("graph/cycle", "a",
         "Data would flow in a circle: a → b → a. Remove one of these connections; for a loop over "
         "time use RNN, LSTM or GRU.",
         None),
    ),
    "a cycle that one cut opens": (
        draw("i:Input a:Add b:ReLU o:Output", "i>a i>a:1 a>b b>a:2 b>o"),
        ("graph/cycle", "a",
         "Data would flow in a circle: a → b → a. Remove one of these connections; for a loop over "
         "time use RNN, LSTM or GRU.",
         "Remove b → a"),
    ),
    "a cycle that took the place of the input": (
        draw("i:Input a:Linear b:ReLU o:Output", "a>b b>o b>a"),
        ("graph/cycle", "a",
         "Data would flow in a circle: a → b → a. Remove one of these connections; for a loop over "
         "time use RNN, LSTM or GRU.",
         "Connect i to a"),
    ),
    "a node on itself": (
        draw("i:Input a:Add o:Output", "i>a i>a:1 a>a:2 a>o"),
        ("graph/cycle", "a",
         "Data would flow in a circle: a → a. Remove one of these connections; for a loop over time "
         "use RNN, LSTM or GRU.",
         "Remove a → a"),
    ),
    "no Input": (
        draw("b:Linear c:Output", "b>c"),
        ("graph/no-input", None,
         "The network has no Input, so no data can enter it. Add an Input and connect it to the first "
         "layer.",
         "Add an Input before b"),
    ),
    "no Output": (
        draw("a:Input b:Linear", "a>b"),
        ("graph/no-output", None,
         "The network has no Output, so nothing can be learned from it. Add an Output and connect the "
         "last layer to it.",
         "Add an Output after b"),
    ),
    "a dead end": (
        draw(WHOLE + " d:ReLU e:Linear", LINE + " a>d d>e"),
        ("graph/dead-end", "e",
         "e and 1 layer before it lead to no Output and will not be trained. Connect it to a layer "
         "that leads to the Output, or remove it.",
         "Remove e and 1 layer before it"),
    ),
    "an Output that waits": (
        draw(WHOLE, "a>b"),
        ("graph/unreachable", "c",
         "No data reaches c. Connect a layer to its input, or remove it.",
         "Connect b to c"),
    ),
    "a gap in a chain": (
        draw("a:Input b:ReLU d:ReLU e:ReLU c:Output", "a>b d>e e>c"),
        ("graph/unreachable", "d",
         "No data reaches d, nor what comes after it. Connect a layer to its input, or remove it.",
         "Connect b to d"),
    ),
    "a lonely layer": (
        draw(WHOLE + " d:ReLU e:ReLU", LINE),
        ("graph/unreachable", "e",
         "No data reaches e. Connect a layer to its input, or remove it.",
         "Remove e"),
    ),
    "one input of two": (
        draw("a:Input b:Two c:Output d:ReLU", "a>b:1 b>c a>d"),
        ("graph/missing-port", "b", "b needs 2 inputs; nothing is connected to left. Connect a layer to it.",
         "Connect d to b"),
    ),
    "an Add of one": (
        draw("a:Input b:Add c:Output", LINE),
        ("graph/missing-port", "b", "b needs at least 2 inputs; it gets 1. Connect a layer to it.",
         "Remove b and connect past it"),
    ),
    "a doubled port": (
        draw(WHOLE + " d:ReLU", LINE + " a>d d>b"),
        ("graph/doubled-port", "b",
         "b has 2 connections at its input, which takes one. Keep one, or join them with Add or Concat"
         " first.",
         "Keep the one from d"),
    ),
    "a doubled port of two": (
        draw("a:Input b:Two c:Output", "a>b a>b:1 a>b:1 b>c"),
        ("graph/doubled-port", "b",
         "b has 2 connections at input 2 (right), which takes one. Keep one, or join them with Add or "
         "Concat first.",
         "Keep the one from a"),
    ),
    "a doubled port of an Add": (
        draw("a:Input d:ReLU b:Add c:Output", "a>d a>b d>b b>c"),
        ("graph/doubled-port", "b",
         "b has 2 connections at its input, which takes one. Keep one, or join them with Add or Concat"
         " first.",
         "Give each an input of its own"),
    ),
    "an edge from nowhere": (
        draw(WHOLE, LINE + " ghost>b:0"),
        ("graph/unknown-node", "b",
         "A connection from 'ghost' to 'b' needs a layer 'ghost'. There is none: remove the "
         "connection.",
         "Remove this connection"),
    ),
    "an edge to nowhere": (
        draw(WHOLE, LINE + " b>ghost"),
        ("graph/unknown-node", None,
         "A connection from 'b' to 'ghost' needs a layer 'ghost'. There is none: remove the "
         "connection.",
         "Remove this connection"),
    ),
    "a port out of range": (
        draw(WHOLE, LINE + " a>b:1"),
        ("graph/unknown-port", "b",
         "b has 1 input; the connection from a goes to number 2. Remove it or move it to a free input.",
         "Remove this connection"),
    ),
    "a port out of range while one is free": (
        draw("a:Input b:Two c:Output", "a>b a>b:7 b>c"),
        ("graph/unknown-port", "b",
         "b has 2 inputs; the connection from a goes to number 8. Remove it or move it to a free "
         "input.",
         "Move it to input 2"),
    ),
    "into an Input": (
        draw(WHOLE, LINE + " b>a"),
        ("graph/unknown-port", "a",
         "a takes no input; the connection from b goes to number 1. Remove it or move it to a free "
         "input.",
         "Remove this connection"),
    ),
    "out of an Output": (
        draw(WHOLE + " d:Output e:ReLU", LINE + " c>e e>d"),
        ("graph/nothing-given", "c", "c gives nothing on, yet e is connected to it. Connect e to a layer before it.",
         None),
    ),
    "an unknown type": (
        draw("a:Input b:Liner c:Output", LINE),
        ("graph/unknown-type", "b",
         "There is no layer type 'Liner'. Did you mean 'Linear'?",
         None),
    ),
    "an id twice": (
        draw(WHOLE + " b:ReLU", LINE),
        ("graph/duplicate-id", "b",
         "2 layers have the id 'b', so connections to it are ambiguous. Give each layer an id of its "
         "own.",
         None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_a_fault_of_the_drawing_is_named_with_its_place_and_its_cure(name):
    graph, (code, node, text, label) = GOLDEN[name]
    found = [d for d in infer(graph, CATALOG).diagnostics if (d.code, d.node) == (code, node)]
    assert [(d.text, d.fix and d.fix.label) for d in found] == [(text, label)]


@pytest.mark.parametrize("name", [n for n, (_, want) in GOLDEN.items() if want[3]])
def test_the_fix_of_a_fault_leaves_no_trace_of_it(name):
    graph, (code, node, _, _) = GOLDEN[name]
    problem = next(d for d in infer(graph, CATALOG).diagnostics if (d.code, d.node) == (code, node))
    after = infer(apply(graph, problem.fix.edits), CATALOG)
    assert (code, node) not in {(d.code, d.node) for d in after.diagnostics}
    assert len(after.errors) <= len(infer(graph, CATALOG).errors)


@pytest.mark.parametrize("code", ["graph/empty", "graph/no-input", "graph/no-output", "graph/dead-end"])
def test_where_that_was_the_only_fault_the_fix_makes_the_network_whole(code):
    graph = next(g for g, want in GOLDEN.values() if want[0] == code)
    problem = next(d for d in infer(graph).diagnostics if d.code == code)
    after = infer(apply(graph, problem.fix.edits))
    assert after.diagnostics == ()
    assert len(after.outputs) == 1


def test_a_whole_network_has_nothing_to_say():
    assert infer(draw(WHOLE, LINE)).diagnostics == ()


def test_a_dead_end_is_a_warning_and_everything_else_an_error():
    for graph, _ in GOLDEN.values():
        for d in infer(graph, CATALOG).diagnostics:
            assert d.severity == ("warning" if d.code == "graph/dead-end" else "error")


def test_a_long_cycle_is_named_node_by_node_from_the_first_drawn():
    graph = draw("i:Input c:Add b:ReLU a:ReLU", "i>c c>b b>a a>c:1")
    (d,) = [d for d in infer(graph).diagnostics if d.code == "graph/cycle"]
    assert "c → b → a → c." in d.what
    assert d.node == "c"


def test_of_two_cycles_through_the_same_node_the_shorter_is_named():
    graph = draw("i:Input a:Add b:ReLU c:ReLU d:ReLU", "i>a a>b b>c c>a:1 a>d d>a:2")
    (d,) = [d for d in infer(graph).diagnostics if d.code == "graph/cycle"]
    assert "a → d → a." in d.what


def test_two_cycles_are_both_named():
    graph = draw("i:Input a:Add b:ReLU c:Add d:ReLU o:Output", "i>a a>b b>a:1 b>c c>d d>c:1 d>o")
    assert [d.node for d in infer(graph).diagnostics if d.code == "graph/cycle"] == ["a", "c"]


def test_a_label_is_told_together_with_the_id():
    graph = draw(WHOLE, "a>b").set_label("c", "Class scores")
    assert "No data reaches Class scores (c)." in [d.what for d in infer(graph).diagnostics]


def test_a_branch_shared_by_two_dead_ends_is_not_removed_with_either():
    graph = draw(WHOLE + " s:ReLU t:ReLU u:ReLU", LINE + " a>s s>t s>u")
    removed = [[e.id for e in d.fix.edits] for d in infer(graph).diagnostics]
    assert removed == [["t"], ["u"]]


def test_the_only_input_is_not_removed_as_a_dead_end():
    graph = draw("a:Input b:Output c:ReLU d:Output", "c>b")
    dead = next(d for d in infer(graph).diagnostics if d.code == "graph/dead-end")
    assert (dead.node, dead.fix.label) == ("a", "Connect a to d")


def test_nothing_is_proposed_where_two_cures_are_as_good():
    graph = draw("a:Input b:ReLU c:ReLU", "a>b a>c")
    (d,) = infer(graph).diagnostics
    assert (d.code, d.fix) == ("graph/no-output", None)


@settings(max_examples=80)
@given(graphs())
def test_every_drawing_is_either_whole_or_told_what_is_wrong(graph):
    inference = infer(graph)
    assert inference.ok == (not inference.errors)
    if inference.ok:
        assert all(info.output for info in inference.nodes.values())
        assert inference.outputs
        assert inference.inputs
        assert sorted(inference.order) == sorted(graph.by_id)
    else:
        assert all(d.what and d.what.isprintable() for d in inference.errors)


@settings(max_examples=80)
@given(graphs())
def test_every_fix_that_is_offered_works(graph):
    before = infer(graph)
    for d in before.diagnostics:
        if d.fix:
            after = infer(apply(graph, d.fix.edits))
            assert place(d) not in {place(x) for x in after.diagnostics}
            assert {place(x) for x in after.errors} <= {place(x) for x in before.errors}


@settings(max_examples=80)
@given(graphs())
def test_dead_ends_and_starved_nodes_agree_with_a_slow_search(graph):
    found = {(d.code, d.node) for d in infer(graph).diagnostics}
    ends = [n.id for n in graph.nodes if n.type == "Output"]
    for n in graph.nodes:
        lone = BY_TYPE[n.type].ports and not graph.inputs(n.id)
        assert (("graph/unreachable", n.id) in found) == bool(lone)
        loose = not any(e.source == n.id for e in graph.edges) and n.type != "Output"
        assert (("graph/dead-end", n.id) in found) == bool(ends and loose and not lone)


def place(d: Diagnostic) -> tuple:
    return d.code, d.node, d.field


def test_two_thousand_faults_are_all_told():
    lone = Graph(tuple(Node(f"n{i}", "ReLU") for i in range(2000)))
    assert len(infer(lone).errors) == 2002
    tangle = Graph(lone.nodes, tuple(Edge(f"n{i}", f"n{(i * 7 + 1) % 2000}") for i in range(2000)))
    assert not infer(tangle).ok
    funnel = tuple(Edge(f"n{i}", "n1000", i) for i in range(1000))
    tail = tuple(Edge(f"n{i}", f"n{i + 1}") for i in range(1000, 1999))
    assert len(infer(Graph(lone.nodes, funnel + tail)).errors) > 1000
