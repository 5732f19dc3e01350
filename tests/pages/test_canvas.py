"""The canvas without a browser: what Python tells it, and what Python makes of what it reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from builder.catalog import CATALOG, GROUPS
from builder.diagnostic import Diagnostic
from builder.edit import AddNode, Connect, Edit, RemoveNode, SetLabel, SetParams, apply
from builder.graph import Edge, Graph, Node
from builder.infer import infer
from pages.canvas import Doc, fix_for, notes, palette
from pages.canvas.doc import parse
from pages.canvas.notes import count

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
    assert [layer["type"] for layer in wire["layers"]] == [spec.type for spec in CATALOG]
    assert {layer["group"] for layer in wire["layers"]} == set(GROUPS) == set(wire["groups"])


@pytest.mark.parametrize("layer", palette()["layers"], ids=lambda layer: str(layer["type"]))
def test_a_summary_names_only_parameters_that_the_layer_has(layer: dict[str, Any]) -> None:
    assert layer["summary"].format(**layer["defaults"]).count("{") == 0


# ---- notes


def test_a_healthy_node_has_its_shape_and_the_number_of_its_weights() -> None:
    said = notes(infer(chain(("Input", {"shape": [1, 28, 28]}), ("Conv2d", {}), ("ReLU", {}), ("Output", {}))))
    assert said["conv2d_1"] == {"shape": "16 × 26 × 26", "params": "160"}
    assert said["relu_1"] == {"shape": "16 × 26 × 26"}


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
)
FOUR = Graph((Node("a", "Input"), Node("b", "Linear"), Node("c", "ReLU"), Node("d", "Add")), (Edge("a", "b"),))


@settings(max_examples=60, deadline=None)
@given(some.lists(EDITS, max_size=8))
def test_a_drawing_comes_back_from_the_browser_as_it_went(edits: list[Edit]) -> None:
    graph = apply(FOUR, edits)
    doc = Doc(graph)
    state = parse(report(doc))
    possible = len(graph.by_id) == len(graph.nodes) and all(
        e.target in graph.by_id and e.source in graph.by_id and graph.by_id[e.target].type != "Input"
        for e in graph.edges
    )
    assert (state is not None) == possible
    if state:
        assert state.graph == graph


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=8),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["nodes", "edges", "selected", "epoch", "rev", "ack"]


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


@pytest.mark.parametrize("sent", [None, 7, [], {}, {"state": 1}, {"state": {"nodes": [1]}}, {"fix": "x"}])
def test_a_page_outlives_whatever_a_browser_sends(app: AppTest, sent: Any) -> None:
    app.session_state["net"] = sent
    app.run()
    assert not app.exception
    assert len(app.session_state["doc"].graph.nodes) == 7
