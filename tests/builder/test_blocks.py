"""Contracts over every built-in block: it infers, compiles, runs, and has the weights of its paper."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import builder.blocks
from builder.blocks import BLOCKS, BY_NAME, BlockSpec
from builder.compile import compile_graph
from builder.graph import Edge, Graph, Node
from builder.infer import infer
from builder.spec import Param, TensorSpec
from tests.builder.layers import batch, tensor

each_block = pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.name)


def on(node: Node, *inputs: TensorSpec) -> Graph:
    """Inputs → the block → Output."""
    graph = Graph().add(node)
    for port, x in enumerate(inputs):
        graph = graph.add(
            Node(f"input_{port}", "Input", {"shape": x.shape, "dtype": x.dtype}), [Edge(f"input_{port}", node.id, port)]
        )
    return graph.add(Node("output", "Output"), [Edge(node.id, "output")])


def weights(name: str, *shapes: tuple[int, ...], **params: Any) -> int:
    """How many parameters the block ``name`` has on inputs of these shapes."""
    inference = infer(on(BY_NAME[name].node("b", **params), *map(tensor, shapes)))
    assert inference.diagnostics == ()
    return inference.params


def test_every_file_of_blocks_is_listed() -> None:
    modules = [
        importlib.import_module(f"builder.blocks.{m.name}") for m in pkgutil.iter_modules(builder.blocks.__path__)
    ]
    assert {b.name for m in modules for b in getattr(m, "BLOCKS", ())} == set(BY_NAME)
    assert len(BY_NAME) == len(BLOCKS)


@each_block
def test_every_block_explains_itself(block: BlockSpec) -> None:
    assert len(block.help) > 40
    assert block.help.endswith(".")
    assert block.formula
    assert re.search(r"\b(19|20)\d\d\b", block.source)
    assert [p.name for p in block.params if not (p.help or p.label)] == []
    assert [p.check(p.default) for p in block.params] == [None] * len(block.params)


def inputs_of(block: BlockSpec, p: dict[str, Any]) -> list[TensorSpec]:
    """What fits the block with the settings ``p``."""
    if "features" in p:
        ports = [n for n in block.build(p).nodes if n.type == "Input"]
        return [tensor((5 + i, p["features"])) for i in range(len(ports))]
    return [tensor((p.get("in_channels", 6), 8, 8))]


def drawn(p: Param) -> st.SearchStrategy[Any]:
    small = {"int": st.integers(int(p.low or 0), 4), "bool": st.booleans(), "choice": st.sampled_from(p.choices)}
    return small.get(p.kind, st.sampled_from([0.0, 0.1]))


@each_block
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_a_block_runs_and_its_gradient_reaches_every_parameter(block: BlockSpec, data: st.DataObject) -> None:
    p = {param.name: data.draw(drawn(param), param.name) for param in block.params}
    if "features" in p:
        p["features"] *= p["num_heads"]
    if "dim_feedforward" in p:
        p["dim_feedforward"] += 4  # so that no ReLU leaves all of its few units dead
    if "depth" in p:
        p["depth"] = min(p["depth"], 3)
    graph = on(block.node("b", **p), *inputs_of(block, p))
    inference = infer(graph)
    assert inference.errors == ()
    net = compile_graph(graph, seed=0)
    out = net(*(batch(x, 4, i) for i, x in enumerate(inference.inputs.values())))
    (spec,) = inference.outputs.values()
    assert tuple(out.shape[1:]) == spec.shape
    (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    assert [n for n, w in net.named_parameters() if w.grad is None] == []


@each_block
def test_every_setting_changes_the_block(block: BlockSpec) -> None:
    plain = block.graph()
    other = {p.name: block.graph(**{p.name: changed(p)}) for p in block.params}
    assert [name for name, graph in other.items() if graph == plain] == []


def changed(p: Param) -> Any:
    if p.kind == "bool":
        return not p.default
    if p.kind == "choice":
        return next(c for c in p.choices if c != p.default)
    return p.default * 2 if p.default else 0.5


SIZES = [tensor((8, 6, 6)), tensor((7, 12)), tensor((5, 9)), tensor((3,))]


@each_block
def test_a_block_that_is_suited_to_what_stands_before_it_fits(block: BlockSpec) -> None:
    ports = sum(n.type == "Input" for n in block.graph().nodes)
    fitting = []
    for x in SIZES:
        graph = on(block.node("b", **block.suit(x)), *[x] * ports)
        fitting += [x.shape] if infer(graph).errors == () else []
    images, sequences = [(8, 6, 6)], [(7, 12), (5, 9)]
    assert fitting == (sequences if "features" in {p.name for p in block.params} else images)


@each_block
def test_layers_do_not_overlap_inside(block: BlockSpec) -> None:
    places = [n.position for n in block.graph().nodes]
    assert len(set(places)) == len(places)


# ---- weights, against published figures


def test_basic_blocks_make_the_resnet_18_and_34_of_torchvision() -> None:
    """11,689,512 and 21,797,672 parameters (torchvision, documentation of resnet18 and resnet34)."""
    for depths, total in (((2, 2, 2, 2), 11_689_512), ((3, 4, 6, 3), 21_797_672)):
        stages = sum(
            weights("residual", (c_in, 8, 8), in_channels=c_in, channels=c, stride=s)
            + (n - 1) * weights("residual", (c, 8, 8), in_channels=c, channels=c)
            for n, c_in, c, s in zip(depths, (64, 64, 128, 256), (64, 128, 256, 512), (1, 2, 2, 2), strict=True)
        )
        assert stages + 3 * 64 * 49 + 2 * 64 + 512 * 1000 + 1000 == total


def test_bottlenecks_make_the_resnet_50_of_torchvision() -> None:
    """25,557,032 parameters (torchvision, documentation of resnet50)."""
    stages = sum(
        weights("bottleneck", (c_in, 8, 8), in_channels=c_in, width=w, stride=s)
        + (n - 1) * weights("bottleneck", (4 * w, 8, 8), in_channels=4 * w, width=w)
        for n, c_in, w, s in zip((3, 4, 6, 3), (64, 256, 512, 1024), (64, 128, 256, 512), (1, 2, 2, 2), strict=True)
    )
    assert stages + 3 * 64 * 49 + 2 * 64 + 2048 * 1000 + 1000 == 25_557_032


def test_inverted_residuals_make_the_mobilenet_v2_of_torchvision() -> None:
    """3,504,872 parameters (torchvision, documentation of mobilenet_v2); the rows are table 2 of the paper."""
    rows = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    total, c_in = 3 * 32 * 9 + 2 * 32, 32
    for expansion, channels, repeats, stride in rows:
        for s in (stride, *[1] * (repeats - 1)):
            settings_ = {"in_channels": c_in, "channels": channels, "stride": s, "expansion": expansion}
            total += weights("inverted_residual", (c_in, 8, 8), **settings_)
            c_in = channels
    assert total + 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000 == 3_504_872


def test_squeeze_and_excitation_adds_to_resnet_50_what_the_paper_says() -> None:
    """About 2.5 million parameters, 2/r·Σ N·C² without biases (Hu, Shen & Sun 2018, section 4)."""
    stages = ((3, 256), (4, 512), (6, 1024), (3, 2048))
    total = sum(n * weights("squeeze_excitation", (c, 4, 4), in_channels=c, reduction=16) for n, c in stages)
    biases = sum(n * (c + c // 16) for n, c in stages)
    assert total - biases == 2_514_944


def test_inception_3a_has_the_weights_of_the_paper() -> None:
    """159 K in table 1 of Szegedy et al. (2015), which counts in steps of 1,024 and without the biases."""
    filters = dict(zip([p.name for p in BY_NAME["inception"].params], (64, 96, 128, 16, 32, 32), strict=True))
    total = weights("inception", (192, 28, 28), **filters)
    assert total - sum(filters.values()) == 163_328
    assert 163_328 // 1024 == 159


def test_dense_layers_make_the_densenet_121_of_torchvision() -> None:
    """7,978,856 parameters (torchvision, documentation of densenet121)."""
    total, channels = 3 * 64 * 49 + 2 * 64, 64
    for n in (6, 12, 24, 16):
        total += sum(weights("dense", (channels + 32 * i, 8, 8), growth=32) for i in range(n))
        channels += 32 * n
        if n != 16:  # the transition: batch norm and a 1 × 1 convolution that halves the channels
            total += 2 * channels + channels * channels // 2
            channels //= 2
    assert total + 2 * channels + channels * 1000 + 1000 == 7_978_856


def test_levels_make_the_unet_that_people_use() -> None:
    """31,037,698 parameters (milesial/Pytorch-UNet with transposed convolutions, 3 channels in, 2 classes)."""
    assert weights("unet_level", (3, 32, 32), channels=64, depth=4) + 64 * 2 + 2 == 31_037_698


@pytest.mark.parametrize("name", ["residual", "inverted_residual", "dense", "transformer_encoder"])
def test_a_repeated_block_has_weights_of_its_own_each_time(name: str) -> None:
    block, x = BY_NAME[name], tensor((5, 8)) if name.startswith("transformer") else tensor((8, 6, 6))
    once, thrice = (infer(on(block.node("b", repeat=n, **block.suit(x)), x)) for n in (1, 3))
    assert thrice.errors == ()
    assert thrice.params == 3 * once.params or name == "dense", "a dense layer sees more channels each time"
    assert thrice.params > 2 * once.params


# ---- the transformer, against torch's own layers

INSIDE = {"self_attn": "multiheadattention_1", "multihead_attn": "multiheadattention_2"}


def renamed(key: str) -> str:
    """A weight of torch's layer, as the block names it."""
    layer, _, rest = key.partition(".")
    if layer in INSIDE:
        return f"b.{INSIDE[layer]}.{rest}"
    kind, place = re.fullmatch(r"(norm|linear)(\d)", layer).groups()  # type: ignore[union-attr]
    return f"b.{'layernorm' if kind == 'norm' else 'linear'}_{place}.{rest}"


