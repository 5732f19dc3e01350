"""Contracts over every layer: what its LayerSpec declares is what torch does."""

from __future__ import annotations

import importlib
import math
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
from builder.compile import bind, build, compile_graph, seeded
from builder.diagnostic import Diagnostic
from builder.document import dumps, loads
from builder.edit import apply
from builder.infer import infer
from builder.spec import Inputs, LayerSpec, Param
from tests.builder.drawings import chain, draw, values
from tests.builder.golden import golden
from tests.builder.layers import LAYERS, alone, batch, inputs_for, tensor

WINDOWS = [s for s in LAYERS if "kernel_size" in {p.name for p in s.params} or s.type.startswith("Adaptive")]
OTHERS = [spec for spec in LAYERS if spec not in WINDOWS]
# torch reads an input with this many axes as one example without a batch axis; we always send a batch.
UNBATCHED = {s.type: int(s.type[-2]) for s in WINDOWS} | {"PixelShuffle": 2, "Dropout1d": 1}
# torch takes an input with this many axes as something else than what the layer is for, or with a warning.
READ_OTHERWISE = {
    "Dropout1d": {3, 4},
    "Dropout2d": {1, 2, 4},
    "PixelShuffle": {4},
    "ZeroPad2d": {1, 2, 4},
    "Upsample": {4},
    "InstanceNorm2d": {2},
    "SinusoidalPositions": {1, 3, 4},
    "LearnedPositions": {1, 3, 4},
    "ClassToken": {1, 3, 4},
    "RNN": {1},
    "LSTM": {1},
    "GRU": {1},
    "MatMul": {1},
    "MultiheadAttention": {1},
    "TransformerEncoderLayer": {1},
    "TransformerDecoderLayer": {1},
}
each_layer = pytest.mark.parametrize("spec", LAYERS, ids=lambda s: s.type)


def test_every_family_is_listed() -> None:
    modules = [
        importlib.import_module(f"builder.catalog.{m.name}") for m in pkgutil.iter_modules(builder.catalog.__path__)
    ]
    listed = {spec.type for m in modules for spec in getattr(m, "LAYERS", ())}
    assert listed == set(BY_TYPE)
    assert len(CATALOG) == len(BY_TYPE) == 85
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
    own = [p for p in spec.params if p.name not in ("init", "share")]  # the weights' start and owner: tested elsewhere
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


@st.composite
def settings_of(draw_: st.DrawFn, spec: LayerSpec) -> dict[str, Any]:
    small = {"float": st.sampled_from([0.0, 0.1]), "bool": st.booleans()}
    fixed = ("init", "share", "eps", "alpha", "beta", "k", "min_val", "max_val", "slope")
    return {p.name: draw_(small.get(p.kind, values(p))) for p in spec.params if p.name not in fixed}


@st.composite
def inputs_of(draw_: st.DrawFn, spec: LayerSpec) -> Inputs:
    shape = draw_(st.lists(st.integers(1, 12), min_size=1, max_size=4).map(tuple))
    if len(spec.ports) == 1 and not spec.variadic:
        return (tensor(shape, "int64" if spec.type == "Embedding" else "float32"),)
    places = st.integers(0, len(shape) - 1)
    one = st.builds(lambda i, n: (*shape[:i], n, *shape[i + 1 :]), places, st.integers(1, 3))
    n = (2, 3) if spec.variadic else (len(spec.ports),) * 2
    return tuple(tensor(s) for s in draw_(st.lists(one | st.just(shape), min_size=n[0], max_size=n[1])))


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
    except (RuntimeError, ValueError, IndexError, AssertionError, ZeroDivisionError):
        return None
    return tuple(out.shape[1:])


def means_something_else(spec: LayerSpec, params: dict[str, Any], inputs: Inputs) -> bool:
    """Where we differ from torch on purpose; each case has a test of its own below."""
    rank = len(inputs[0].shape)
    places = rank + (spec.type == "Unsqueeze")
    along_batch = params.get("dim", 1) in (0, -places - 1)
    matrices = -2 if spec.type == "MatMul" else None
    unequal = len({x.shape[:matrices] for x in inputs}) > 1
    broadcast = spec.group == "Merge" and unequal and spec.type not in ("Concat", "Multiply")
    looks_ahead = params.get("causal") and unequal  # torch takes the first steps of the longer one for the same times
    more_axes = params.get("last_axes", 1) > rank
    wrong_window = spec.type.startswith("Adaptive") and rank != int(spec.type[-2]) + 1  # with size 1 torch takes any
    no_axis_left = spec.type in ("Mean", "Max", "Select", "Squeeze") and rank == 1
    not_one = spec.type == "Squeeze"  # torch leaves an axis of another length as it is, silently
    otherwise = rank in READ_OTHERWISE.get(spec.type, ()) or UNBATCHED.get(spec.type) == rank
    return any((otherwise, along_batch, broadcast, looks_ahead, more_axes, wrong_window, no_axis_left, not_one))


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


