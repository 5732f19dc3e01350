"""What differs between two drawings is named, all of it and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import templates
from builder.diff import diff, merged
from builder.graph import Edge, Graph, Node, Note

LENET = templates.load("lenet5")
CHAIN = Graph(
    (
        Node("input_1", "Input", {"shape": [4]}),
        Node("linear_1", "Linear", {"out_features": 8}),
        Node("output_1", "Output"),
    ),
    (Edge("input_1", "linear_1"), Edge("linear_1", "output_1")),
)


@pytest.mark.parametrize("template", templates.TEMPLATES, ids=lambda t: t.name)
def test_a_drawing_is_the_same_as_itself(template: templates.Template) -> None:
    graph = templates.load(template.name)
    assert diff(graph, graph).same
    assert merged(graph, graph) == graph


def test_a_layer_that_only_one_drawing_has_is_added_or_removed_with_its_wires() -> None:
    more = CHAIN.add(Node("relu_1", "ReLU"), [Edge("linear_1", "relu_1")])
    found = diff(CHAIN, more)
    assert [n.id for n in found.added] == ["relu_1"]
    assert found.connected == (Edge("linear_1", "relu_1"),)
    assert (found.removed, found.changed, found.disconnected) == ((), (), ())
    back = diff(more, CHAIN)
    assert (back.removed, back.disconnected) == (found.added, found.connected)


def test_a_changed_parameter_says_both_values_and_a_changed_name_too() -> None:
    new = CHAIN.set_params("linear_1", {"out_features": 16}).set_label("linear_1", "hidden")
    (change,) = diff(CHAIN, new).changed
    assert change.node.id == "linear_1"
    assert change.what == (("name", "", "hidden"), ("out_features", 8, 16))


def test_a_default_that_is_written_out_is_no_change() -> None:
    assert diff(CHAIN, CHAIN.set_params("linear_1", {"bias": True})).same
    assert not diff(CHAIN, CHAIN.set_params("linear_1", {"bias": False})).same


def test_a_layer_of_another_type_under_the_same_id_is_changed() -> None:
    nodes = tuple(replace(n, type="Tanh", params={}) if n.id == "linear_1" else n for n in CHAIN.nodes)
    (change,) = diff(CHAIN, replace(CHAIN, nodes=nodes)).changed
    assert change.what[0] == ("type", "Linear", "Tanh")


def test_a_moved_layer_is_counted_and_is_no_difference() -> None:
    found = diff(CHAIN, CHAIN.move("linear_1", (500.0, 10.0)))
    assert found.same
    assert found.moved == 1


def test_notes_that_differ_are_told_with_both_texts() -> None:
    old = replace(CHAIN, notes=(Note("note_1", "gone"), Note("note_2", "stays"), Note("note_3", "before")))
    new = replace(CHAIN, notes=(Note("note_2", "stays", (9.0, 9.0)), Note("note_3", "after"), Note("note_4", "new")))
    assert diff(old, new).noted == (("gone", ""), ("before", "after"), ("", "new"))
    assert not diff(old, new).same
    assert merged(old, new).notes == new.notes


def test_a_wire_to_another_input_is_one_less_and_one_more() -> None:
    old = CHAIN.add(Node("concat_1", "Concat"), [Edge("input_1", "concat_1", 0)])
    new = old.disconnect(Edge("input_1", "concat_1", 0)).connect(Edge("input_1", "concat_1", 1))
    found = diff(old, new)
    assert (found.connected, found.disconnected) == (
        (Edge("input_1", "concat_1", 1),),
        (Edge("input_1", "concat_1", 0),),
    )


def test_both_drawings_in_one_hide_no_layer_behind_another() -> None:
    new = templates.load("residual_cnn")
    both = merged(LENET, new)
    assert {n.id for n in both.nodes} == {n.id for n in LENET.nodes} | {n.id for n in new.nodes}
    gone = {n.id for n in diff(LENET, new).removed}
    assert gone
    for id in gone:
        x, y = both.by_id[id].position
        near = [n for n in both.nodes if n.id != id and abs(n.position[0] - x) < 150 and abs(n.position[1] - y) < 110]
        assert not near


ids = st.sampled_from([f"linear_{i}" for i in range(5)])
nodes = st.dictionaries(ids, st.integers(1, 3), max_size=5).map(
    lambda found: tuple(Node(id, "Linear", {"out_features": n}) for id, n in found.items())
)
graphs = nodes.flatmap(
    lambda ns: (
        st.lists(st.tuples(st.sampled_from(ns), st.sampled_from(ns)), max_size=4).map(
            lambda pairs: Graph(ns, tuple(dict.fromkeys(Edge(a.id, b.id) for a, b in pairs)))
        )
        if ns
        else st.just(Graph())
    )
)


@given(graphs, graphs)
def test_a_difference_applied_to_the_old_drawing_gives_the_new_one(old: Graph, new: Graph) -> None:
    found = diff(old, new)
    made = old
    for edge in found.disconnected:
        made = made.disconnect(edge)
    for node in found.removed:
        made = made.remove(node.id)
    for node in found.added:
        made = made.add(node)
    for change in found.changed:
        made = made.set_params(change.node.id, {name: value for name, _, value in change.what})
    made = Graph(made.nodes, (*made.edges, *found.connected))
    assert {n.id: n.params for n in made.nodes} == {n.id: n.params for n in new.nodes}
    assert set(made.edges) == set(new.edges)


def test_what_changed_in_a_block_is_told_at_the_block() -> None:
    inner = Graph(
        (Node("x", "Input"), Node("l", "Linear", {"out_features": 4}), Node("y", "Output")),
        (Edge("x", "l"), Edge("l", "y")),
    )
    outer = Graph((Node("a", "Block", inner=Graph((Node("b", "Block", inner=inner),))),))
    changed = inner.set_params("l", {"out_features": 8}).add(Node("r", "ReLU"), [Edge("x", "r")])
    new = outer.set_inner("a", Graph((Node("b", "Block", inner=changed),)))
    (found,) = diff(outer, new).changed
    assert found.node.id == "a"
    assert found.what == (("b r", None, "ReLU"), ("b l out_features", 4, 8), ("b x → r", None, "input 1"))
    assert diff(new, outer).node_marks() == {"a": "changed"}
    moved = outer.set_inner("a", Graph((Node("b", "Block", inner=inner.move("l", (9.0, 9.0))),)))
    assert diff(outer, moved).same