@pytest.mark.parametrize("name", ["transformer_encoder", "transformer_decoder"])
@pytest.mark.parametrize("norm_first", [False, True])
def test_a_transformer_block_computes_what_the_layer_of_torch_does(name: str, norm_first: bool) -> None:
    block, is_decoder = BY_NAME[name], name.endswith("decoder")
    p = {"features": 8, "num_heads": 2, "dim_feedforward": 20, "norm_first": norm_first, "activation": "gelu"}
    node = block.node("b", **p, causal=True)
    inputs = [tensor((5, 8)), tensor((6, 8))][: 1 + is_decoder]
    net = compile_graph(on(node, *inputs), seed=0).eval()
    kind = nn.TransformerDecoderLayer if is_decoder else nn.TransformerEncoderLayer
    layer = kind(8, 2, 20, 0.1, "gelu", norm_first=norm_first, batch_first=True).eval()
    torch.manual_seed(3)
    state = {renamed(key): torch.randn_like(w) for key, w in layer.state_dict().items()}
    net.load_state_dict(state)
    layer.load_state_dict({key: state[renamed(key)] for key in layer.state_dict()})
    xs = [batch(x, 3, i) for i, x in enumerate(inputs)]
    mask = torch.ones(5, 5, dtype=torch.bool).triu(1)
    expected = layer(*xs, tgt_mask=mask) if is_decoder else layer(*xs, src_mask=mask)
    assert torch.allclose(net(*xs), expected, atol=1e-5)


