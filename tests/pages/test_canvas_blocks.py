"""Blocks on Python's side of the canvas: what is said of them, and what is done when the browser asks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from builder.block import at
from builder.blocks import BLOCKS, BY_NAME
from builder.diagnostic import Diagnostic, Refused
from builder.document import dumps, loads
from builder.edit import AddNode, RemoveNode, SetParams, within
from builder.graph import Edge, Graph, Node
from builder.infer import infer
from builder.spec import TensorSpec
from builder.suggest import blocks_after, takes
from engine.config import DataRef, TrainConfig
from engine.cost import costs
from pages.canvas import Doc, notes
from pages.canvas.blocks import asked, insert
from pages.canvas.doc import parse
from pages.canvas.paste import paste
from pages.canvas.paths import find, numbered, walk
from tests.pages.test_canvas import JSON, chain, report, sent

IMAGE = ("Input", {"shape": [1, 28, 28]})
PLAIN = chain(IMAGE, ("Conv2d", {"padding": 1}), ("ReLU", {}), ("Flatten", {}), ("Linear", {}), ("Output", {}))


def grouped(repeat: int = 1) -> Doc:
    """PLAIN with its convolution and ReLU in the block ``block_1``, called Stem."""
    doc = Doc(PLAIN)
    asked(doc, {"do": "group", "ids": ["conv2d_1", "relu_1"], "title": "Stem"})
    if repeat > 1:
        doc.command([SetParams("block_1", {"repeat": repeat})])
    return doc


def twice() -> Doc:
    """A block that fits itself, twice: 16 channels in and out."""
    graph = chain(("Input", {"shape": [16, 8, 8]}))
    node = Node("res_1", "Block", {"repeat": 2}, inner=BY_NAME["residual"].graph(in_channels=16, channels=16))
    graph = graph.add(node, [Edge("input_1", "res_1")]).add(Node("output_1", "Output"), [Edge("res_1", "output_1")])
    return Doc(graph)


def survives(graph: Graph) -> bool:
    """Whether it can be written down and read again."""
    return [path for path, _, _ in walk(loads(dumps(graph)))] == [path for path, _, _ in walk(graph)]


# ---- paths


def test_every_node_has_its_path_and_the_id_that_a_run_gives_it() -> None:
    graph = twice().graph
    found = {path: flat for path, flat, _ in walk(graph)}
    assert found["res_1.conv2d_1"] == "res_1.0.conv2d_1" == numbered(graph, "res_1.conv2d_1")
    assert set(found.values()) <= set(infer(graph).nodes)
    assert all(find(graph, path) for path in found)
    assert find(graph, "res_1.nothing") is None
    assert find(graph, "") is None


def test_an_edit_within_a_block_is_addressed_from_outside() -> None:
    doc = twice()
    doc.command(within("res_1", [RemoveNode("relu_2")]))
    assert find(doc.graph, "res_1.relu_2") is None
    (command,) = doc.to_json()["cmds"]
    assert command["edits"] == [{"op": "inside", "id": "res_1", "edits": [{"op": "remove_node", "id": "relu_2"}]}]


# ---- what the browser reports


def test_what_is_open_and_selected_within_blocks_is_taken_over() -> None:
    doc = twice()
    doc.merge(report(doc, selected=["res_1.relu_1", "relu_1"], open="res_1"))
    assert (doc.selected, doc.open) == (("res_1.relu_1",), "res_1")
    assert parse(report(doc, open="res_1.conv2d_1")) is not None
    doc.command([RemoveNode("res_1")])
    assert (doc.selected, doc.open) == ((), "")


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_a_hostile_place_neither_raises_nor_is_believed(bad: Any) -> None:
    doc = twice()
    doc.merge(report(doc, open=bad))
    assert doc.open == "" or find(doc.graph, doc.open)


# ---- what is asked


def test_grouping_gives_a_block_that_computes_the_same_and_is_selected() -> None:
    doc = grouped()
    before, after = infer(PLAIN), infer(doc.graph)
    assert after.ok
    assert (after.params, after.flops) == (before.params, before.flops)
    assert doc.selected == ("block_1",)
    assert doc.graph.by_id["block_1"].label == "Stem"
    assert survives(doc.graph)


def test_grouping_within_an_open_block_stays_there() -> None:
    doc = twice()
    doc.merge(report(doc, open="res_1"))
    asked(doc, {"do": "group", "ids": ["conv2d_1", "batchnorm2d_1"], "title": ""})
    assert doc.selected == ("res_1.block_1",)
    assert [n.type for n in at(doc.graph, "res_1.block_1").nodes] == ["Input", "Conv2d", "BatchNorm2d", "Output"]
    assert infer(doc.graph).ok
    asked(doc, {"do": "ungroup", "id": "block_1"})
    assert find(doc.graph, "res_1.block_1") is None
    assert infer(doc.graph).params == infer(twice().graph).params


def test_what_cannot_be_grouped_stays_and_the_reason_is_said() -> None:
    doc = Doc(PLAIN)
    asked(doc, {"do": "group", "ids": ["input_1"], "title": ""})
    assert doc.graph == PLAIN
    (told,) = doc.pending
    assert told.op == "say"
    assert "stays outside" in told.text


@settings(max_examples=120, deadline=None)
@given(
    some.sampled_from(["group", "ungroup", "insert", "explode"]), some.dictionaries(some.text(max_size=5), JSON), JSON
)
def test_a_hostile_question_neither_raises_nor_breaks_the_drawing(do: str, more: dict[str, Any], whole: Any) -> None:
    doc = grouped()
    for message in (whole, {"do": do, "ids": ["relu_1", 3], "id": "input_1", "name": "x", "title": "", **more}):
        assert asked(doc, message) is None
    assert survives(doc.graph)


# ---- built-in blocks


@pytest.mark.parametrize("spec", BLOCKS, ids=lambda spec: str(spec.name))
def test_a_block_is_led_into_a_wire_and_its_first_input_is_fed(spec: Any) -> None:
    doc, wire = Doc(PLAIN), {"source": "conv2d_1", "target": "relu_1", "port": 0}
    wanted = asked(doc, {"do": "insert", "name": spec.name, "at": [5, 7.5], "onto": wire})
    assert wanted is not None
    assert str(wanted.given(infer(doc.graph))) == "16 × 28 × 28"
    insert(doc, wanted, {})
    node = doc.graph.by_id[f"{spec.name}_1"]
    assert (node.type, node.label, node.position) == ("Block", spec.title, (5.0, 7.5))
    assert {Edge("conv2d_1", node.id), Edge(node.id, "relu_1")} < set(doc.graph.edges)
    assert Edge("conv2d_1", "relu_1") not in doc.graph.edges
    assert doc.selected == (node.id,)
    assert survives(doc.graph)


def test_a_block_is_put_behind_a_layer_of_the_block_that_is_open() -> None:
    doc = twice()
    doc.merge(report(doc, open="res_1"))
    wanted = asked(doc, {"do": "insert", "name": "dense", "at": [0, 0], "onto": "conv2d_1"})
    assert wanted is not None
    assert str(wanted.given(infer(doc.graph))) == "16 × 8 × 8"
    insert(doc, wanted, {"growth": 4})
    assert Edge("conv2d_1", "dense_1") in at(doc.graph, "res_1").edges


def test_a_block_that_would_stand_too_deep_is_refused_before_it_is_drawn() -> None:
    doc = grouped()
    path = "block_1"
    for _ in range(7):
        doc.merge(report(doc, open=path))
        asked(
            doc,
            {
                "do": "group",
                "ids": [n.id for n in at(doc.graph, path).nodes if n.type not in ("Input", "Output")],
                "title": "",
            },
        )
        path = doc.selected[0]
    doc.merge(report(doc, open=path))
    wanted = asked(doc, {"do": "insert", "name": "residual", "at": [0, 0], "onto": None})
    assert wanted is not None
    before = doc.graph
    with pytest.raises(Refused, match="blocks already"):
        insert(doc, wanted, {})
    assert doc.graph == before


def test_only_blocks_that_take_it_are_offered_and_with_settings_that_suit() -> None:
    image, words = TensorSpec((64, 64, 64), "float32", ("channel", "height", "width")), TensorSpec((12, 20))
    assert "residual" in blocks_after(image)
    assert "transformer_encoder" in blocks_after(words)
    assert not set(blocks_after(words)) & {"residual", "inception"}
    assert all(takes(BY_NAME[name], image) for name in blocks_after(image))
    assert blocks_after(TensorSpec((9,), "int64")) == ()


# ---- what is said


def test_a_block_says_its_output_and_weights_and_so_do_the_layers_in_it() -> None:
    said = notes(infer(twice().graph))
    assert said["res_1"]["shape"] == "16 × 8 × 8"
    assert said["res_1"]["params"] == "9,344"
    assert said["res_1.conv2d_1"]["params"] == "2,304"  # of one time: the drawing shows it once
    assert said["res_1.input_1"]["shape"] == "16 × 8 × 8"


def test_what_is_wrong_inside_is_said_at_the_block_with_the_place() -> None:
    doc = grouped()
    doc.command(within("block_1", [SetParams("conv2d_1", {"kernel_size": 40})]))
    said = notes(infer(doc.graph))
    assert said["block_1"]["at"] == "block_1.conv2d_1"
    assert said["block_1"]["error"].startswith("In conv2d_1: A 40 × 40 kernel")
    assert said["block_1.conv2d_1"]["error"].startswith("A 40 × 40 kernel")
    assert "at" not in said["block_1.conv2d_1"]
    assert said["block_1.relu_1"] == {"grey": True}


def test_advice_about_a_layer_in_a_block_is_said_there_and_at_the_block() -> None:
    advice = Diagnostic("demo/wide", "It is wide.", "Narrow it.", "res_1.conv2d_1", severity="warning")
    said = notes(infer(twice().graph), [advice])
    assert said["res_1.conv2d_1"]["warn"] == "It is wide. Narrow it."
    assert said["res_1"]["warn"] == "In conv2d_1: It is wide. Narrow it."


def test_a_block_costs_what_its_layers_do_all_its_times_together() -> None:
    config = TrainConfig(DataRef("digits"), knobs={"batch_size": 8})
    inference = infer(twice().graph)
    found = costs(inference, config, 1000, 200)
    inner = [n.id for n in at(inference.graph, "res_1").nodes if n.type not in ("Input", "Output")]
    assert found.nodes["res_1"].training == sum(found.nodes[f"res_1.{id}"].training for id in inner)
    assert found.nodes["res_1.conv2d_1"].params == 2 * 2304
    assert found.total.params == inference.params
    assert found.total == costs(inference.flat, config, 1000, 200).total


# ---- text


def test_a_block_is_pasted_into_the_block_that_is_open() -> None:
    doc = twice()
    doc.merge(report(doc, open="res_1"))
    paste(doc, sent(dumps(Graph((twice().graph.by_id["res_1"],)))))
    assert doc.selected == ("res_1.res_1",)
    pasted = find(doc.graph, "res_1.res_1")
    assert pasted
    assert pasted.inner == twice().graph.by_id["res_1"].inner


def test_text_with_blocks_too_deep_for_where_it_goes_is_refused_with_a_reason() -> None:
    doc = grouped()
    deep = doc.graph.by_id["block_1"]
    for _ in range(6):
        deep = Node("block_1", "Block", inner=Graph((deep,)))
    doc.command([AddNode(Node("other", "Block", inner=Graph((deep,))))])
    doc.merge(report(doc, open="other.block_1"))
    before = doc.graph
    paste(doc, sent(dumps(Graph((deep,)))))
    assert doc.graph == before
    assert doc.pending[-1].op == "say"
    assert "blocks already" in doc.pending[-1].text
