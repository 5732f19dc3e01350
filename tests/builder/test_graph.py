from __future__ import annotations

import json
from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.edit import apply
from builder.graph import Edge, Graph, Node
from tests.builder.drawings import EDGES, EDITS, IDS, draw, graphs


@settings(max_examples=60)
@given(graphs(), st.lists(EDITS, max_size=12))
def test_an_edit_leaves_the_graph_it_was_made_from_as_it_was(graph, edits):
    before = (graph.nodes, graph.edges, [dict(n.params) for n in graph.nodes])
    apply(graph, edits)
    assert before == (graph.nodes, graph.edges, [dict(n.params) for n in graph.nodes])


@given(graphs(), EDGES)
def test_connecting_takes_the_place_of_what_was_on_the_port(graph, edge):
    connected = graph.connect(edge)
    assert [e for e in connected.edges if (e.target, e.port) == (edge.target, edge.port)] == [edge]
    others = [e for e in graph.edges if (e.target, e.port) != (edge.target, edge.port)]
    assert [e for e in connected.edges if e != edge] == others


@given(graphs(), IDS)
def test_removing_a_node_removes_its_edges_and_nothing_else(graph, id):
    left = graph.remove(id)
    assert [n for n in graph.nodes if n.id != id] == list(left.nodes)
    assert [e for e in graph.edges if id not in (e.source, e.target)] == list(left.edges)


@given(graphs())
def test_inputs_are_in_port_order_and_every_edge_is_in_exactly_one_of_them(graph):
    gathered = [e for n in graph.nodes for e in graph.inputs(n.id)]
    assert sorted(gathered, key=graph.edges.index) == list(graph.edges)
    given_away = [e for n in graph.nodes for e in graph.outputs(n.id)]
    assert sorted(given_away, key=graph.edges.index) == list(graph.edges)
    for n in graph.nodes:
        ports = [e.port for e in graph.inputs(n.id)]
        assert ports == sorted(ports)


@given(graphs())
def test_the_order_puts_sources_first_and_a_cycle_has_none(graph):
    try:
        order = graph.order()
    except nx.NetworkXUnfeasible:
        assert any(_reaches(graph, n.id, n.id) for n in graph.nodes)
        return
    assert sorted(order) == sorted(n.id for n in graph.nodes)
    assert all(order.index(e.source) < order.index(e.target) for e in graph.edges)


def test_ties_in_the_order_are_broken_by_drawing_order():
    assert draw("c:ReLU a:ReLU b:ReLU z:Add", "b>z c>z:1").order() == ["c", "a", "b", "z"]


def test_two_edges_between_the_same_nodes_are_kept_apart_by_port():
    graph = draw("a:Input b:Add", "a>b:0 a>b:1")
    assert graph.nx.number_of_edges("a", "b") == 2
    assert [e.port for e in graph.inputs("b")] == [0, 1]


def test_inputs_are_in_port_order_whatever_the_order_of_drawing():
    assert [e.source for e in draw("a:Input b:Input c:Concat", "a>c:1 b>c:0").inputs("c")] == ["b", "a"]


def test_an_edge_to_nowhere_is_kept_as_drawn_but_is_no_part_of_the_networkx_view():
    graph = draw("a:Input", "a>ghost")
    assert graph.edges == (Edge("a", "ghost"),)
    assert list(graph.nx.nodes) == ["a"]


@given(graphs())
def test_a_fresh_id_is_new(graph):
    for _ in range(3):
        new = graph.fresh_id("Conv2d")
        assert new not in graph.by_id
        graph = graph.add(Node(new, "Conv2d"))


@pytest.mark.parametrize(
    ("edit", "check"),
    [
        (lambda g: g.set_params("b", {"out_features": 3}), lambda g: g.by_id["b"].params == {"out_features": 3}),
        (lambda g: g.set_label("b", "Head"), lambda g: g.by_id["b"].label == "Head"),
        (lambda g: g.move("b", (5.0, 6.0)), lambda g: g.by_id["b"].position == (5.0, 6.0)),
    ],
)
def test_changing_one_node_changes_only_that_node(edit, check):
    graph = draw("a:Input b:Linear", "a>b")
    changed = edit(graph)
    assert check(changed)
    assert changed.by_id["a"] == graph.by_id["a"]
    assert changed.edges == graph.edges


def test_parameters_that_are_not_named_stay_when_others_are_set():
    graph = draw("b:Conv2d", b={"stride": 2}).set_params("b", {"padding": 1})
    assert graph.by_id["b"].params == {"stride": 2, "padding": 1}


@given(EDITS)
def test_an_edit_is_plain_json_that_names_its_operation(edit):
    body = json.loads(json.dumps(edit.to_json(), allow_nan=False))
    assert body["op"] in {"add_node", "remove_node", "set_params", "set_label", "connect", "disconnect"}


def _reaches(graph: Graph, start: str, goal: str) -> bool:
    """Slow and obvious: powers of one step."""
    layers = [{start}]
    for _ in graph.nodes:
        layers.append({e.target for e in graph.edges if e.source in layers[-1]})
    return any(goal in after for _, after in pairwise(layers))
