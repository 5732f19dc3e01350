"""What layers compute, against slow and obvious references."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from builder.catalog import BY_TYPE
from builder.compile import compile_graph, seeded
from builder.document import dumps, loads
from builder.infer import infer
from builder.modules import causal_mask
from tests.builder.drawings import draw
from tests.builder.layers import alone, batch, inputs_for, tensor

FLOPS: list[tuple[str, dict[str, Any], tuple[int, ...], int]] = [
    ("Linear", {"out_features": 3}, (5,), 2 * 3 * 5),
    ("Conv2d", {"out_channels": 6, "kernel_size": 5, "same_padding": True}, (1, 28, 28), 2 * 6 * 25 * 28 * 28),
    ("Conv1d", {"out_channels": 4, "kernel_size": 3, "groups": 2}, (2, 10), 2 * 4 * 3 * 8),
    ("LSTM", {"hidden_size": 7}, (10, 3), 10 * 4 * 2 * (3 * 7 + 7 * 7)),
    ("MaxPool2d", {}, (3, 8, 8), 3 * 4 * 4 * 4),
    ("Conv2d", {"out_channels": 6, "kernel_size": (1, 3)}, (2, 8, 8), 2 * 6 * 2 * 3 * 8 * 6),
    ("Conv3d", {"out_channels": 5, "kernel_size": 2}, (3, 4, 4, 4), 2 * 5 * 3 * 8 * 27),
    ("ConvTranspose2d", {"out_channels": 5, "kernel_size": 2}, (3, 4, 4), 2 * 3 * 16 * 5 * 4),
    ("TransformerEncoderLayer", {"dim_feedforward": 32}, (6, 8), 6 * 2 * (4 * 8 * 8 + 2 * 8 * 32) + 2 * 2 * 6 * 6 * 8),
    ("Flatten", {}, (3, 8, 8), 0),
]


@pytest.mark.parametrize(("type_", "params", "shape", "flops"), FLOPS)
def test_a_multiply_add_counts_two(type_: str, params: dict[str, Any], shape: tuple[int, ...], flops: int) -> None:
    assert infer(alone(BY_TYPE[type_], (tensor(shape),), **params)).nodes["layer"].flops == flops


def slow_last(net: Any, x: torch.Tensor) -> torch.Tensor:
    """Forwards: the memory after the last step; backwards: of the reversed sequence, after its last step."""
    both = net(x)[0]
    half = both.shape[2] // 2
    return torch.cat([both[:, -1, :half], both[:, 0, half:]], dim=1)


@pytest.mark.parametrize("type_", ["RNN", "LSTM", "GRU"])
def test_last_of_both_directions_joins_both_final_memories(type_: str) -> None:
    graph = alone(BY_TYPE[type_], (tensor((5, 3)),), bidirectional=True, num_layers=2, hidden_size=4)
    net, x = compile_graph(graph, seed=0), batch(tensor((5, 3)))
    assert torch.equal(net(x), slow_last(net.get_submodule("layer"), x))


SIDES = ["Conv2d", "Conv3d", "ConvTranspose2d", "MaxPool2d", "AvgPool2d", "AdaptiveMaxPool2d", "ZeroPad2d"]


@pytest.mark.parametrize("type_", SIDES)
def test_one_number_for_all_axes_or_one_for_each(type_: str) -> None:
    spec = BY_TYPE[type_]
    param = next(p for p in spec.params if p.axes > 1)
    low = int(param.low or 0)
    each = tuple(range(low + 1, low + 1 + param.axes))
    graphs = [alone(spec, inputs_for(spec), **{param.name: value}) for value in (each, 2, (2,) * param.axes)]
    (different, one, alike) = (infer(graph).nodes["layer"].output for graph in graphs)
    assert one == alike != different
    assert different
    inputs = [batch(x) for x in inputs_for(spec)]
    assert tuple(compile_graph(graphs[0])(*inputs).shape[1:]) == different.shape
    assert loads(dumps(graphs[2])) == graphs[1], "what is alike is kept as one number"


def attend(x: torch.Tensor, net: Any, heads: int, causal: bool) -> torch.Tensor:
    """Self-attention of one example x (time, feature), step by step and head by head (Vaswani et al. 2017, 3.2)."""
    time, features = x.shape
    width = features // heads
    q, k, v = (x @ w.T + b for w, b in zip(net.in_proj_weight.chunk(3), net.in_proj_bias.chunk(3), strict=True))
    rows = []
    for t in range(time):
        seen = t + 1 if causal else time
        parts = []
        for h in range(heads):
            at = slice(h * width, (h + 1) * width)
            looks = torch.softmax(k[:seen, at] @ q[t, at] / width**0.5, dim=0)
            parts.append(looks @ v[:seen, at])
        rows.append(torch.cat(parts))
    return torch.stack(rows) @ net.out_proj.weight.T + net.out_proj.bias


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_that_of_the_paper(causal: bool) -> None:
    x = tensor((5, 8))
    net = compile_graph(alone(BY_TYPE["MultiheadAttention"], (x, x, x), num_heads=2, causal=causal), seed=0)
    layer, value = net.get_submodule("layer"), batch(x, 1)
    assert torch.allclose(net(value, value, value)[0], attend(value[0], layer, 2, causal), atol=1e-6)
    mask = {"attn_mask": causal_mask(value)} if causal else {}
    _, looks = layer(value, value, value, need_weights=True, average_attn_weights=False, **mask)
    assert looks.shape == (1, 2, 5, 5), "(example, head, query, key): whoever draws the looks asks the module itself"
    assert torch.allclose(looks.sum(dim=3), torch.ones(1, 2, 5), atol=1e-6)
    assert bool(looks.triu(1).any()) != causal


@pytest.mark.parametrize("type_", ["TransformerEncoderLayer", "TransformerDecoderLayer"])
@pytest.mark.parametrize("norm_first", [False, True])
def test_a_causal_layer_does_not_look_ahead_and_another_does(type_: str, norm_first: bool) -> None:
    x = tensor((6, 8))
    changes = []
    for causal in (True, False):
        spec = BY_TYPE[type_]
        inputs = (x,) * len(spec.ports)
        net = compile_graph(alone(spec, inputs, causal=causal, norm_first=norm_first), seed=0).eval()
        first, *rest = (batch(i, 1, port) for port, i in enumerate(inputs))
        later = first.clone()
        later[:, 3:] = batch(x, 1, seed=9)[:, 3:]
        changes.append((net(first, *rest) - net(later, *rest))[0, :3].abs().max().item())
    assert changes[0] < 1e-6 < 1e-3 < changes[1]


def test_sinusoidal_positions_are_those_of_the_paper() -> None:
    net = compile_graph(alone(BY_TYPE["SinusoidalPositions"], (tensor((7, 5)),)))
    got = net(torch.zeros(1, 7, 5))[0]
    for t in range(7):
        for i in range(5):
            wave = math.cos if i % 2 else math.sin
            assert got[t, i].item() == pytest.approx(wave(t / 10_000 ** (2 * (i // 2) / 5)), abs=1e-6)
    assert not net.state_dict()


def test_what_disturbs_the_training_is_silent_in_evaluation_and_right_on_average() -> None:
    x = torch.full((20_000, 2), 3.0)
    for type_, params in (("StochasticDepth", {"p": 0.3}), ("GaussianNoise", {"sigma": 0.5})):
        net = compile_graph(alone(BY_TYPE[type_], (tensor((2,)),), **params))
        with seeded(0):
            noisy = net(x)
        assert torch.equal(net.eval()(x), x)
        assert noisy.mean().item() == pytest.approx(3, abs=0.05)
        if type_ == "StochasticDepth":
            assert torch.equal(noisy[:, 0], noisy[:, 1]), "an example is dropped as a whole"
            assert (noisy[:, 0] == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
        else:
            assert noisy.std().item() == pytest.approx(0.5, rel=0.05)


def test_gaussian_sampling_draws_as_wide_as_asked_and_gives_the_mean_in_evaluation() -> None:
    x = tensor((1,))
    net = compile_graph(alone(BY_TYPE["GaussianSampling"], (x, x)))
    mean, log_variance = torch.full((20_000, 1), 2.0), torch.full((20_000, 1), math.log(0.25))
    with seeded(0):
        drawn = net(mean, log_variance)
    assert (drawn.mean().item(), drawn.std().item()) == (pytest.approx(2, abs=0.02), pytest.approx(0.5, rel=0.05))
    assert torch.equal(net.eval()(mean, log_variance), mean)


ARITHMETIC = {
    "Subtract": [-2.0, 2.0],
    "Multiply": [3.0, 15.0],
    "Average": [2.0, 4.0],
    "Maximum": [3.0, 5.0],
    "Add": [4.0, 8.0],
}


@pytest.mark.parametrize("type_", ARITHMETIC)
def test_merges_compute_what_they_are_called(type_: str) -> None:
    net = compile_graph(alone(BY_TYPE[type_], (tensor((2,)),) * 2))
    assert net(torch.tensor([[1.0, 5.0]]), torch.tensor([[3.0, 3.0]])).tolist() == [ARITHMETIC[type_]]


def test_a_gate_of_one_value_per_channel_counts_for_all_places() -> None:
    graph = alone(BY_TYPE["Multiply"], (tensor((3, 4, 4)), tensor((3, 1, 1))))
    x, gate = batch(tensor((3, 4, 4))), batch(tensor((3, 1, 1)))
    assert torch.equal(compile_graph(graph)(x, gate), x * gate)


@pytest.mark.parametrize("order", ["x>c:0 y>c:1", "y>c:0 x>c:1"])
def test_concat_keeps_the_order_of_its_ports(order: str) -> None:
    graph = draw("x:Input y:Input c:Concat o:Output", f"{order} c>o", x={"shape": (2,)}, y={"shape": (3,)})
    out = compile_graph(graph)(torch.zeros(1, 2), torch.ones(1, 3))
    assert out.tolist() == [[0, 0, 1, 1, 1] if order.startswith("x") else [1, 1, 1, 0, 0]]