def test_a_causal_block_does_not_look_ahead_and_another_does() -> None:
    x = batch(tensor((6, 8)), 1)
    later = x.clone()
    later[:, 3:] = batch(tensor((6, 8)), 1, seed=9)[:, 3:]
    changes = []
    for causal in (True, False):
        node = BY_NAME["transformer_encoder"].node("b", features=8, num_heads=2, causal=causal)
        net = compile_graph(on(node, tensor((6, 8))), seed=0).eval()
        changes.append((net(x) - net(later))[0, :3].abs().max().item())
    assert changes[0] < 1e-6 < 1e-3 < changes[1]


def test_a_block_adds_the_shortcut_as_it_is_where_nothing_changes() -> None:
    """With a last batch norm of zero a residual block passes on what came in, behind its ReLU."""
    net = compile_graph(on(BY_NAME["residual"].node("b", in_channels=4, channels=4), tensor((4, 6, 6))), seed=0).eval()
    last = net.get_submodule("b.batchnorm2d_2")
    nn.init.zeros_(last.weight)  # type: ignore[arg-type]
    x = batch(tensor((4, 6, 6)))
    assert torch.equal(net(x), x.relu())


def test_ports_stand_in_drawing_order() -> None:
    decoder = BY_NAME["transformer_decoder"].graph()
    assert [n.label for n in decoder.nodes if n.type == "Input"] == ["target", "memory"]
