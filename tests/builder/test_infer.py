from __future__ import annotations

from dataclasses import replace

import pytest

from builder.catalog import BY_TYPE
from builder.diagnostic import Diagnostic, Fix
from builder.edit import AddNode, Connect, SetParams, apply
from builder.graph import Edge, Graph, Node
from builder.infer import checked, infer
from builder.spec import MAX_DIM, LayerSpec, Param, Port, TensorSpec
from tests.builder.drawings import chain, draw

LENET = chain(
    "Input", "Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear", "Output",
    a={"shape": (1, 28, 28)}, b={"out_channels": 6, "kernel_size": 5}, d={"kernel_size": 2}, f={"out_features": 10},
)  # fmt: skip


def test_shapes_weights_and_counts_of_a_small_convolutional_network():
    inference = infer(LENET)
    shapes = {id: info.output.shape for id, info in inference.nodes.items()}
    assert shapes == {
        "a": (1, 28, 28), "b": (6, 24, 24), "c": (6, 24, 24), "d": (6, 12, 12), "e": (864,), "f": (10,), "g": (10,),
    }  # fmt: skip
    assert inference.nodes["b"].weights == {"weight": (6, 1, 5, 5), "bias": (6,)}
    assert inference.nodes["f"].weights == {"weight": (10, 864), "bias": (10,)}
    assert (inference.nodes["b"].params, inference.nodes["f"].params) == (156, 8650)
    assert inference.params == 156 + 8650
    assert inference.flops == sum(info.flops for info in inference.nodes.values())
    assert inference.nodes["f"].flops >= 2 * 10 * 864
    assert (inference.inputs["a"].shape, inference.outputs["g"].shape) == ((1, 28, 28), (10,))
    assert inference.order == ("a", "b", "c", "d", "e", "f", "g")
    assert inference.ok


def test_what_hangs_on_a_broken_node_stays_silent_and_the_rest_goes_on():
    graph = LENET.set_params("b", {"kernel_size": 0}).add(Node("x", "Flatten"), [Edge("a", "x")])
    graph = graph.add(Node("y", "Output"), [Edge("x", "y")])
    inference = infer(graph)
    assert [(d.code, d.node, d.field) for d in inference.diagnostics] == [("param/range", "b", "kernel_size")]
    known = [id for id, info in inference.nodes.items() if info.output]
    assert known == ["a", "x", "y"]
    assert inference.nodes["b"].diagnostics == inference.diagnostics
    assert inference.nodes["c"].diagnostics == ()


def test_a_wrong_value_behind_a_broken_node_is_told_too():
    graph = LENET.set_params("b", {"kernel_size": 0}).set_params("f", {"out_features": -1})
    assert [d.node for d in infer(graph).diagnostics] == ["b", "f"]


def test_what_stands_on_or_behind_a_cycle_has_no_shape_and_what_stands_before_has():
    inference = infer(draw("i:Input a:Add b:ReLU c:ReLU o:Output", "i>a a>b b>a:1 b>c c>o"))
    assert {id for id, info in inference.nodes.items() if info.output} == {"i"}
    assert inference.order == ("i",)
    assert [d.code for d in inference.errors] == ["graph/cycle"]


def test_diagnostics_come_in_drawing_order_those_of_the_whole_drawing_first():
    graph = draw("z:Linear a:Conv2d", "", z={"out_features": 0}, a={"kernel_size": 0})
    nodes = [d.node for d in infer(graph).diagnostics]
    assert nodes == [None, None, "z", "z", "a", "a"]


@pytest.mark.parametrize(
    ("graph", "code", "node", "label"),
    [
        (LENET.set_params("b", {"kernel_size": 0}), "param/range", "b", "Set kernel size to 1"),
        (LENET.set_params("b", {"kernel_size": "x"}), "param/type", "b", "Set kernel size to 3"),
        (LENET.set_params("b", {"kernel_size": 40}), "shape/kernel-too-large", "b", "Set kernel size to 3"),
        (LENET.set_params("d", {"kernel_size": 40}), "shape/kernel-too-large", "d", "Set the kernel to 24"),
        (chain("Input", "Conv2d", "Output", a={"shape": (64,)}), "shape/wrong-rank", "b", None),
    ],
)
def test_a_fault_of_one_layer_has_a_fix_that_works(graph, code, node, label):
    (d,) = infer(graph).diagnostics
    assert (d.code, d.node) == (code, node)
    assert label in (None, d.fix.label)
    assert infer(apply(graph, d.fix.edits)).ok


def test_a_fix_that_would_bring_another_error_is_not_offered():
    graph = chain("Input", "Conv2d", "Conv2d", "Output", a={"shape": (1, 8, 8)}, b={"kernel_size": 9})
    graph = graph.set_params("c", {"kernel_size": 7})
    (d,) = infer(graph).diagnostics
    assert (d.code, d.node) == ("shape/kernel-too-large", "b")
    assert d.fix is None, "a kernel of 8 leaves 1 × 1 and the default 6 × 6, which the next kernel of 7 does not fit"
    for kernel, label in ((6, "Set kernel size to 3"), (1, "Set the kernel to 8")):
        (d,) = infer(graph.set_params("c", {"kernel_size": kernel})).diagnostics
        assert d.fix.label == label


def test_checked_keeps_a_fix_that_works_and_drops_one_that_does_not():
    graph = LENET.set_params("b", {"kernel_size": 40})
    problem = replace(infer(graph).diagnostics[0], fix=None)
    for size, works in ((5, True), (39, False)):
        fix = Fix("", (SetParams("b", {"kernel_size": size}),))
        assert checked(graph, replace(problem, fix=fix)).fix == (fix if works else None)
    assert checked(graph, problem).fix is None


