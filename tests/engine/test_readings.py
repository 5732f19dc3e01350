"""What is read off a watched step when asked for, each against a slow and obvious reference in double precision."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from builder.compile import compile_graph
from builder.graph import Graph
from engine.events import Event
from engine.loop import Training
from engine.pace import Budget
from engine.quantities.quantity import Measured
from engine.quantities.units import duplicates, effective_rank, matrix
from tests.engine.drawn import CASES, advance, chain, make

PLAIN = chain(
    ("Input", {"shape": (2,)}),
    ("Linear", {"out_features": 6}),
    ("Tanh", {}),
    ("Linear", {"out_features": 2}),
    ("Output", {}),
)
KNOBS = {"lr": 0.1, "l1": 0.003, "l2": 0.02, "elastic": 0.01, "elastic_mix": 0.25, "weight_decay": 0.05}
L1, L2 = 0.003 + 0.01 * 0.25, 0.02 + 0.01 * 0.75
Gradients = dict[str, torch.Tensor]


def asked(training: Training, *names: str) -> Training:
    """With no limit to how often: the clock must not decide what a test sees."""
    measuring = training.report.measuring
    assert measuring is not None
    measuring.for_readings = measuring.for_studies = Budget(math.inf, math.inf)
    for name in names:
        assert measuring.ask(name) is None
    return training


def bodies(events: list[Event], kind: str) -> list[dict[str, Any]]:
    return [event.body for event in events if event.kind == kind]


def by_layer(gradients: Gradients) -> dict[str, torch.Tensor]:
    """The tensors of each layer as one vector."""
    layers: dict[str, list[torch.Tensor]] = {}
    for key, tensor in gradients.items():
        layers.setdefault(key.split(".")[0], []).append(tensor.reshape(-1))
    return {layer: torch.cat(parts) for layer, parts in layers.items()}


class Slow:
    """PLAIN on the spiral in double precision, step by step, with plain gradient descent."""

    def __init__(self) -> None:
        self.training = make(PLAIN, optimizer="sgd", knobs=KNOBS)  # for its batches only
        self.model = compile_graph(PLAIN, 3).double()

    def step(self) -> tuple[Gradients, Gradients]:
        """The gradient of the data loss and that of the penalties; then moves the weights."""
        rows = self.training.batches.rows(32, 1)[0].numpy()
        data_set = self.training.data
        x, y = torch.from_numpy(data_set.x_train[rows]), torch.from_numpy(data_set.y_train[rows])
        loss = torch.nn.functional.cross_entropy(self.model(x.double()), y)
        named = dict(self.model.named_parameters())
        data = dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))
        penalty = {k: (L1 * w.sign() + L2 * w).detach() * (w.ndim >= 2) for k, w in named.items()}
        with torch.no_grad():
            for key, w in named.items():
                decay = KNOBS["weight_decay"] * w * (w.ndim >= 2)
                w -= KNOBS["lr"] * (data[key] + penalty[key] + decay)
        return data, penalty


def test_data_and_penalty_gradients_are_those_of_autograd_in_double_precision():
    training = asked(make(PLAIN, every=1, optimizer="sgd", knobs=KNOBS), "penalty")
    slow = Slow()
    for body in bodies(advance(training, 3), "penalty"):
        before = by_layer({k: p.detach().clone() for k, p in slow.model.named_parameters() if p.ndim >= 2})
        data, penalty = map(by_layer, slow.step())
        layers = [layer["id"] for layer in training.started().body["layers"]]
        assert body["data"] == pytest.approx([float(data[k].norm()) for k in layers], rel=1e-4)
        assert body["penalty"] == pytest.approx([float(penalty[k].norm()) for k in layers], rel=1e-4)
        decay = KNOBS["weight_decay"]
        assert body["decay"] == pytest.approx([float(decay * before[k].norm()) for k in layers], rel=1e-4)


@pytest.mark.parametrize("lane", ["eager", "native"])
def test_the_parts_sum_to_the_applied_gradient_and_update(lane: str, monkeypatch: pytest.MonkeyPatch):
    training = asked(make(PLAIN, every=1, optimizer="sgd", lane=lane, knobs=KNOBS), "penalty")
    assert training.report.observer is not None
    vectors = []
    observe = training.report.observer._vectors
    monkeypatch.setattr(training.report.observer, "_vectors", lambda *a: vectors.append(observe(*a)) or vectors[-1])
    advance(training, 4)
    assert len(vectors) == 4
    for v in vectors:
        assert np.abs(v.penalty).max() > 1e-3
        assert v.data + v.penalty == pytest.approx(v.gradient, abs=1e-7)
        applied = -np.float32(KNOBS["lr"]) * (v.data + v.penalty + v.decayed)
        assert v.update == pytest.approx(applied, abs=1e-6)


def test_without_penalties_all_of_the_gradient_is_that_of_the_data():
    events = advance(asked(make(every=1), "penalty"), 1)
    body = bodies(events, "penalty")[0]
    assert body["penalty"] == body["decay"] == [0.0] * 3
    assert body["data"] == pytest.approx(bodies(events, "layers")[0]["grad_norm"], rel=1e-6)


def test_the_cosine_is_that_of_the_gradients_of_successive_steps():
    training = asked(make(PLAIN, every=1, optimizer="sgd", knobs=KNOBS), "cosine")
    slow = Slow()
    found = bodies(advance(training, 4), "cosine")
    gradients = []
    for _ in range(4):
        data, penalty = slow.step()
        gradients.append({k: data[k] + penalty[k] for k in data})
    assert len(found) == 3  # the first step has none before it
    for body, before, now in zip(found, gradients, gradients[1:], strict=False):
        a, b = by_layer(before), by_layer(now)
        layers = [float(a[k] @ b[k] / a[k].norm() / b[k].norm()) for k in a]
        assert body["layers"] == pytest.approx(layers, abs=1e-4)
        a_all, b_all = torch.cat(list(a.values())), torch.cat(list(b.values()))
        assert body["all"] == pytest.approx(float(a_all @ b_all / a_all.norm() / b_all.norm()), abs=1e-4)


def test_clipping_the_norm_turns_no_gradient():
    free, clipped = (
        bodies(advance(asked(make(PLAIN, every=1, optimizer="sgd", knobs=k), "cosine"), 2), "cosine")[0]
        for k in ({"lr": 1e-6}, {"lr": 1e-6, "clip_norm": 1e-3})
    )
    assert clipped["layers"] == pytest.approx(free["layers"], abs=1e-4)


@pytest.mark.parametrize("case", list(CASES))
def test_rank_and_duplicates_are_those_of_the_outputs_that_the_step_had(case: str):
    graph, data = CASES[case]
    outputs = outputs_of_first_step(graph, data)  # first: all share torch's random stream
    training = asked(make(graph, data, every=1), "rank", "duplicates")
    events = advance(training, 1)
    rank, share = bodies(events, "rank")[0], bodies(events, "duplicates")[0]["share"]
    for place, node in enumerate(training.network.measured):
        rows = by_unit(outputs[node.id], node)
        assert rank["most"][place] == min(rows.shape)
        assert rank["rank"][place] == pytest.approx(slow_rank(rows), rel=1e-3)
        assert share[place] == pytest.approx(slow_duplicates(rows), abs=1e-6)


def outputs_of_first_step(graph: Graph, data: str) -> dict[str, NDArray[np.float64]]:
    training = make(graph, data)
    outputs: dict[str, NDArray[np.float64]] = {}
    training.backward(lambda node, output: outputs.__setitem__(node, output.detach().double().numpy()))
    return outputs


def by_unit(output: NDArray[np.float64], node: Measured) -> NDArray[np.float64]:
    """Rows of (example, place), one column for each channel of a feature map or each feature of anything else."""
    if output.ndim == 4:
        return np.stack([output[:, c].reshape(-1) for c in range(output.shape[1])], axis=1)
    return output.reshape(-1, output.shape[-1])


def slow_rank(rows: NDArray[np.float64]) -> float:
    sigma = np.sqrt(np.maximum(np.linalg.eigvalsh(rows.T @ rows), 0))
    p = [float(s / sigma.sum()) for s in sigma]
    return math.exp(-sum(q * math.log(q) for q in p if q > 1e-9))


def slow_duplicates(rows: NDArray[np.float64]) -> float:
    n = rows.shape[1]
    alive = [rows[:, j].std() > 1e-6 * np.abs(rows).max() for j in range(n)]
    copies = sum(
        any(alive[i] and alive[j] and abs(np.corrcoef(rows[:, i], rows[:, j])[0, 1]) >= 0.99 for i in range(j))
        for j in range(n)
    )
    return copies / n


def test_known_ranks_and_duplicates():
    one = np.outer(np.arange(1.0, 9), [1.0, -2.0, 0.5])
    assert effective_rank(one) == pytest.approx(1.0)
    assert duplicates(one) == pytest.approx(2 / 3)
    assert effective_rank(np.eye(5)) == pytest.approx(5.0)
    assert duplicates(np.eye(5)) == 0.0
    assert duplicates(np.ones((6, 4))) == 0.0  # units that never change say nothing, alike or not
    assert math.isnan(effective_rank(np.zeros((3, 2))))
    assert math.isnan(effective_rank(np.array([[np.inf, 1.0]])))
    assert math.isnan(duplicates(np.array([[np.nan, 1.0]])))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.integers(1, 12), st.integers(0, 10_000))
def test_a_rank_lies_between_one_and_the_number_of_directions(rows: int, units: int, seed: int):
    m = np.random.default_rng(seed).normal(size=(rows, units))
    assert 1 - 1e-9 <= effective_rank(m) <= min(rows, units) + 1e-9


def test_units_of_a_feature_map_are_its_channels():
    output = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    rows = matrix(Measured("n", "Conv2d", "", 1), output)
    assert rows.shape == (40, 3)
    assert np.array_equal(rows[:, 1], output[:, 1].reshape(-1))


@pytest.mark.parametrize("lane", ["eager", "native"])
def test_histograms_count_the_gradient_and_the_update_of_each_layer(lane: str):
    training = asked(make(PLAIN, every=1, optimizer="sgd", lane=lane, knobs={"lr": 0.1}), "grad_hist", "update_hist")
    before = training.flat.weights.clone()
    events = advance(training, 1)
    moved = (training.flat.weights - before).double()
    for kind, vector in (("grad_hist", moved / -0.1), ("update_hist", moved)):
        body = bodies(events, kind)[0]
        assert list(body) == ["linear_1", "linear_2"]
        for place, layer in enumerate(training.flat.layers):
            values = [float(v) for i, v in enumerate(vector) if layer_of(training, i) == place]
            assert (body[layer]["lo"], body[layer]["hi"]) == pytest.approx((min(values), max(values)), rel=1e-3)
            width = (max(values) - min(values)) / 32
            slow = [0] * 32
            for v in values:
                slow[min(31, int((v - min(values)) / width))] += 1
            # A value on the edge of a bin may fall to either side by rounding.
            difference = np.cumsum(body[layer]["counts"]) - np.cumsum(slow)
            assert np.abs(difference).max() <= 1
            assert sum(body[layer]["counts"]) == len(values)


def layer_of(training: Training, place: int) -> int:
    tensor = int(np.searchsorted(training.flat.starts, place, side="right")) - 1
    return int(training.flat.layer_of[tensor])
