"""Mean-field theory against its closed forms, torch's own activations and schemes, and real wide networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from builder.catalog import BY_TYPE
from builder.catalog.initialisation import INIT
from builder.compile import compile_graph
from builder.infer import infer
from engine.meanfield import ACTIVATIONS, Stage, bias_variance, gradient_norms, moments, slope, weight_variance
from engine.network import Network
from engine.stack import stack
from tests.engine.drawn import chain, make

KNOWN = [name for name in ACTIVATIONS if name in BY_TYPE]


def deep(activation: str, init: str, depth: int = 8, width: int = 200, p: float = 0.0):
    block = [("Linear", {"out_features": width, "init": init}), (activation, {})]
    block += [("Dropout", {"p": p})] if p else []
    last = [("Linear", {"out_features": 10, "init": init}), ("Output", {})]
    return chain(("Input", {"shape": (1, 8, 8)}), ("Flatten", {}), *block * depth, *last)


def stages_of(graph):
    found = stack(infer(graph), Network(graph).order)
    assert isinstance(found, list), found
    return found


@pytest.mark.parametrize("name", KNOWN)
def test_an_activation_is_the_one_that_torch_computes(name: str) -> None:
    graph = chain(("Input", {"shape": (241,)}), (name, {}), ("Output", {}))
    x = np.linspace(-12, 12, 241)
    params = BY_TYPE[name].complete({})
    theirs = compile_graph(graph)(torch.from_numpy(x)[None].float())[0].detach().numpy()
    np.testing.assert_allclose(ACTIVATIONS[name](x, params), theirs, atol=2e-6)


@pytest.mark.parametrize("q", [1e-8, 0.3, 1.0, 50.0, 1e10])
def test_the_moments_of_a_relu_are_half_of_those_of_the_line(q: float) -> None:
    assert moments("ReLU", (), q) == pytest.approx((q / 2, 0.5), rel=1e-6)
    assert moments("Identity", (), q) == pytest.approx((q, 1.0), rel=1e-6)


@settings(max_examples=15)
@given(name=some.sampled_from(["Tanh", "Sigmoid", "SELU", "GELU", "Hardtanh"]), q=some.floats(0.01, 100.0))
def test_the_moments_are_those_of_a_great_many_draws(name: str, q: float) -> None:
    params = BY_TYPE[name].complete({})
    x = math.sqrt(q) * np.random.default_rng(0).standard_normal(200_000)
    phi = ACTIVATIONS[name]
    slopes = (phi(x + 1e-5, params) - phi(x - 1e-5, params)) / 2e-5
    drawn = float(np.mean(phi(x, params) ** 2)), float(np.mean(slopes**2))
    assert moments(name, tuple(params.items()), q) == pytest.approx(drawn, rel=0.03)


@pytest.mark.parametrize("init", [i for i in INIT.choices if i != "zeros"])
@pytest.mark.parametrize("layer", [("Linear", {"out_features": 200}), ("Conv2d", {"out_channels": 60})], ids=str)
def test_the_variance_of_a_scheme_is_that_of_the_weights_it_fills(layer, init: str) -> None:
    shape = (30, 9, 9) if layer[0] == "Conv2d" else (300,)
    graph = chain(("Input", {"shape": shape}), (layer[0], {**layer[1], "init": init}), ("Output", {}))
    module = next(compile_graph(graph, seed=0).children())
    assert float(module.weight.detach().var()) == pytest.approx(
        weight_variance(init, tuple(module.weight.shape)), rel=0.05
    )
    assert float(module.bias.detach().var()) == pytest.approx(bias_variance(init, tuple(module.weight.shape)), rel=0.5)


def test_a_scheme_without_a_variance_would_be_noticed() -> None:
    assert all(weight_variance(init, (3, 4)) >= 0 for init in INIT.choices)


def test_kaiming_keeps_a_relu_net_level_and_a_sigmoid_loses_at_least_three_quarters() -> None:
    """He et al. (2015): χ = 1. A sigmoid's slope is at most 1/4, so with variance 1/fan_in at most 1/4 gets through."""
    shape = (100, 100)
    relu = [Stage("", shape, weight_variance("kaiming_normal", shape), 0.0, False, "ReLU")] * 20
    sigmoid = [Stage("", shape, weight_variance("xavier_normal", shape), 0.0, False, "Sigmoid")] * 20
    assert slope(gradient_norms(relu)[1:]) == pytest.approx(1, rel=1e-3)
    assert slope(gradient_norms(sigmoid)[2:-1]) > 4


@pytest.mark.parametrize("activation", ["Sigmoid", "Tanh", "ReLU", "GELU", "SELU"])
@pytest.mark.parametrize("init", ["pytorch", "xavier_normal", "kaiming_normal", "orthogonal"])
def test_theory_foretells_the_slope_of_a_real_wide_network(activation: str, init: str) -> None:
    graph = deep(activation, init)
    training = make(graph, "digits", watch=False)
    training.backward()
    measured = slope(training.flat.norms(training.flat.gradient))
    assert slope(gradient_norms(stages_of(graph))) == pytest.approx(measured, rel=0.12)


def test_dropout_counts_and_so_does_a_convolution() -> None:
    assert [s.keep for s in stages_of(deep("ReLU", "pytorch", depth=2, p=0.2))] == [0.8, 0.8, 1.0]
    conv = ("Conv2d", {"out_channels": 6, "kernel_size": 3, "init": "kaiming_normal"})
    net = chain(("Input", {"shape": (2, 9, 9)}), conv, ("ReLU", {}), ("Flatten", {}), ("Linear", {}), ("Output", {}))
    first, second = stages_of(net)
    assert (first.fan_in, first.weight_variance, first.activation) == (18, pytest.approx(2 / 18), "ReLU")
    assert (second.fan_in, second.activation) == (6 * 7 * 7, "Identity")


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([("Linear", {}), ("BatchNorm1d", {}), ("ReLU", {}), ("Linear", {})], "batchnorm1d_1 is none of them"),
        ([("Linear", {}), ("ReLU", {}), ("Tanh", {}), ("Linear", {})], "tanh_1 is none of them"),
        ([("Tanh", {}), ("Linear", {})], "tanh_1 is none of them"),
    ],
)
def test_what_theory_does_not_speak_of_is_named(layers, reason: str) -> None:
    graph = chain(("Input", {"shape": (4,)}), *layers, ("Output", {}))
    assert stack(infer(graph), Network(graph).order) == reason


def test_the_slope_is_the_factor_from_layer_to_layer() -> None:
    assert slope([1.0, 3.0, 9.0, 27.0]) == pytest.approx(3)
    assert slope([8.0, 0.0, 2.0]) == pytest.approx(0.5)
    assert slope([]) == slope([0.0, 1.0]) == 1.0
