"""Contracts over every layer: what its LayerSpec declares is what torch does."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import builder.catalog
from builder.catalog import BY_TYPE, CATALOG, GROUPS
from builder.catalog.initialisation import SCHEMES
from builder.compile import bind, build, compile_graph
from builder.diagnostic import Diagnostic
from builder.document import dumps, loads
from builder.edit import apply
from builder.infer import infer
from builder.spec import Inputs, LayerSpec, Param
from tests.builder.drawings import chain, draw, values
from tests.builder.golden import golden
from tests.builder.layers import LAYERS, alone, batch, inputs_for, tensor

WINDOWS = [BY_TYPE[t] for t in ("Conv1d", "Conv2d", "MaxPool1d", "MaxPool2d", "AvgPool2d")]
OTHERS = [spec for spec in LAYERS if spec not in WINDOWS]
# torch reads an input with this many axes as one example without a batch axis; we always send a batch.
UNBATCHED = {"Conv1d": 1, "MaxPool1d": 1, "Conv2d": 2, "MaxPool2d": 2, "AvgPool2d": 2, "AdaptiveAvgPool2d": 2}
each_layer = pytest.mark.parametrize("spec", LAYERS, ids=lambda s: s.type)


def test_every_family_is_listed() -> None:
    modules = [
        importlib.import_module(f"builder.catalog.{m.name}") for m in pkgutil.iter_modules(builder.catalog.__path__)
    ]
    listed = {spec.type for m in modules for spec in getattr(m, "LAYERS", ())}
    assert listed == set(BY_TYPE)
    assert len(CATALOG) == len(BY_TYPE) == 30
    assert GROUPS[0] == "Data"
    assert GROUPS[-1] == "Merge"


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


@each_layer
def test_every_parameter_changes_what_is_built_or_computed(spec: LayerSpec) -> None:
    base = {"num_layers": 2} if spec.group == "Recurrent" else {}
    seen = {p.name: {_built(spec, base | {p.name: v}) for v in _candidates(p)} for p in spec.params if p.name != "init"}
    assert [name for name, built in seen.items() if len(built) < 2] == []


def _candidates(p: Param) -> list[Any]:
    whole = [1, 2, 3, -1]
    kinds = {"bool": [False, True], "choice": list(p.choices), "float": [p.default, 0.5, 0.3], "int": whole}
    return [p.default, *kinds.get(p.kind, [(-1, 2), (-1, 4)])]


def _built(spec: LayerSpec, params: dict[str, Any]) -> str:
    complete = spec.complete(params)
    inputs = inputs_for(spec)
    out = spec.infer(complete, inputs)
    if isinstance(out, Diagnostic):
        return out.text
    return repr((out.shape, spec.module and spec.module(complete, inputs), spec.forward(complete, inputs)))


@each_layer
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_a_document_keeps_every_parameter(spec: LayerSpec, data: st.DataObject) -> None:
    params = {p.name: data.draw(values(p)) for p in spec.params}
    graph = alone(spec, inputs_for(spec), **params)
    assert loads(dumps(graph)) == graph


@st.composite
def settings_of(draw_: st.DrawFn, spec: LayerSpec) -> dict[str, Any]:
    small = {"float": st.sampled_from([0.0, 0.1]), "bool": st.booleans()}
    return {p.name: draw_(small.get(p.kind, values(p))) for p in spec.params if p.name not in ("init", "eps", "alpha")}


@st.composite
def inputs_of(draw_: st.DrawFn, spec: LayerSpec) -> Inputs:
    shape = draw_(st.lists(st.integers(1, 12), min_size=1, max_size=4).map(tuple))
    if not spec.variadic:
        return (tensor(shape, "int64" if spec.type == "Embedding" else "float32"),)
    places = st.integers(0, len(shape) - 1)
    one = st.builds(lambda i, n: (*shape[:i], n, *shape[i + 1 :]), places, st.integers(1, 3))
    return tuple(tensor(s) for s in draw_(st.lists(one | st.just(shape), min_size=2, max_size=3)))


def of_torch(spec: LayerSpec, params: dict[str, Any], inputs: Inputs) -> tuple[int, ...] | None:
    """The output shape without the batch that torch computes; None if it refuses.

    On the CPU, because the meta device lets through what no real one computes (Softmax along an axis too many).
    """
    try:
        module = build(spec.module(params, inputs)) if spec.module else None
        tensors = [torch.zeros((2, *x.shape), dtype=getattr(torch, x.dtype)) for x in inputs]
        if spec.type == "Reshape":  # the call is made from the worked-out shape; torch is asked for the drawn one
            return tuple(tensors[0].reshape((2, *params["shape"])).shape[1:])
        out = bind(spec.forward(params, inputs))(module, tensors)
    except (RuntimeError, ValueError, IndexError, AssertionError):
        return None
    return tuple(out.shape[1:])


def means_something_else(spec: LayerSpec, params: dict[str, Any], inputs: Inputs) -> bool:
    """Where we differ from torch on purpose; each case has a test of its own below."""
    rank = len(inputs[0].shape)
    along_batch = params.get("dim", 1) in (0, -rank - 1)
    broadcast = spec.type == "Add" and len({x.shape for x in inputs}) > 1
    more_axes = params.get("last_axes", 1) > rank
    no_image = spec.type == "AdaptiveAvgPool2d" and rank != 3  # with size 1 torch takes any rank, against its own words
    return UNBATCHED.get(spec.type) == rank or along_batch or broadcast or more_axes or no_image


def assert_agrees_with_torch(spec: LayerSpec, data: st.DataObject) -> None:
    params = spec.complete(data.draw(settings_of(spec)))
    inputs = data.draw(inputs_of(spec))
    if means_something_else(spec, params, inputs):
        return
    ours = spec.infer(params, inputs)
    assert (None if isinstance(ours, Diagnostic) else ours.shape) == of_torch(spec, params, inputs), (params, ours)


@pytest.mark.parametrize("spec", WINDOWS, ids=lambda s: s.type)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_windows_fit_where_torch_lets_them(spec: LayerSpec, data: st.DataObject) -> None:
    assert_agrees_with_torch(spec, data)


@pytest.mark.parametrize("spec", OTHERS, ids=lambda s: s.type)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_torch_refuses_and_shapes_alike(spec: LayerSpec, data: st.DataObject) -> None:
    assert_agrees_with_torch(spec, data)


@pytest.mark.parametrize(("type_", "rank"), UNBATCHED.items())
def test_an_example_without_its_channel_axis_is_refused(type_: str, rank: int) -> None:
    spec = BY_TYPE[type_]
    found = spec.infer(spec.complete({}), (tensor((9,) * rank),))
    assert isinstance(found, Diagnostic)
    assert found.code == "shape/wrong-rank"


@pytest.mark.parametrize("spec", [s for s in LAYERS if s.group not in ("Shape", "Merge")], ids=lambda s: s.type)
def test_the_type_of_the_values_matters(spec: LayerSpec) -> None:
    (x,) = inputs_for(spec)
    other = tensor(x.shape, "int64" if x.dtype == "float32" else "float32")
    found = spec.infer(spec.complete({}), (other,))
    assert isinstance(found, Diagnostic)
    assert found.code.startswith("dtype/")


Case = tuple[str, dict[str, Any], list[tuple[int, ...]]]
REFUSED: list[Case] = [
    ("Conv2d", {"kernel_size": 7}, [(1, 5, 5)]),
    ("Conv2d", {"kernel_size": 3, "dilation": 3, "padding": 1}, [(1, 4, 6)]),
    ("Conv2d", {"groups": 3}, [(4, 8, 8)]),
    ("Conv2d", {"same_padding": True, "stride": 2}, [(1, 8, 8)]),
    ("Conv2d", {}, [(64,)]),
    ("Conv2d", {}, [(10,)]),
    ("Conv2d", {}, [(28, 28)]),
    ("Conv1d", {"kernel_size": 5}, [(1, 3)]),
    ("Conv1d", {}, [(24,)]),
    ("Conv1d", {}, [(1, 28, 28)]),
    ("MaxPool2d", {}, [(6, 1, 1)]),
    ("MaxPool2d", {"padding": 2}, [(6, 8, 8)]),
    ("MaxPool1d", {"kernel_size": 4}, [(2, 3)]),
    ("AvgPool2d", {}, [(8,)]),
    ("AdaptiveAvgPool2d", {}, [(49,)]),
    ("RNN", {}, [(24,)]),
    ("LSTM", {}, [(1, 28, 28)]),
    ("GRU", {}, [(3, 8, 8)]),
    ("BatchNorm1d", {}, [(3, 8, 8)]),
    ("BatchNorm1d", {}, [(2, 3, 8, 8)]),
    ("BatchNorm2d", {}, [(16,)]),
    ("LayerNorm", {"last_axes": 3}, [(4, 8)]),
    ("Softmax", {"dim": 0}, [(10,)]),
    ("Softmax", {"dim": 3}, [(10,)]),
    ("Flatten", {"start_dim": 2}, [(10,)]),
    ("Flatten", {"start_dim": 2, "end_dim": 1}, [(3, 8, 8)]),
    ("Reshape", {"shape": (3, 3)}, [(10,)]),
    ("Reshape", {"shape": (-1, 3)}, [(10,)]),
    ("Reshape", {"shape": (-1, -1)}, [(10,)]),
    ("Add", {}, [(16, 8, 8), (8, 8, 8)]),
    ("Add", {}, [(16,), (8,)]),
    ("Add", {}, [(16,), (4, 4)]),
    ("Concat", {}, [(16, 8, 8), (8, 4, 4)]),
    ("Concat", {"dim": 2}, [(16, 8, 8), (8, 8, 8)]),
    ("Concat", {}, [(16,), (4, 4)]),
    ("Concat", {"dim": 0}, [(16,), (16,)]),
]
ADVISED: list[tuple[str, dict[str, Any], tuple[int, ...], tuple[str, ...]]] = [
    ("Linear", {"out_features": 10}, (16, 5, 5), ("Output",)),
    ("LSTM", {"dropout": 0.2}, (24, 1), ("Linear",)),
    ("Softmax", {}, (10,), ("Output",)),
]


def diagnostics() -> list[tuple[str, Diagnostic]]:
    found = []
    for type_, params, shapes in REFUSED:
        found.append((type_, _refusal(type_, params, tuple(tensor(s) for s in shapes))))
    found.append(("Linear", _refusal("Linear", {}, (tensor((5,), "int64"),))))
    found.append(("Embedding", _refusal("Embedding", {}, (tensor((5,)),))))
    found.append(("Add", _refusal("Add", {}, (tensor((5,)), tensor((5,), "int64")))))
    for type_, params, shape, readers in ADVISED:
        spec = BY_TYPE[type_]
        advice = spec.advise(spec.complete(params), (tensor(shape),), readers)
        assert advice
        assert advice.severity == "warning"
        found.append((type_, advice))
    return found


def _refusal(type_: str, params: dict[str, Any], inputs: Inputs) -> Diagnostic:
    found = BY_TYPE[type_].infer(BY_TYPE[type_].complete(params), inputs)
    assert isinstance(found, Diagnostic), (type_, params, inputs)
    return found


def test_every_message_reads_as_agreed() -> None:
    lines = [f"{t}: {d.code}\n  {d.what}\n  {d.cure}\n  [{d.fix.label if d.fix else '-'}]\n" for t, d in diagnostics()]
    assert "\n".join(lines) == golden("diagnostics.txt", "\n".join(lines))


def test_every_code_in_the_catalogue_has_its_message_in_the_golden_file() -> None:
    sources = Path(builder.catalog.__path__[0]).glob("*.py")
    written = {code for path in sources for code in re.findall(r'"((?:shape|dtype|train)/[\w-]+)"', path.read_text())}
    assert written == {d.code for _, d in diagnostics()}


@pytest.mark.parametrize("case", REFUSED, ids=lambda c: f"{c[0]}-{c[1]}-{c[2]}")
def test_a_fix_that_is_offered_cures(case: Case) -> None:
    type_, params, shapes = case
    graph = alone(BY_TYPE[type_], tuple(tensor(s) for s in shapes), **params)
    (found,) = infer(graph).errors
    proposed = _refusal(type_, params, tuple(tensor(s) for s in shapes)).fix
    assert (found.fix is not None) == (proposed is not None), "a fix that never cures should not be proposed"
    if found.fix:
        assert infer(apply(graph, found.fix.edits)).errors == ()


def test_linear_on_an_image_is_warned_of_and_flattened() -> None:
    graph = chain("Input", "Linear", "Output", a={"shape": (1, 8, 8)})
    (found,) = infer(graph).diagnostics
    assert (found.code, found.severity, found.node) == ("shape/linear-on-last-axis", "warning", "b")
    assert found.fix
    graph = apply(graph, found.fix.edits)
    assert infer(graph).diagnostics == ()
    assert str(infer(graph).outputs["c"]) == "16"


def test_linear_on_a_sequence_is_not_warned_of() -> None:
    graph = chain("Input", "LSTM", "Linear", "Output", a={"shape": (24, 1)}, b={"output": "sequence"})
    assert infer(graph).diagnostics == ()


def test_softmax_is_warned_of_only_right_before_the_output() -> None:
    graph = chain("Input", "Linear", "Softmax", "Output")
    (found,) = infer(graph).diagnostics
    assert (found.code, found.node) == ("train/softmax-before-output", "c")
    assert found.fix
    cured = apply(graph, found.fix.edits)
    assert [n.type for n in cured.nodes] == ["Input", "Linear", "Output"]
    assert infer(cured).diagnostics == ()
    assert infer(chain("Input", "Softmax", "Linear", "Output")).diagnostics == ()


FLOPS: list[tuple[str, dict[str, Any], tuple[int, ...], int]] = [
    ("Linear", {"out_features": 3}, (5,), 2 * 3 * 5),
    ("Conv2d", {"out_channels": 6, "kernel_size": 5, "same_padding": True}, (1, 28, 28), 2 * 6 * 25 * 28 * 28),
    ("Conv1d", {"out_channels": 4, "kernel_size": 3, "groups": 2}, (2, 10), 2 * 4 * 3 * 8),
    ("LSTM", {"hidden_size": 7}, (10, 3), 10 * 4 * 2 * (3 * 7 + 7 * 7)),
    ("MaxPool2d", {}, (3, 8, 8), 3 * 4 * 4 * 4),
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


@pytest.mark.parametrize("order", ["x>c:0 y>c:1", "y>c:0 x>c:1"])
def test_concat_keeps_the_order_of_its_ports(order: str) -> None:
    graph = draw("x:Input y:Input c:Concat o:Output", f"{order} c>o", x={"shape": (2,)}, y={"shape": (3,)})
    out = compile_graph(graph)(torch.zeros(1, 2), torch.ones(1, 3))
    assert out.tolist() == [[0, 0, 1, 1, 1] if order.startswith("x") else [1, 1, 1, 0, 0]]


def test_every_weighted_layer_offers_every_scheme() -> None:
    weighted = [s for s in LAYERS if s.group in ("Dense", "Convolution", "Recurrent")]
    offered = {next(p.choices for p in s.params if p.name == "init") for s in weighted}
    assert offered == {("pytorch", *SCHEMES)}
