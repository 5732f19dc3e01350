"""Blocks in exported source: one class for one structure, arguments for what differs, loops for repeats."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from builder.blocks import BY_NAME
from builder.compile import compile_graph, target
from builder.graph import Edge, Graph, Node
from builder.infer import infer
from builder.keywords import POSITIONAL
from builder.source import source
from builder.templates import TEMPLATES, load
from tests.builder.drawings import draw
from tests.builder.golden import golden
from tests.builder.layers import LAYERS, batch, inputs_for
from tests.builder.test_block import STACK, TWO_PORTS
from tests.builder.test_source import load_class, ruff_accepts, run

HEAD = ("AdaptiveAvgPool2d", {"output_size": 1}), ("Flatten", {}), ("Linear", {"out_features": 10}), ("Output", {})


def row(shape: tuple[int, ...], *nodes: Node, head: tuple[tuple[str, dict[str, Any]], ...] = HEAD) -> Graph:
    """Input → ``nodes`` one after the other → ``head``."""
    graph, last = Graph().add(Node("input_1", "Input", {"shape": shape})), "input_1"
    for node in (*nodes, *(Node(f"{type_.lower()}_1", type_, params) for type_, params in head)):
        graph, last = graph.add(node, [Edge(last, node.id)]), node.id
    return graph


def within(*nodes: Node) -> Graph:
    """What is in a block: its Input → ``nodes`` one after the other → its Output."""
    inner, last = Graph().add(Node("x", "Input")), "x"
    for node in (*nodes, Node("y", "Output")):
        inner, last = inner.add(node, [Edge(last, node.id)]), node.id
    return inner


def residual(id: str, channels_in: int, channels: int, repeat: int = 1) -> Node:
    stride = 1 if channels == channels_in else 2
    return BY_NAME["residual"].node(id, repeat, in_channels=channels_in, channels=channels, stride=stride)


def stage(id: str, channels_in: int, channels: int, repeat: int) -> Node:
    """A block of blocks."""
    start, rest = residual("first", channels_in, channels), residual("more", channels, channels, repeat)
    return Node(id, "Block", {}, "Stage", inner=within(start, rest))


RESNET = row(
    (3, 32, 32),
    Node("conv_1", "Conv2d", {"out_channels": 16, "kernel_size": 3, "padding": 1, "bias": False}),
    stage("stage_1", 16, 32, 2),
    stage("stage_2", 32, 64, 3),
)
DECODER = draw("q:Input m:Input d:Block o:Output", "q>d:0 m>d:1 d>o", q={"shape": (9, 16)}, m={"shape": (7, 16)})
DECODER = DECODER.set_params("d", {"repeat": 2}).set_inner("d", BY_NAME["transformer_decoder"].graph(features=16))
WIDENING = row(
    (3, 16, 16),
    Node(
        "conv",
        "Block",
        {"repeat": 3},
        "Convolution that says in very many words what it is for",
        inner=within(Node("conv2d_1", "Conv2d", {"out_channels": 8, "kernel_size": 3}), Node("relu_1", "ReLU")),
    ),
)
INITIAL = row(
    (6,),
    Node(
        "b",
        "Block",
        {"repeat": 2},
        inner=within(Node("l", "Linear", {"out_features": 6, "init": "kaiming_normal"}), Node("r", "ReLU")),
    ),
    Node("l", "Linear", {"out_features": 3, "init": "xavier_uniform"}),
    head=(("Output", {}),),
)
MIXED = row(
    (4, 32, 32),
    *(
        Node(
            id,
            "Block",
            {},
            "Mixed",
            inner=within(
                Node("c", "Conv2d", {"out_channels": 4, "kernel_size": kernel, "padding": padding}),
                Node("m", "MaxPool2d", {"kernel_size": 2, "stride": stride}),
            ),
        )
        for id, kernel, padding, stride in (("b0", 3, 1, None), ("b1", (3, 5), (1, 2), 1), ("b2", 3, 1, 2))
    ),
)
DRAWINGS = {
    "blocks_mixed": MIXED,
    "blocks_resnet": RESNET,
    "blocks_decoder": DECODER,
    "blocks_widening": WIDENING,
    "blocks_initial": INITIAL,
    "blocks_stack": STACK,
    "blocks_two_ports": TWO_PORTS,
}
each_drawing = pytest.mark.parametrize("name", DRAWINGS)


@pytest.mark.parametrize("name", ["blocks_resnet", "blocks_decoder"])
def test_blocks_read_as_a_person_would_have_written_them(name: str) -> None:
    text = source(DRAWINGS[name], name.removeprefix("blocks_"))
    assert text == golden(f"{name}.py", text)


@each_drawing
def test_source_and_module_start_and_compute_alike(name: str) -> None:
    graph = DRAWINGS[name]
    net = compile_graph(graph, seed=3)
    torch.manual_seed(3)
    exported = load_class(source(graph))()
    assert list(exported.state_dict()) == list(net.state_dict())
    assert all(torch.equal(a, net.state_dict()[k]) for k, a in exported.state_dict().items())
    inputs = [batch(x) for x in infer(graph).inputs.values()]
    assert torch.equal(exported.eval()(*inputs), net.eval()(*inputs))


def test_ruff_and_strict_mypy_have_nothing_to_say_of_blocks_and_of_every_template(tmp_path: Path) -> None:
    graphs = [*DRAWINGS.values(), *(load(t.name) for t in TEMPLATES)]
    ruff_accepts(*map(source, graphs), folder=tmp_path)
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    cache = Path(__file__).parents[2] / ".mypy_cache" / "strict"
    mypy = Path(sys.executable).with_name("mypy")
    run(mypy, "--strict", "--cache-dir", cache, *sorted(tmp_path.glob("*.py")), cwd=tmp_path)


def classes(graph: Graph) -> dict[str, str]:
    """Name of each class → the line that begins its constructor."""
    found = {}
    for part in source(graph).split("\n\n\nclass ")[1:]:
        name = part.split("(")[0]
        start = re.search(r"def __init__\((.*?)\) -> None", part, re.S)
        found[name] = " ".join(start[1].split()).rstrip(",") if start else ""
    return found


def test_numbers_in_which_blocks_differ_become_arguments_named_as_torch_does() -> None:
    assert classes(RESNET) == {
        "ResidualBlock": "self, in_channels: int, out_channels: int",
        "ResidualBlock2": "self, channels: int",
        "Stage": "self, in_channels: int, out_channels: int, repeats: int",
        "Net": "self",
    }
    assert "self.stage_2 = Stage(32, 64, 3)" in source(RESNET)
    assert "self.more = nn.Sequential(\n            *(ResidualBlock2(out_channels)" in source(RESNET)


def test_what_is_the_same_everywhere_stays_a_number_and_a_default_is_left_out() -> None:
    pools = [Node(f"p{i}", "Block", {}, "Pool", inner=within(Node("c", "Conv2d", p))) for i, p in enumerate(
        [{"out_channels": 8, "kernel_size": 3}, {"out_channels": 8, "kernel_size": 3, "stride": 2}])]  # fmt: skip
    text = source(row((8, 32, 32), *pools))
    assert "def __init__(self, stride: int = 1) -> None:" in text
    assert "nn.Conv2d(8, 8, kernel_size=3, stride=stride)" in text
    assert "self.p0 = Pool()" in text
    assert "self.p1 = Pool(stride=2)" in text


def test_how_often_a_block_repeats_is_apart_from_how_often_one_within_it_does() -> None:
    """Both are an argument called repeats; the outer one stands for its own."""
    stages = [
        Node(f"s{i}", "Block", {"repeat": outer}, "Stage", inner=within(Node("p", "Block", {"repeat": n}, "Part",
             inner=within(Node("l", "Linear", {"out_features": 4})))))
        for i, (outer, n) in enumerate([(2, 3), (3, 2)])
    ]  # fmt: skip
    pairs = [Node(f"b{i}", "Block", {}, "Pair", inner=within(stage)) for i, stage in enumerate(
        [replace(stage, id="s") for stage in stages])]  # fmt: skip
    graph = row((4,), *pairs, head=(("Output", {}),))
    assert "Pair(3, 2)" in source(graph)
    exported = load_class(source(graph))()
    assert list(exported.state_dict()) == list(compile_graph(graph).state_dict())


def test_a_number_that_may_be_left_out_or_differ_by_axis_is_typed_so() -> None:
    assert classes(MIXED)["Mixed"] == (
        "self, kernel_size: int | tuple[int, int] = 3, padding: int | tuple[int, int] = 0, stride: int | None = None"
    )
    assert "self.b1 = Mixed(kernel_size=(3, 5), padding=(1, 2), stride=1)" in source(MIXED)


def test_an_argument_is_named_after_its_layer_where_two_would_have_one_name() -> None:
    def narrow(*sizes: int) -> Graph:
        names = ("one", "two", "three")
        return within(*(Node(n, "Linear", {"out_features": k}) for n, k in zip(names, sizes, strict=True)))

    blocks = [
        Node(f"b{i}", "Block", {}, "Pair", inner=narrow(*sizes)) for i, sizes in enumerate([(3, 4, 7), (5, 6, 8)])
    ]
    assert classes(row((2,), *blocks, head=(("Output", {}),)))["Pair"] == (
        "self, in_features: int, one_out_features: int, two_out_features: int, out_features: int"
    )


def test_blocks_of_other_structure_or_other_words_are_other_classes() -> None:
    one = within(Node("l", "Linear", {"out_features": 4}), Node("a", "ReLU"))
    two = within(Node("l", "Linear", {"out_features": 4}), Node("a", "Tanh"))
    three = within(Node("l", "Linear", {"out_features": 4, "init": "zeros"}), Node("a", "ReLU"))
    blocks = [Node(f"b{i}", "Block", {}, "Layer", inner=inner) for i, inner in enumerate([one, two, one, three])]
    assert list(classes(row((4,), *blocks, head=(("Output", {}),)))) == ["Layer", "Layer2", "Layer3", "Net"]


def test_of_blocks_of_one_name_within_each_other_the_outermost_is_the_first() -> None:
    names = re.findall(r"^class (\w+)", source(load("unet"), "U-Net"), re.M)
    assert names == ["UNetLevel2", "UNetLevel", "UNetBlock", "UNet"]


@pytest.mark.parametrize(
    ("title", "name"), [("Net", "NetBlock"), ("torch", "Torch"), ("", "Abc"), ("nn.Module", "NnModule"), ("3×", "Net3")]
)
def test_a_title_becomes_a_name_that_takes_no_other(title: str, name: str) -> None:
    block = Node("abc_1", "Block", {}, title, inner=within(Node("l", "Linear")))
    assert list(classes(row((4,), block, head=(("Output", {}),)))) == [name, "Net"]


def test_shapes_in_comments_name_the_argument_that_says_them() -> None:
    text = source(RESNET)
    assert "y = self.conv2d_1(x)  # (N, out_channels, H, W)" in text
    assert "x = self.stage_1(x)  # (N, 32, 16, 16)" in text


def test_a_loop_keeps_what_is_read_again_after_it() -> None:
    """The query is added to what the repeats make of it, so they may not overwrite it; nor the memory they all read."""
    graph = TWO_PORTS.remove("o").add(Node("sum", "Add"), [Edge("d", "sum", 0), Edge("q", "sum", 1)])
    graph = graph.add(Node("o", "Output"), [Edge("sum", "o")])
    text = source(graph)
    assert "        z = x\n        for block in self.d:\n            z = block(z, y)  # (N, 5)\n" in text
    net, exported = compile_graph(graph, seed=0), load_class(text)()
    exported.load_state_dict(net.state_dict())
    inputs = [batch(x, seed=i) for i, x in enumerate(infer(graph).inputs.values())]
    assert torch.equal(net(*inputs), exported(*inputs))


@pytest.mark.parametrize("spec", [s for s in LAYERS if s.module], ids=lambda s: s.type)
def test_arguments_by_place_have_the_names_of_torch(spec: Any) -> None:
    made = spec.module(spec.complete({}), inputs_for(spec))
    names = POSITIONAL.get(made.target, ())
    assert len(names) == len(made.args)
    module = target(made.target)
    owner = nn.RNNBase if issubclass(module, nn.RNNBase) else module
    known = [n for n in inspect.signature(owner.__init__).parameters if n not in ("self", "mode")]
    assert tuple(known[: len(names)]) == names


def test_only_what_a_block_gives_is_called_out_channels() -> None:
    found = classes(load("mobilenet"))
    assert found["InvertedResidual"] == "self, channels: int, hidden_channels: int"


def test_branches_that_happen_to_be_equally_wide_have_arguments_of_their_own() -> None:
    assert "conv2d_5_out_channels: int, conv2d_6_out_channels: int" in classes(load("inception"))["Inception"]
    shape = re.search(r"self.conv2d_5\(u\)  # (.*)", source(load("inception")))
    assert shape
    assert shape[1] == "(N, conv2d_5_out_channels, H, W)"  # its own, though the other branch is as wide
