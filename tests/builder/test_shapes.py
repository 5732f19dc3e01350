"""Where a layer is refused and what shape it gives, against torch as the oracle."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.catalog import BY_TYPE
from builder.compile import bind, build
from builder.diagnostic import Diagnostic
from builder.spec import Inputs, LayerSpec
from tests.builder.drawings import values
from tests.builder.layers import LAYERS, inputs_for, tensor

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


@st.composite
def settings_of(draw_: st.DrawFn, spec: LayerSpec) -> dict[str, Any]:
    small = {"float": st.sampled_from([0.0, 0.1]), "bool": st.booleans()}
    fixed = ("init", "share", "loss", "eps", "alpha", "beta", "k", "min_val", "max_val", "slope")
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
