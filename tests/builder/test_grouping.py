"""Grouping changes nothing that is computed, ungrouping brings the drawing back, and what cannot be is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.block import MAX_DEPTH, inside
from builder.compile import compile_graph
from builder.diagnostic import Refused
from builder.document import dumps, from_json, loads
from builder.edit import Inside, SetParams, apply
from builder.flatten import flatten
from builder.graph import Edge, Graph, Node
from builder.grouping import group, ungroup
from builder.infer import infer
from tests.builder.drawings import chain, draw
from tests.builder.layers import batch
from tests.builder.networks import valid_graphs

SKIP = draw(
    "i:Input a:Linear b:ReLU c:Linear d:Add o:Output",
    "i>a a>b b>c c>d:0 a>d:1 d>o",
    i={"shape": (4,)},
    a={"out_features": 4},
    c={"out_features": 4},
)


def grouped(graph: Graph, *ids: str, title: str = "") -> Graph:
    return apply(graph, group(graph, ids, title))


def wires(graph: Graph) -> set[tuple[str, str, int]]:
    """The connections of the flattened graph, nodes called as they were drawn."""
    return {(e.source.split(".")[-1], e.target.split(".")[-1], e.port) for e in flatten(graph).edges}


def test_a_block_has_one_input_for_each_source_outside_and_the_drawing_stays_connected() -> None:
    graph = grouped(SKIP, "b", "c", "d", title="Rest")
    assert [(n.id, n.type, n.label) for n in graph.nodes] == [
        ("i", "Input", ""),
        ("a", "Linear", ""),
        ("o", "Output", ""),
        ("block_1", "Block", "Rest"),
    ]
    assert set(graph.edges) == {Edge("i", "a"), Edge("a", "block_1", 0), Edge("block_1", "o")}
    inner = inside(graph.by_id["block_1"])
    assert set(inner.edges) == {
        Edge("input_1", "b"),
        Edge("input_1", "d", 1),
        Edge("b", "c"),
        Edge("c", "d"),
        Edge("d", "output_1"),
    }
    assert wires(graph) == wires(SKIP)
    assert loads(dumps(graph)) == graph


def test_two_sources_outside_become_two_ports_in_drawing_order() -> None:
    graph = grouped(SKIP, "c", "d")
    assert [(e.source, e.port) for e in graph.inputs("block_1")] == [("b", 0), ("a", 1)]
    assert wires(graph) == wires(SKIP)


def test_what_is_drawn_in_a_block_stands_between_its_ports_and_clear_of_them() -> None:
    inner = inside(grouped(SKIP, "b", "c", "d").by_id["block_1"])
    places = [inner.by_id[id].position[0] for id in ("input_1", "b", "c", "d", "output_1")]
    assert places == sorted(set(places))
    assert places[1] - places[0] >= 200


WRAPPED = {"i": (0, 0), "a": (345, 0), "b": (690, 0), "c": (0, 170), "d": (345, 170), "o": (690, 170)}


def wrapped() -> Graph:
    """Six layers in two rows, as templates are drawn."""
    graph = draw("i:Input a:Linear b:Linear c:Tanh d:Linear o:Output", "i>a a>b b>c c>d d>o")
    return replace(graph, nodes=tuple(replace(n, position=WRAPPED[n.id]) for n in graph.nodes))


def overlapping(graph: Graph) -> list[tuple[str, str]]:
    pairs = [(a, b) for a in graph.nodes for b in graph.nodes if a.id < b.id]
    return [
        (a.id, b.id)
        for a, b in pairs
        if abs(a.position[0] - b.position[0]) < 200 and abs(a.position[1] - b.position[1]) < 100
    ]


def test_a_block_of_two_rows_stands_where_its_first_layer_stood_and_runs_forward_inside() -> None:
    graph = grouped(wrapped(), "b", "c")
    assert graph.by_id["block_1"].position == (690, 0)
    assert overlapping(graph) == []
    inner = inside(graph.by_id["block_1"])
    assert all(inner.by_id[e.target].position[0] > inner.by_id[e.source].position[0] for e in inner.edges)
    assert overlapping(inner) == []


@pytest.mark.parametrize("ids", [("b", "c"), ("c", "d"), ("a", "b", "c", "d")], ids=str)
@pytest.mark.parametrize("repeat", [1, 3])
def test_ungrouping_puts_layers_on_free_places(ids: tuple[str, ...], repeat: int) -> None:
    graph = grouped(wrapped(), *ids).set_params("block_1", {"repeat": repeat})
    assert overlapping(apply(graph, ungroup(graph, "block_1"))) == []


def test_layers_of_one_row_come_back_to_where_they_stood() -> None:
    graph = grouped(wrapped(), "c", "d")
    back = apply(graph, ungroup(graph, "block_1"))
    assert {n.id: n.position for n in back.nodes} == WRAPPED


@settings(max_examples=25)
@given(graph=valid_graphs(), data=st.data())
def test_grouping_changes_nothing_and_ungrouping_brings_it_back(graph: Graph, data: st.DataObject) -> None:
    layers = [n.id for n in graph.nodes if n.type not in ("Input", "Output")]
    chosen = data.draw(st.lists(st.sampled_from(layers), min_size=1, unique=True))
    try:
        after = grouped(graph, *chosen)
    except Refused:
        return
    found = infer(after)
    assert found.errors == ()
    assert wires(after) == wires(graph)
    assert (found.params, found.flops) == (infer(graph).params, infer(graph).flops)
    block = next(n.id for n in after.nodes if n.id not in graph.by_id)
    back = apply(after, ungroup(after, block))
    assert {(n.id, n.type, n.label) for n in back.nodes} == {(n.id, n.type, n.label) for n in graph.nodes}
    assert set(back.edges) == set(graph.edges)
    assert all(back.by_id[n.id].params == n.params for n in graph.nodes)


def test_grouped_layers_compute_the_same_numbers() -> None:
    graph = grouped(SKIP, "b", "c", "d")
    before, after = compile_graph(SKIP, seed=0), compile_graph(graph, seed=0)
    after.load_state_dict({k.replace("c.", "block_1.c."): v for k, v in before.state_dict().items()})
    x = batch(infer(SKIP).inputs["i"])
    assert torch.equal(before(x), after(x))


def test_ungrouping_a_repeated_block_writes_it_out_with_free_ids() -> None:
    graph = grouped(chain("Input", "Linear", "ReLU", "Output", b={"out_features": 2}), "b", "c")
    graph = graph.set_params("block_1", {"repeat": 3})
    flat = apply(graph, ungroup(graph, "block_1"))
    assert [n.type for n in flat.nodes if n.type in ("Linear", "ReLU")] == ["Linear", "ReLU"] * 3
    assert len(flat.by_id) == 8
    assert infer(flat).params == infer(graph).params
    assert infer(flat).ok


def test_shared_weights_stay_shared_within_the_block() -> None:
    graph = chain("Input", "Linear", "Linear", "Output", a={"shape": (4,)}, b={"out_features": 4})
    graph = graph.set_params("c", {"out_features": 4, "share": "b"})
    after = grouped(graph, "b", "c")
    assert list(compile_graph(after).state_dict()) == ["block_1.b.weight", "block_1.b.bias"]
    twice = after.set_params("block_1", {"repeat": 2})
    flat = apply(twice, ungroup(twice, "block_1"))
    assert infer(flat).params == infer(twice).params == 2 * 20


REFUSED = [
    (SKIP, ("a", "d"), "between", "A way leads out of the selection through b and back into it. Select b too."),
    (SKIP, ("i", "a"), "end", "i is where data enter; it stays outside. Select the layers without it."),
    (SKIP, ("d", "o"), "end", "o is where data leave; it stays outside. Select the layers without it."),
    (SKIP, (), "nothing", "No layer is selected. Select the layers that belong together."),
    (
        SKIP,
        ("a", "b"),
        "outputs",
        "A block gives one output, but of this selection 2 of its layers are read outside (a, b). Select other layers.",
    ),
    (
        chain("Input", "Linear", "Linear", "Output", c={"share": "b"}),
        ("b",),
        "shared",
        "c shares the weights of b, and a block would part them. Select both, or give each weights of its own.",
    ),
]


@pytest.mark.parametrize(("graph", "ids", "code", "text"), REFUSED, ids=[r[2] for r in REFUSED])
def test_what_cannot_be_a_block_is_refused_with_the_reason(
    graph: Graph, ids: tuple[str, ...], code: str, text: str
) -> None:
    with pytest.raises(Refused) as refused:
        group(graph, ids)
    assert [(d.code, d.text) for d in refused.value.diagnostics] == [(f"group/{code}", text)]


def test_blocks_are_never_drawn_deeper_than_they_are_read() -> None:
    graph = chain("Input", "Linear", "Output")
    for k in range(MAX_DEPTH):
        graph = grouped(graph, *(n.id for n in graph.nodes if n.type not in ("Input", "Output")), title=str(k))
    assert loads(dumps(graph)) == graph
    with pytest.raises(Refused, match="at most 8 deep"):
        group(graph, [n.id for n in graph.nodes if n.type == "Block"])
    with pytest.raises(Refused, match="at most 8 deep"):
        group(chain("Input", "Linear", "Output"), ["b"], depth=MAX_DEPTH)


def test_a_branch_that_begins_in_the_selection_gets_a_port_of_its_own() -> None:
    graph = draw("a:Linear b:ReLU", "a>b")
    assert grouped(graph, "a", "b").edges == ()
    assert [n.type for n in inside(grouped(graph, "a", "b").by_id["block_1"]).nodes] == [
        "Input", "Linear", "ReLU", "Output",
    ]  # fmt: skip


def test_edits_in_a_block_and_of_blocks_travel_as_json() -> None:
    edits = group(SKIP, ["b", "c", "d"], "Rest")
    added = json.loads(json.dumps(edits[0].to_json()))["node"]
    document = {"format": "layerloom", "version": 2, "nodes": [added], "edges": []}
    assert from_json(document).nodes[0].inner == inside(grouped(SKIP, "b", "c", "d", title="Rest").by_id["block_1"])
    assert Inside("res_1", (SetParams("a", {"bias": False}),)).to_json() == {
        "op": "inside",
        "id": "res_1",
        "edits": [{"op": "set_params", "id": "a", "params": {"bias": False}}],
    }


def test_an_edit_of_a_block_that_is_not_there_changes_nothing() -> None:
    edit = Inside("nobody", (SetParams("a", {"bias": False}),))
    assert apply(SKIP, [edit]) == SKIP
    assert apply(SKIP.add(Node("nobody", "ReLU")), [edit]).nodes[-1] == Node("nobody", "ReLU")