def fussy(fix: Fix) -> dict[str, LayerSpec]:
    """A catalogue with a two-port layer that wants a vector at both ports and proposes ``fix``."""

    def rule(p, x):
        if p["calm"] or all(len(t.shape) == 1 for t in x):
            return TensorSpec((1,))
        return Diagnostic("test/fussy", "It needs vectors.", "Flatten them.", fix=fix)

    ports = (Port("left"), Port("right"))
    return BY_TYPE | {"Fussy": LayerSpec("Fussy", "", "", rule, (Param("calm", "bool", False),), ports)}


IMAGES = draw("i:Input v:Input f:Fussy o:Output", "i>f v>f:1 f>o", i={"shape": (1, 4, 4)})


def test_a_rule_sets_its_own_parameters_with_an_empty_id():
    catalog = fussy(Fix("Calm down", (SetParams("", {"calm": True}),)))
    (d,) = infer(IMAGES, catalog).diagnostics
    assert (d.node, d.fix.edits) == ("f", (SetParams("f", {"calm": True}),))


def test_a_rule_puts_a_layer_on_its_first_connection_with_an_empty_id():
    catalog = fussy(Fix("Flatten", (AddNode(Node("", "Flatten")),)))
    (d,) = infer(IMAGES, catalog).diagnostics
    new = Node("flatten_1", "Flatten", position=(100.0, 0.0))
    assert d.fix.edits == (
        AddNode(new),
        Connect(Edge("i", "flatten_1")),
        Connect(Edge("flatten_1", "f", 0)),
    )
    assert infer(apply(IMAGES, d.fix.edits), catalog).ok


def test_a_rule_names_another_port_with_a_connect_of_empty_ids():
    catalog = fussy(Fix("Flatten", (AddNode(Node("", "Flatten")), Connect(Edge("", "", 1)))))
    swapped = draw("i:Input v:Input f:Fussy o:Output", "v>f i>f:1 f>o", i={"shape": (1, 4, 4)})
    (d,) = infer(swapped, catalog).diagnostics
    assert d.fix.edits[2] == Connect(Edge("flatten_1", "f", 1))
    assert infer(apply(swapped, d.fix.edits), catalog).ok


def test_of_two_layers_that_a_rule_adds_the_second_stands_nearer():
    catalog = fussy(Fix("", (AddNode(Node("", "ReLU")), AddNode(Node("", "Flatten")))))
    (d,) = infer(IMAGES, catalog).diagnostics
    fixed = apply(IMAGES, d.fix.edits)
    assert {(e.source, e.target) for e in fixed.edges} == {
        ("i", "relu_1"), ("relu_1", "flatten_1"), ("flatten_1", "f"), ("v", "f"), ("f", "o"),
    }  # fmt: skip


def test_a_fix_of_a_rule_that_cures_nothing_is_not_offered():
    (d,) = infer(IMAGES, fussy(Fix("Add a ReLU", (AddNode(Node("", "ReLU")),)))).diagnostics
    assert (d.code, d.fix) == ("test/fussy", None)


def test_a_layer_is_worked_out_once_however_often_the_drawing_is():
    calls = []

    def rule(_p, x):
        calls.append(x)
        return x[0]

    catalog = BY_TYPE | {"Counted": LayerSpec("Counted", "", "", rule)}
    graph = chain("Input", *["Counted"] * 4, "Output")
    for k in range(5):
        infer(graph.move("b", (k, k)), catalog)
    assert len(calls) == 2, "once for those that feed another, once for the one that feeds the Output"


@pytest.mark.parametrize(
    ("graph", "text"),
    [
        (
            chain("Input", "Linear", "Output", a={"shape": (100_000,)}, b={"out_features": 100_000}),
            "Its weight would be 100,000 × 100,000; at most 10,000,000 per axis and 2,147,483,648 values fit.",
        ),
        (
            chain("Input", "Flatten", "Output", a={"shape": (4000, 4000)}),
            "Its output would be 16,000,000; at most 10,000,000 per axis and 2,147,483,648 values fit.",
        ),
        (
            chain("Input", "Flatten", "Output", a={"shape": (MAX_DIM,) * 6}),
            "Its output would be " + " × ".join(["10,000,000"] * 6) + "; at most 10,000,000 per axis and 2,147,483,648 "
            "values fit.",
        ),
    ],
)
def test_a_tensor_that_no_machine_holds_is_refused_before_anything_is_built(graph, text):
    (d,) = infer(graph).errors
    assert (d.code, d.what) == ("shape/too-large", text)


def test_the_largest_tensor_is_still_admitted():
    assert infer(chain("Input", "Output", a={"shape": (2**11, 2**20)})).ok
    assert not infer(chain("Input", "Output", a={"shape": (2**11 + 1, 2**20)})).ok


def test_values_as_a_browser_sends_them_give_the_same_shapes():
    sent = LENET.set_params("b", {"kernel_size": 5.0}).set_params("a", {"shape": [1, 28.0, 28]})
    assert infer(sent).nodes == infer(LENET).nodes


def test_a_chain_of_two_thousand_layers_is_no_problem():
    nodes = [Node("n0", "Input"), *(Node(f"n{i}", "ReLU") for i in range(1, 1999)), Node("n1999", "Output")]
    inference = infer(Graph(tuple(nodes), tuple(Edge(f"n{i}", f"n{i + 1}") for i in range(1999))))
    assert inference.ok
    assert len(inference.order) == 2000
