"""Each scheme gives the spread that its equation promises."""

from __future__ import annotations

import math

import pytest
import torch

from builder.catalog import CATALOG
from builder.catalog.initialisation import SCHEMES
from builder.compile import compile_graph
from builder.spec import LayerSpec
from tests.builder.drawings import chain
from tests.builder.layers import alone, inputs_for

FAN_IN, FAN_OUT = 300, 200
STD = {
    "xavier_uniform": math.sqrt(2 / (FAN_IN + FAN_OUT)),  # Glorot & Bengio 2010, equation 16
    "xavier_normal": math.sqrt(2 / (FAN_IN + FAN_OUT)),
    "kaiming_uniform": math.sqrt(2 / FAN_IN),  # He et al. 2015, equation 10
    "kaiming_normal": math.sqrt(2 / FAN_IN),
    "lecun_normal": 1 / math.sqrt(FAN_IN),  # LeCun et al. 1998, equation 16
    "orthogonal": 1 / math.sqrt(FAN_IN),  # rows of length 1
    "normal_small": 0.01,
    "normal_large": 1.0,
    "zeros": 0.0,
}
UNIFORM = {"xavier_uniform", "kaiming_uniform"}


def weight_of(scheme: str, seed: int = 0) -> dict[str, torch.Tensor]:
    graph = chain("Input", "Linear", "Output", a={"shape": (FAN_IN,)}, b={"out_features": FAN_OUT, "init": scheme})
    return compile_graph(graph, seed).state_dict()


def test_every_scheme_is_tested() -> None:
    assert set(STD) == set(SCHEMES)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_scheme_gives_weights_of_its_spread_and_biases_of_zero(scheme: str) -> None:
    state = weight_of(scheme)
    weight = state["b.weight"]
    assert weight.std().item() == pytest.approx(STD[scheme], rel=0.02)
    assert weight.mean().abs().item() <= 0.02 * STD[scheme]
    assert not state["b.bias"].any()
    if scheme in UNIFORM:
        assert weight.abs().max().item() == pytest.approx(math.sqrt(3) * STD[scheme], rel=0.001)


def test_orthogonal_rows_are_orthonormal() -> None:
    weight = weight_of("orthogonal")["b.weight"]
    assert torch.allclose(weight @ weight.T, torch.eye(FAN_OUT), atol=1e-5)


def test_pytorch_leaves_what_torch_chose() -> None:
    state = weight_of("pytorch")
    torch.manual_seed(0)
    plain = torch.nn.Linear(FAN_IN, FAN_OUT)
    assert torch.equal(state["b.weight"], plain.weight)
    assert torch.equal(state["b.bias"], plain.bias)


OFFERING = [s for s in CATALOG if "init" in {p.name for p in s.params}]


@pytest.mark.parametrize("spec", OFFERING, ids=lambda s: s.type)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_layer_that_offers_a_scheme_takes_every_scheme(spec: LayerSpec, scheme: str) -> None:
    net = compile_graph(alone(spec, inputs_for(spec), init=scheme), seed=0)
    filled = [p for p in net.parameters() if p.dim() > 1]
    assert all(bool(p.any()) == (scheme != "zeros") for p in filled)
    assert not any(p.any() for name, p in net.named_parameters() if "bias" in name)
    scales = [p for name, p in net.named_parameters() if p.dim() == 1 and "bias" not in name]
    assert all(bool((p == 1).all()) for p in scales), "a norm that starts at zero would pass nothing on"