RANKS = [*UNBATCHED.items(), *((t, rank) for t, ranks in READ_OTHERWISE.items() for rank in ranks)]


@pytest.mark.parametrize(("type_", "rank"), RANKS)
def test_an_example_with_axes_too_few_or_too_many_is_refused(type_: str, rank: int) -> None:
    spec = BY_TYPE[type_]
    found = spec.infer(spec.complete({}), (tensor((8,) * rank),) * len(spec.ports))
    assert isinstance(found, Diagnostic)
    assert found.code in ("shape/wrong-rank", "shape/matmul-unequal")


ANY_TYPE = {"Flatten", "Reshape", "Unflatten", "Permute", "Select", "Squeeze", "Unsqueeze", "Add", "Concat"}


@pytest.mark.parametrize("spec", [s for s in LAYERS if s.type not in ANY_TYPE], ids=lambda s: s.type)
def test_the_type_of_the_values_matters_at_every_port(spec: LayerSpec) -> None:
    inputs = inputs_for(spec)
    for port, x in enumerate(inputs):
        other = tensor(x.shape, "int64" if x.dtype == "float32" else "float32")
        found = spec.infer(spec.complete({}), (*inputs[:port], other, *inputs[port + 1 :]))
        assert isinstance(found, Diagnostic)
        assert found.code.startswith("dtype/")


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
    ("Conv2d", {"kernel_size": (3, 7)}, [(1, 5, 5)]),
    ("Conv2d", {"same_padding": True, "stride": (1, 2)}, [(1, 8, 8)]),
    ("Conv3d", {}, [(8, 8, 8)]),
    ("ConvTranspose2d", {"output_padding": 2}, [(4, 8, 8)]),
    ("ConvTranspose1d", {"padding": 9}, [(4, 3)]),
    ("ConvTranspose2d", {"groups": 3}, [(4, 8, 8)]),
    ("MaxPool2d", {"kernel_size": (2, 4), "padding": (1, 3)}, [(6, 8, 8)]),
    ("AvgPool3d", {"kernel_size": 4, "padding": 2}, [(1, 2, 2, 2)]),
    ("Mean", {}, [(6,)]),
    ("MultiheadAttention", {"num_heads": 3}, [(5, 8), (5, 8), (5, 8)]),
    ("MultiheadAttention", {}, [(5, 8), (4, 8), (5, 8)]),
    ("MultiheadAttention", {"causal": True}, [(5, 8), (4, 8), (4, 8)]),
    ("TransformerEncoderLayer", {}, [(24, 6)]),
    ("TransformerDecoderLayer", {}, [(5, 8), (7, 4)]),
    ("GroupNorm", {}, [(6, 8, 8)]),
    ("InstanceNorm2d", {}, [(6, 1, 1)]),
    ("RMSNorm", {"last_axes": 3}, [(4, 8)]),
    ("LocalResponseNorm", {}, [(6,)]),
    ("GLU", {}, [(5,)]),
    ("Permute", {"dims": (1, 3)}, [(4, 8)]),
    ("Permute", {}, [(6,)]),
    ("Select", {"index": 9}, [(4, 8)]),
    ("Squeeze", {}, [(4, 1)]),
    ("Squeeze", {}, [(4, 8)]),
    ("Unsqueeze", {"dim": 5}, [(4,)]),
    ("Unflatten", {"shape": (3, 3)}, [(10,)]),
    ("Unflatten", {"shape": (-1, -1)}, [(10,)]),
    ("PixelShuffle", {}, [(6, 8, 8)]),
    ("Upsample", {"mode": "bilinear"}, [(4, 8)]),
    ("Subtract", {}, [(16,), (8,)]),
    ("Multiply", {}, [(4, 8), (4, 7)]),
    ("MatMul", {}, [(4, 8), (4, 8)]),
    ("MatMul", {}, [(4, 8), (5, 3)]),
    ("CosineSimilarity", {}, [(4, 8), (4, 7)]),
    ("Bilinear", {}, [(4, 8), (3, 8)]),
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


def test_every_weighted_layer_offers_every_scheme() -> None:
    weighted = [s for s in LAYERS if s.group in ("Dense", "Convolution", "Recurrent")]
    offered = {next(p.choices for p in s.params if p.name == "init") for s in weighted}
    assert offered == {("pytorch", *SCHEMES)}
