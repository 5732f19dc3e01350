"""Contracts over every layer: what its LayerSpec declares is what torch does."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import builder.catalog
from builder.catalog import BY_TYPE, CATALOG, GROUPS
from builder.catalog.initialisation import SCHEMES
from builder.compile import compile_graph
from builder.diagnostic import Diagnostic
from builder.document import dumps, loads
from builder.infer import infer
from builder.spec import Inputs, LayerSpec, Param
from tests.builder.drawings import values
from tests.builder.layers import LAYERS, alone, batch, inputs_for, tensor

each_layer = pytest.mark.parametrize("spec", LAYERS, ids=lambda s: s.type)


def test_every_family_is_listed() -> None:
    modules = [
        importlib.import_module(f"builder.catalog.{m.name}") for m in pkgutil.iter_modules(builder.catalog.__path__)
    ]
    listed = {spec.type for m in modules for spec in getattr(m, "LAYERS", ())}
    assert listed == set(BY_TYPE) - {"Block"} == {spec.type for spec in CATALOG}
    assert len(CATALOG) == 85
    assert GROUPS[0] == "Data"
    assert GROUPS[-2:] == ("Merge", "Blocks")


@pytest.mark.parametrize("spec", CATALOG, ids=lambda s: s.type)
def test_every_layer_explains_itself(spec: LayerSpec) -> None:
    assert len(spec.help) > 40
    assert spec.help.endswith(".")
    assert spec.formula
    assert re.search(r"\b(19|20)\d\d\b", spec.source)
    assert spec.summary.format(**spec.complete({})) is not None
    assert [p.name for p in spec.params if not (p.help or p.label)] == []


@pytest.mark.parametrize("spec", CATALOG, ids=lambda s: s.type)
def test_defaults_are_in_range_and_accepted(spec: LayerSpec) -> None:
    assert [p.check(p.default) for p in spec.params] == [None] * len(spec.params)
    if spec in LAYERS:
        assert infer(alone(spec, inputs_for(spec))).errors == ()


@each_layer
def test_declared_weights_and_shape_are_those_of_torch(spec: LayerSpec) -> None:
    inputs = inputs_for(spec)
    graph = alone(spec, inputs)
    info, net = infer(graph).nodes["layer"], compile_graph(graph, seed=0)
    real = {name.removeprefix("layer."): tuple(p.shape) for name, p in net.named_parameters()}
    assert real == info.weights
    assert info.params == sum(p.numel() for p in net.parameters())
    assert info.output is not None
    out = net(*(batch(x) for x in inputs))
    assert tuple(out.shape) == (2, *info.output.shape)
    assert str(out.dtype) == f"torch.{info.output.dtype}"
    assert len(info.output.axes) == len(info.output.shape)
    assert info.flops >= 0


@each_layer
def test_the_gradient_reaches_every_parameter(spec: LayerSpec) -> None:
    inputs = inputs_for(spec)
    net = compile_graph(alone(spec, inputs), seed=0)
    out = net(*(batch(x) for x in inputs))
    if not list(net.parameters()):
        return
    (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


# The weights' start and owner, and what the engine makes of an Input or Output.
ELSEWHERE = ("init", "share", "field", "target", "loss", "weight")


@each_layer
def test_every_parameter_changes_what_is_built_or_computed(spec: LayerSpec) -> None:
    base = {"num_layers": 2} if spec.group == "Recurrent" else {}
    own = [p for p in spec.params if p.name not in ELSEWHERE]
    seen = {p.name: {_built(spec, base | {p.name: v}) for v in _candidates(p)} for p in own}
    assert [name for name, built in seen.items() if len(built) < 2] == []


def _candidates(p: Param) -> list[Any]:
    whole = [1, 2, 3, -1]
    kinds = {"bool": [False, True], "choice": list(p.choices), "float": [p.default, 0.5, 0.3], "int": whole}
    return [p.default, *kinds.get(p.kind, [(-1, 2), (-1, 4), (1, 2)])]


def _built(spec: LayerSpec, params: dict[str, Any]) -> str:
    complete = spec.complete(params)
    inputs = inputs_for(spec)
    out = spec.infer(complete, inputs)
    if isinstance(out, Diagnostic):
        return "refused"
    return repr((out.shape, spec.module and spec.module(complete, inputs), spec.forward(complete, inputs)))


@each_layer
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_a_document_keeps_every_parameter(spec: LayerSpec, data: st.DataObject) -> None:
    params = {p.name: data.draw(values(p)) for p in spec.params}
    graph = alone(spec, inputs_for(spec), **params)
    assert loads(dumps(graph)) == graph


def saved(spec: LayerSpec, inputs: Inputs, n: int = 4) -> float:
    """Values per example that torch keeps for the backward pass, besides weights, inputs and output."""
    net = compile_graph(alone(spec, inputs), seed=0)
    tensors = [batch(x, n) for x in inputs]
    seen: dict[int, int] = {}

    def pack(t: torch.Tensor) -> torch.Tensor:
        seen[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        out = net(*(t.requires_grad_() if t.is_floating_point() else t for t in tensors))
    for t in (*tensors, *net.parameters(), *net.buffers(), out):
        seen.pop(t.untyped_storage().data_ptr(), None)
    return sum(seen.values()) / 4 / n


@each_layer
def test_what_a_layer_keeps_for_the_backward_pass_is_declared_within_a_factor_of_two(spec: LayerSpec) -> None:
    inputs = (tensor((64, 32)),) * len(spec.ports) if spec.group in ("Attention", "Recurrent") else inputs_for(spec)
    info = infer(alone(spec, inputs)).nodes["layer"]
    assert info.output
    assert saved(spec, inputs) <= 2 * (info.inner + info.output.numel) + 2 * inputs[0].shape[0]


def test_every_weighted_layer_offers_every_scheme() -> None:
    weighted = [s for s in LAYERS if s.group in ("Dense", "Convolution", "Recurrent")]
    offered = {next(p.choices for p in s.params if p.name == "init") for s in weighted}
    assert offered == {("pytorch", *SCHEMES)}
