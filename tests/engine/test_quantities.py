"""Each quantity against a slow and obvious reference in double precision."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import engine.quantities
from builder.compile import compile_graph
from engine.device import tuned
from engine.events import LATEST, MEASURED, PICTURES
from engine.quantities import HISTOGRAM, QUANTITIES, READINGS
from engine.quantities.quantity import SAMPLE, Activations, Measured, Quantity, Reading, Seen, cut, numbers, thin
from engine.quantities.studies import STUDIES
from engine.quantities.study import Study
from engine.squares import Squares
from engine.tail import THINNED
from tests.engine.drawn import CASES, CNN, advance, chain, make

REAL = CASES | {"deep sigmoid": (chain(
    ("Input", {"shape": (2,)}),
    *(("Linear", {"out_features": 5}), ("Sigmoid", {})) * 4,
    ("Linear", {"out_features": 2}),
    ("Output", {}),
), "spiral")}  # fmt: skip


def reference(case: str, knobs: dict[str, float]) -> dict[str, dict[str, list[float]]]:
    """The first step of a training, by autograd in float64, layer by layer and value by value."""
    graph, data = REAL[case]
    training = make(graph, data, knobs=knobs)
    model = compile_graph(graph, 3).double().train()
    before = {k: p.detach().clone() for k, p in model.named_parameters()}
    (x,), (y,) = training.batches.next(32)
    torch.manual_seed(3)
    outputs: dict[str, torch.Tensor] = {}
    result = model(x.double(), tap=lambda node, output: outputs.update({node: output.detach()}))
    y = y.double() if y.is_floating_point() else y
    loss = training.loss.compute(result, y, 0.0)
    loss = loss + sum(knobs["l2"] / 2 * p.square().sum() for p in model.parameters() if p.ndim >= 2)
    loss.backward()
    gradients = {k: p.grad.clone() for k, p in model.named_parameters()}
    whole = torch.cat([g.reshape(-1) for g in gradients.values()]).norm()
    scale = min(1.0, knobs["clip_norm"] / float(whole + 1e-6))
    moved = {k: -knobs["lr"] * scale * g for k, g in gradients.items()}

    def norms(tensors: dict[str, torch.Tensor]) -> dict[str, float]:
        found: dict[str, float] = {}
        for key, tensor in tensors.items():
            node = key.split(".")[0]
            found[node] = found.get(node, 0.0) + float(tensor.square().sum())
        return {node: total**0.5 for node, total in found.items()}

    w, u = norms(before), norms(moved)
    return {
        "grad_norm": norms(gradients),
        "weight_norm": w,
        "update_ratio": {k: u[k] / w[k] for k in w},
        "outputs": {k: o.numpy() for k, o in outputs.items()},
    }


@pytest.mark.parametrize("case", list(REAL))
def test_a_watched_step_equals_autograd_in_double_precision(case: str):
    knobs = {"lr": 0.1, "l2": 0.01, "clip_norm": 0.05}
    expected = reference(case, knobs)
    training = make(*REAL[case], every=1, optimizer="sgd", knobs=knobs)
    started = training.started().body
    body = next(e.body for e in advance(training, 1) if e.kind == "layers")
    for name in ("grad_norm", "weight_norm", "update_ratio"):
        wanted = [expected[name][layer["id"]] for layer in started["layers"]]
        assert body[name] == pytest.approx(wanted, rel=2e-4), name
    for place, node in enumerate(started["activations"]):
        output = expected["outputs"][node["id"]]
        values = output.reshape(-1).tolist()
        mean = sum(values) / len(values)
        assert body["mean"][place] == pytest.approx(mean, rel=1e-4, abs=1e-5)
        std = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
        assert body["std"][place] == pytest.approx(std, rel=1e-4)
        assert body["dead"][place] == pytest.approx(dead(node["kind"], output), abs=1e-6)
        assert body["saturated"][place] == pytest.approx(saturated(node["kind"], values), abs=1e-6)


def dead(kind: str, output: np.ndarray) -> float | None:
    """Unit by unit: features of (batch, feature), channels of (batch, channel, height, width)."""
    if kind != "relu":
        return None
    units = [output[:, i] for i in range(output.shape[1])]
    return sum(all(v <= 0 for v in unit.reshape(-1)) for unit in units) / len(units)


def saturated(kind: str, values: list[float]) -> float | None:
    if kind not in ("sigmoid", "tanh"):
        return None
    low, high = (0.03, 0.97) if kind == "sigmoid" else (-0.97, 0.97)
    return sum(v < low or v > high for v in values) / len(values)


def seen(*outputs: np.ndarray, kind: str = "", axis: int = -1) -> Seen:
    nodes = [Measured(f"n{i}", "T", kind, axis) for i in range(len(outputs))]
    none = np.zeros(0)
    return Seen(none, none, none, Activations(nodes, outputs))


def measure(name: str, what: Seen) -> list[float | None]:
    return list(next(q for q in QUANTITIES if q.name == name).measure(what))


def test_a_channel_is_dead_only_if_it_is_for_every_example_and_place():
    output = np.zeros((4, 3, 2, 2), np.float32)
    output[2, 1, 0, 1] = 0.5  # channel 1 lives
    output[:, 2] = -1.0
    assert measure("dead", seen(output, kind="relu", axis=1)) == [pytest.approx(2 / 3)]


def test_a_feature_of_a_sequence_is_dead_only_if_it_is_at_every_time():
    output = np.zeros((4, 5, 2), np.float32)
    output[0, 4, 0] = 1.0
    assert measure("dead", seen(output, kind="relu")) == [0.5]


def test_channels_are_the_units_of_a_drawn_convolution():
    axes = {m.id: m.unit_axis for m in make(CNN, "digits").network.measured}
    assert axes == {"conv2d_1": 1, "batchnorm2d_1": 1, "relu_1": 1, "linear_1": -1}


def test_the_limits_of_saturation_themselves_do_not_count():
    tanh = np.array([[-1.0, -0.96, 0.0, 0.96, 0.98]], np.float32)
    assert measure("saturated", seen(tanh, kind="tanh")) == [pytest.approx(2 / 5)]
    sigmoid = np.array([[0.01, 0.04, 0.5, 0.96, 0.98]], np.float32)
    assert measure("saturated", seen(sigmoid, kind="sigmoid")) == [pytest.approx(2 / 5)]


def test_gradients_too_small_for_single_precision_squares_still_have_a_length():
    training = make()
    training.flat.gradient.fill_(1e-25)
    assert training.flat.norms(training.flat.gradient) == pytest.approx([1e-25 * n**0.5 for n in training.flat.sizes])


@pytest.mark.parametrize("scale", [1e-30, 1e-19, 1e-16, 1e-14, 1e-3, 1e15, 1e25])
def test_lengths_are_those_of_double_precision_at_any_scale(scale: float):
    training = make()
    flat = training.flat
    flat.gradient.copy_(scale * torch.randn(len(flat.gradient), generator=torch.Generator().manual_seed(0)))
    parts = [p.grad.double().square().sum() for p in flat.tensors]
    exact = [sum(float(s) for s, of in zip(parts, flat.layer_of, strict=True) if of == k) ** 0.5
             for k in range(len(flat.layers))]  # fmt: skip
    with tuned():
        assert flat.norms(flat.gradient) == pytest.approx(exact, rel=2e-6)


@pytest.mark.parametrize("n", [0, 1, 4096, 4097, 300_000])
def test_squares_add_up_group_by_group_as_in_double_precision_where_single_precision_would_drift(n: int):
    groups = [[np.full(n, 0.1, np.float32)], [np.full(3, 1e-25, np.float32), np.full(n, 1e-24, np.float32)]]
    exact = [float(sum(np.square(part, dtype=np.float64).sum() for part in group)) for group in groups]
    assert Squares(groups)() == pytest.approx(exact, rel=2e-6, abs=0)


@pytest.mark.parametrize("scale", [1e-30, 1e-19, 1e-9, 1.0, 1e15, 1e25, 1e34])
@pytest.mark.parametrize("shift", [0.0, 1.0, 30.0, 1000.0])
def test_mean_and_spread_are_those_of_double_precision_at_any_scale(scale: float, shift: float):
    random = np.random.default_rng(0)
    outputs = [(scale * (shift + random.standard_normal((64, n)))).astype(np.float32) for n in (1, 7, 200)]
    with tuned(), np.errstate(over="ignore"):
        mean, std = (measure(name, seen(*outputs)) for name in ("mean", "std"))
    for found, output in zip(mean, outputs, strict=True):
        assert found == pytest.approx(output.mean(dtype=np.float64), rel=1e-6, abs=3e-7 * scale)
    assert std == pytest.approx([output.std(dtype=np.float64) for output in outputs], rel=2e-6)


def test_values_whose_sums_overflow_single_precision_still_have_a_mean():
    large = np.repeat(np.array([3e37, -3e37], np.float32), 200).reshape(1, -1).repeat(64, axis=0)
    with tuned(), np.errstate(over="ignore", invalid="ignore"):
        assert measure("mean", seen(large)) == [0.0]
        assert measure("std", seen(large)) == pytest.approx([3e37])


def test_what_is_not_finite_has_no_mean_and_no_spread_and_spoils_no_other_node():
    bad, good = np.full((4, 2), np.inf, np.float32), np.ones((4, 2), np.float32)
    bad[0, 0] = np.nan
    with tuned():
        found = [numbers(measure(name, seen(bad, good))) for name in ("mean", "std")]
    assert found == [[None, 1.0], [None, 0.0]]


def test_a_layer_of_zeros_has_an_update_ratio_of_0():
    what = Seen(np.ones(2), np.array([0.0, 2.0]), np.array([1.0, 1.0]), None)
    assert measure("update_ratio", what) == [0.0, 0.5]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32, allow_subnormal=False), min_size=1, max_size=60),
                min_size=1, max_size=4))  # fmt: skip
def test_histograms_count_every_value_once_in_its_bin(layers: list[list[float]]):
    arrays = [np.array([layer], np.float32) for layer in layers]
    for array, hist in zip(arrays, HISTOGRAM.measure(seen(*arrays)), strict=True):
        assert hist is not None
        assert sum(hist["counts"]) == array.size
        low, high = float(array.min()), float(array.max())
        assert (hist["lo"], hist["hi"]) == (pytest.approx(low, rel=1e-5), pytest.approx(high, rel=1e-5))
        slow = [0] * 32
        for v in array[0].tolist():
            slow[min(31, int((v - low) / (high - low) * 32)) if high > low else 0] += 1
        # A value on the edge of a bin may fall to either side by rounding.
        assert max(abs(a - b) for a, b in zip(np.cumsum(hist["counts"]), np.cumsum(slow), strict=True)) <= 1


def test_a_layer_with_an_infinite_value_has_no_histogram_and_spoils_no_other():
    good, bad = np.array([[0.0, 1.0]], np.float32), np.array([[np.inf, 1.0]], np.float32)
    hists = HISTOGRAM.measure(seen(bad, good))
    assert hists[0] is None
    assert hists[1] is not None
    assert hists[1]["counts"][0] == hists[1]["counts"][31] == 1


def test_of_a_large_output_whole_examples_are_looked_at():
    output = np.arange(100 * 1000).reshape(100, 1000)
    found = thin(output)
    assert found.size <= SAMPLE
    assert found.shape[1] == 1000
    assert found.shape[0] > 1


@pytest.mark.parametrize(("shape", "axis"), [((16, 28, 28), 1), ((1000, 12), -1), ((8, 1000), 1), ((30, 30, 8), -1)])
def test_where_examples_lie_side_by_side_all_of_them_are_looked_at_in_some_places(shape: tuple[int, ...], axis: int):
    """As in the native lane, where whole examples would be scattered over all of the memory."""
    lying = np.arange(64 * math.prod(shape)).reshape(*shape, 64)
    output = np.moveaxis(lying, -1, 0)
    node = Measured("n", "T", "relu", axis)
    found = cut(node, output)(output)
    assert SAMPLE / 2 <= found.size <= 1.1 * SAMPLE
    assert len(found) == 64
    assert found.shape[axis] == output.shape[axis]
    assert np.isin(np.moveaxis(found, axis, -1), np.moveaxis(output, axis, -1)).all()
    if len(shape) == 3:
        units, wide = (shape[-1], shape[1]) if axis == -1 else (1, shape[2])
        assert len({int(v) // (64 * units) % wide for v in found[0].flat}) > wide / 3


def test_the_sample_of_a_large_output_tells_of_the_whole():
    values = np.random.default_rng(0).standard_normal((64, 16, 28, 28)).astype(np.float32)
    values += np.linspace(-1, 1, 16, dtype=np.float32)[:, None, None]
    by_unit = np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 0, -1)), -1, 0)
    for output in (values, by_unit):
        what = seen(output, axis=1)
        assert measure("mean", what) == [pytest.approx(values.mean(), abs=4 / SAMPLE**0.5)]
        assert measure("std", what) == [pytest.approx(values.std(), rel=4 / SAMPLE**0.5)]


def test_values_far_from_0_keep_their_spread():
    output = (1000 + np.random.default_rng(0).standard_normal((64, 32)) / 100).astype(np.float32)
    assert measure("std", seen(output)) == [pytest.approx(output.astype(np.float64).std(), rel=1e-4)]


def test_every_quantity_says_what_it_needs_and_costs_and_is_listed():
    classes = set(Quantity.__subclasses__()) | set(Reading.__subclasses__())
    assert {type(q) for q in (*QUANTITIES, HISTOGRAM, *READINGS)} == classes
    assert all(c.needs and c.cost > 0 and c.__doc__ for c in classes)
    assert set(STUDIES) == set(Study.__subclasses__())
    assert all(c.passes > 0 and c.__doc__ for c in STUDIES)


def test_every_module_of_the_folder_is_listed():
    folder = Path(engine.quantities.__file__).parent
    words = ("__init__", "quantity", "vectors", "study", "studies")
    modules = {f"engine.quantities.{p.stem}" for p in folder.glob("*.py") if p.stem not in words}
    assert modules == {type(q).__module__ for q in (*QUANTITIES, HISTOGRAM, *READINGS)} | {
        c.__module__ for c in STUDIES
    }


def test_what_can_be_asked_for_is_what_is_told_and_what_the_log_keeps():
    assert {q.name for q in READINGS} | {c.name for c in STUDIES} == set(MEASURED) | set(PICTURES)
    assert set(PICTURES) <= set(LATEST)
    assert not set(MEASURED) & set(LATEST)
    assert set(MEASURED) <= set(THINNED)
