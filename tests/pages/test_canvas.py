"""The canvas without a browser: what Python tells it, and what Python makes of what it reports."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from builder.blocks import BLOCKS
from builder.catalog import BY_TYPE, CATALOG, GROUPS
from builder.diagnostic import Diagnostic, Refused
from builder.document import dumps
from builder.edit import AddNode, AddNote, Connect, Edit, RemoveNode, SetLabel, SetParams, apply
from builder.graph import Edge, Graph, Node, Note
from builder.infer import infer
from builder.suggest import candidates
from pages.canvas import Doc, _wire, fix_for, notes, palette
from pages.canvas.doc import parse
from pages.canvas.notes import count
from pages.canvas.paste import paste

DEMO = Path(__file__).parents[1] / "e2e" / "apps" / "canvas_app.py"
CONV = Node("conv2d_1", "Conv2d", position=(10.0, 20.0))


def chain(*layers: tuple[str, dict[str, Any]]) -> Graph:
    graph, last = Graph(), ""
    for type_, params in layers:
        node = Node(graph.fresh_id(type_), type_, params)
        graph, last = graph.add(node, [Edge(last, node.id)] if last else []), node.id
    return graph


def report(doc: Doc, graph: Graph | None = None, **changes: Any) -> dict[str, Any]:
    """What a browser that shows ``graph`` (else what ``doc`` has) would send."""
    shown = Doc(graph or doc.graph).to_json()["doc"]
    return {**shown, "selected": [], "epoch": doc.epoch, "rev": doc.rev + 1, "ack": doc.seq, **changes}


# ---- the palette


def test_every_layer_of_the_catalogue_is_in_the_palette_and_in_a_group() -> None:
    wire = palette()
    assert [layer["type"] for layer in wire["layers"]] == [s.type for s in CATALOG] + [s.name for s in BLOCKS]
    assert len({layer["type"] for layer in wire["layers"]}) == len(wire["layers"])
    assert {layer["group"] for layer in wire["layers"]} == set(wire["groups"]) <= set(GROUPS)


@pytest.mark.parametrize("layer", palette()["layers"], ids=lambda layer: str(layer["type"]))
def test_a_summary_names_only_parameters_that_the_layer_has(layer: dict[str, Any]) -> None:
    assert layer["summary"].format(**layer["defaults"]).count("{") == 0


# ---- notes


def test_a_healthy_node_has_its_shape_and_the_number_of_its_weights() -> None:
    said = notes(infer(chain(("Input", {"shape": [1, 28, 28]}), ("Conv2d", {}), ("ReLU", {}), ("Output", {}))))
    assert {k: v for k, v in said["conv2d_1"].items() if k != "next"} == {"shape": "16 × 26 × 26", "params": "160"}
    assert {k: v for k, v in said["relu_1"].items() if k != "next"} == {"shape": "16 × 26 × 26"}


def test_a_node_knows_what_fits_behind_it_and_an_output_has_nothing_behind_it() -> None:
    graph = chain(("Input", {"shape": [1, 28, 28]}), ("Conv2d", {}), ("Output", {}))
    said = notes(infer(graph))
    layers = tuple(name for name in said["conv2d_1"]["next"] if name in BY_TYPE)
    assert layers == candidates(graph, "conv2d_1")
    assert "residual" in said["conv2d_1"]["next"]
    assert "transformer_encoder" not in said["conv2d_1"]["next"]
    assert "Conv1d" not in said["conv2d_1"]["next"]
    assert "next" not in said["output_1"]


def test_lists_of_what_comes_next_travel_once_and_name_the_same_layers() -> None:
    said = notes(infer(chain(("Input", {"shape": [8]}), ("Linear", {}), ("Linear", {}), ("Output", {}))))
    wire, layers = _wire(said), palette()["layers"]
    assert wire["next"]["linear_1"] == wire["next"]["linear_2"]
    for node, at in wire["next"].items():
        assert tuple(layers[i]["type"] for i in wire["lists"][at]) == said[node]["next"]
    assert all("next" not in note for note in wire["nodes"].values())


def test_whole_numbers_are_said_to_be_such() -> None:
    said = notes(infer(chain(("Input", {"shape": [8], "dtype": "int64"}), ("Embedding", {}))))
    assert (said["input_1"]["dtype"], said["embedding_1"].get("dtype")) == ("int64", None)


def test_only_the_node_at_fault_speaks_and_what_hangs_on_it_is_grey() -> None:
    graph = chain(("Input", {"shape": [1, 5, 5]}), ("Conv2d", {"kernel_size": 7}), ("ReLU", {}), ("Output", {}))
    said = notes(infer(graph))
    assert "7 × 7" in said["conv2d_1"]["error"]
    assert "5 × 5" in said["conv2d_1"]["error"]
    assert said["relu_1"] == said["output_1"] == {"grey": True}


def test_the_fix_that_a_note_offers_is_found_again_and_cures_the_node() -> None:
    graph = chain(("Input", {"shape": [1, 5, 5]}), ("Conv2d", {"kernel_size": 7}), ("Output", {}))
    said, found = notes(infer(graph))["conv2d_1"], infer(graph).diagnostics
    fix = fix_for(found, "conv2d_1", said["code"])
    assert fix is not None
    assert fix.label == said["fix"]
    assert "error" not in notes(infer(apply(graph, fix.edits)))["conv2d_1"]
    assert fix_for(found, "conv2d_1", "no/such-code") is None


def test_advice_from_elsewhere_is_merged_and_an_error_goes_before_it() -> None:
    graph = chain(("Input", {"shape": [1, 28, 28]}), ("Conv2d", {}), ("Output", {}))
    advice = Diagnostic("demo/wide", "It is wide.", "Narrow it.", "conv2d_1", severity="warning")
    error = Diagnostic("demo/classes", "It is wrong.", "Right it.", "conv2d_1")
    nowhere = Diagnostic("demo/lost", "Nobody is at fault.", "Wait.", "gone")
    assert notes(infer(graph), [advice, nowhere])["conv2d_1"]["warn"] == "It is wide. Narrow it."
    both = notes(infer(graph), [advice, error])["conv2d_1"]
    assert (both["error"], both["code"]) == ("It is wrong. Right it.", "demo/classes")
    assert "warn" not in both
    assert both["shape"] == "16 × 26 × 26"


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0"), (416, "416"), (61_706, "61,706"), (1_236_000, "1.24 M"), (7e9, "7.00 G")]
)
def test_counts_are_written_for_people(n: int, text: str) -> None:
    assert count(n) == text


# ---- the document


def test_what_the_browser_reports_is_taken_over() -> None:
    doc = Doc(Graph((CONV,)))
    moved = doc.graph.move("conv2d_1", (70.0, 80.0))
    doc.merge(report(doc, moved, selected=["conv2d_1", "gone"]))
    assert (doc.graph, doc.selected, doc.rev) == (moved, ("conv2d_1",), 1)


def test_a_command_survives_a_report_that_was_sent_before_it_arrived() -> None:
    doc = Doc(Graph((CONV,)))
    before = doc.graph
    doc.command([SetParams("conv2d_1", {"out_channels": 32})])
    doc.merge(report(doc, before.move("conv2d_1", (5.0, 5.0)), ack=0))
    assert doc.graph.by_id["conv2d_1"] == Node("conv2d_1", "Conv2d", {"out_channels": 32}, position=(5.0, 5.0))
    assert len(doc.pending) == 1
    doc.merge(report(doc))
    assert doc.pending == ()


def test_a_report_of_a_replaced_drawing_or_an_older_revision_is_ignored() -> None:
    doc = Doc(Graph((CONV,)))
    late = report(doc, Graph(), rev=9)
    doc.load(chain(("Linear", {})))
    doc.merge(late)
    assert [n.id for n in doc.graph.nodes] == ["linear_1"]
    doc.merge(report(doc, rev=4))
    doc.merge(report(doc, Graph(), rev=3))
    assert [n.id for n in doc.graph.nodes] == ["linear_1"]


def test_no_two_documents_share_an_epoch_so_that_a_new_one_is_always_drawn() -> None:
    doc = Doc()
    first = doc.epoch
    doc.load(Graph())
    assert len({first, doc.epoch, Doc().epoch}) == 3


def test_asking_to_select_shows_at_once_and_a_removed_node_is_no_longer_selected() -> None:
    doc = Doc(Graph((CONV,)))
    doc.ask("select", "conv2d_1")
    assert doc.selected == ("conv2d_1",)
    doc.merge(report(doc, rev=0, ack=0))
    assert doc.selected == ("conv2d_1",)
    doc.command([RemoveNode("conv2d_1")])
    assert doc.selected == ()


def test_commands_travel_numbered_and_each_as_one() -> None:
    doc = Doc(Graph((CONV,)))
    doc.command([SetLabel("conv2d_1", "stem"), SetParams("conv2d_1", {"bias": False})])
    doc.ask("layout")
    assert [c["seq"] for c in doc.to_json()["cmds"]] == [1, 2]
    assert [e["op"] for e in doc.to_json()["cmds"][0]["edits"]] == ["set_label", "set_params"]
    assert doc.to_json()["cmds"][1]["op"] == "layout"


TYPES = some.sampled_from(["Linear", "ReLU", "Add", "Conv2d"])
IDS = some.sampled_from(["a", "b", "c", "d"])
EDITS: some.SearchStrategy[Edit] = some.one_of(
    some.builds(lambda i, t: AddNode(Node(i + "2", t)), IDS, TYPES),
    some.builds(RemoveNode, IDS),
    some.builds(SetLabel, IDS, some.text("xyz ", max_size=4)),
    some.builds(lambda a, b: Connect(Edge(a, b)), IDS, IDS),
    some.builds(lambda i, t: AddNote(Note(f"note_{i}", t)), IDS, some.text("xyz \n", max_size=4)),
)
FOUR = Graph((Node("a", "Input"), Node("b", "Linear"), Node("c", "ReLU"), Node("d", "Add")), (Edge("a", "b"),))


@settings(max_examples=60, deadline=None)
@given(some.lists(EDITS, max_size=8))
def test_a_drawing_comes_back_from_the_browser_as_it_went(edits: list[Edit]) -> None:
    graph = apply(FOUR, edits)
    doc = Doc(graph)
    try:
        state = parse(report(doc))
    except Refused:
        state = None
    notes_differ = len({n.id for n in graph.notes}) == len(graph.notes)
    possible = (
        notes_differ
        and len(graph.by_id) == len(graph.nodes)
        and all(
            e.target in graph.by_id and e.source in graph.by_id and graph.by_id[e.target].type != "Input"
            for e in graph.edges
        )
    )
    assert (state is not None) == possible
    if state:
        assert state.graph == graph


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=8),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["notes", "nodes", "edges", "selected", "epoch", "rev", "ack"]


@settings(max_examples=150, deadline=None)
@given(some.sampled_from(FIELDS), JSON, JSON)
def test_a_hostile_report_neither_raises_nor_changes_the_drawing_beyond_what_is_valid(
    name: str, bad: Any, whole: Any
) -> None:
    doc = Doc(Graph((CONV,)))
    doc.merge(whole)
    assert doc.graph == Graph((CONV,))
    doc.merge({**report(doc), name: bad})
    assert all(n.type == "Conv2d" for n in doc.graph.nodes)


def test_a_drawing_that_could_not_be_opened_again_is_not_taken_over_and_that_is_told_once() -> None:
    doc = Doc(Graph((CONV,)))
    bad = {**report(doc), "nodes": [{"id": "a", "type": "Evil"}]}
    doc.merge(bad)
    doc.merge(bad)
    (told,) = doc.pending
    assert doc.graph == Graph((CONV,))
    assert told.op == "say"
    assert told.text.startswith("The last change is not kept.")
    assert "'Evil'" in told.text
    doc.merge(report(doc, rev=bad["rev"] + 1))
    assert doc.pending == ()


# ---- pasting


def sent(text: str, at: tuple[float, float] = (500.0, 300.0)) -> dict[str, Any]:
    return {"text": text, "at": list(at)}


BRANCH = Graph(
    (
        Node("linear_1", "Linear", {"out_features": 3}, "head", (10.0, 20.0)),
        Node("relu_1", "ReLU", position=(200.0, 20.0)),
    ),
    (Edge("linear_1", "relu_1"),),
    (Note("note_1", "why", (10.0, 90.0)),),
)


def test_what_is_pasted_keeps_its_wires_names_and_notes_and_takes_no_id_that_is_taken() -> None:
    doc = Doc(BRANCH)
    paste(doc, sent(dumps(BRANCH)))
    new = [n for n in doc.graph.nodes if n.id not in BRANCH.by_id]
    assert [(n.type, n.label, dict(n.params)) for n in new] == [
        ("Linear", "head", {"out_features": 3}),
        ("ReLU", "", {}),
    ]
    assert set(doc.graph.edges) == {*BRANCH.edges, Edge(new[0].id, new[1].id)}
    assert [n.text for n in doc.graph.notes] == ["why", "why"]
    assert len({*doc.graph.by_id, *(n.id for n in doc.graph.notes)}) == 6
    assert set(doc.selected) == {n.id for n in new}
    edits, chosen = doc.pending
    assert len(edits.edits) == 4
    assert chosen.op == "select"


def test_a_whole_network_pasted_on_an_empty_canvas_is_that_network_around_the_place() -> None:
    doc, graph = Doc(), chain(("Input", {"shape": [8]}), ("Linear", {}), ("Output", {}))
    paste(doc, sent(dumps(graph), (400.0, 200.0)))
    assert {n.id for n in doc.graph.nodes} == set(graph.by_id)
    assert set(doc.graph.edges) == set(graph.edges)
    assert {n.position for n in doc.graph.nodes} == {(400.0, 200.0)}


def test_pasting_again_and_again_covers_nothing() -> None:
    doc = Doc()
    for _ in range(4):
        paste(doc, sent(dumps(Graph((CONV,)))))
    heights = sorted(n.position[1] for n in doc.graph.nodes)
    assert all(b - a >= 80 for a, b in itertools.pairwise(heights))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello", "this is not JSON"),
        ("{}", '"format"'),
        ('{"format": "layerloom", "version": 9, "nodes": [], "edges": []}', "newer Layerloom"),
        ('{"format": "layerloom", "version": 1, "nodes": [{"id": "a", "type": "Evil"}], "edges": []}', "'Evil'"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_text_that_is_no_network_changes_nothing_and_is_told_why(text: str, reason: str) -> None:
    doc = Doc(BRANCH)
    paste(doc, sent(text))
    assert doc.graph == BRANCH
    (told,) = doc.pending
    assert told.op == "say"
    assert reason in told.text


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_a_hostile_paste_message_is_ignored(message: Any) -> None:
    doc = Doc(BRANCH)
    paste(doc, message)
    assert (doc.graph, doc.pending) == (BRANCH, ())


def test_a_setting_that_names_another_layer_follows_its_copy() -> None:
    name = next((p.name for p in BY_TYPE["Linear"].params if p.kind == "node"), None)
    if name is None:
        pytest.skip("no layer refers to another")
    shared = Graph((Node("linear_1", "Linear"), Node("linear_2", "Linear", {name: "linear_1"})))
    doc = Doc(shared)
    paste(doc, sent(dumps(shared)))
    one, two = (n for n in doc.graph.nodes if n.id not in shared.by_id)
    assert two.params[name] == one.id


# ---- the page


@pytest.fixture
def app() -> AppTest:
    at = AppTest.from_file(str(DEMO), default_timeout=60).run()
    assert not at.exception
    return at


def test_an_edit_in_the_browser_reaches_the_page(app: AppTest) -> None:
    doc: Doc = app.session_state["doc"]
    app.session_state["net"] = {"state": report(doc, doc.graph.remove("output_1"), selected=["conv2d_1"])}
    app.run()
    assert not app.exception
    assert "output_1" not in app.session_state["doc"].graph.by_id
    assert app.session_state["doc"].selected == ("conv2d_1",)


@pytest.mark.parametrize("sent", [None, 7, [], {}, {"state": 1}, {"paste": 3}, {"state": {"nodes": [1]}}, {"fix": "x"}])
def test_a_page_outlives_whatever_a_browser_sends(app: AppTest, sent: Any) -> None:
    app.session_state["net"] = sent
    app.run()
    assert not app.exception
    assert len(app.session_state["doc"].graph.nodes) == 7
