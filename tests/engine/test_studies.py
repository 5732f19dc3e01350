"""What is measured with passes of its own, each against a slow and obvious reference in double precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from builder.compile import compile_graph
from builder.graph import Edge, Graph, Node
from builder.spec import TensorSpec
from engine import device as devices
from engine.data.spec import Field
from engine.loop import Training
from engine.measuring import material
from engine.quantities import curvature, jacobian, noise
from engine.quantities.curvature import Sharpness, limit
from engine.quantities.jacobian import JacobianGain
from engine.quantities.noise import Examples, NoiseScale
from engine.quantities.study import Mirror, Study
from tests.engine.drawn import CASES, CNN, LSTM, chain, make, table

NET = chain(
    ("Input", {"shape": (2,)}),
    ("Linear", {"out_features": 5}),
    ("Tanh", {}),
    ("Linear", {"out_features": 2}),
    ("Output", {}),
)
ATTENTION = chain(
    ("Input", {"shape": (24, 1)}),
    ("Linear", {"out_features": 2}),
    ("TransformerEncoderLayer", {"num_heads": 1, "dim_feedforward": 6}),
    ("Flatten", {}),
    ("Linear", {"out_features": 1}),
    ("Output", {}),
)
NETS: dict[str, tuple[Graph, str]] = {**CASES, "attention": (ATTENTION, "sunspots")}


def mirror(training: Training) -> Mirror:
    copy = Mirror(training.model, material(training))
    copy.freeze(training.model, training.step, training.tuning.values, training.lr(0), training.config.optimizer)
    return copy


def result(study: Study, copy: Mirror) -> dict[str, Any]:
    work = study.study(copy)
    with devices.tuned():
        while True:
            try:
                next(work)
            except StopIteration as end:
                body: dict[str, Any] = end.value
                return body


def slow_loss(training: Training, graph: Graph) -> Callable[[Tensor], tuple[Tensor, list[nn.Parameter]]]:
    """The mean data loss of the training examples ``rows``, in double precision and evaluation mode."""
    model = compile_graph(graph, 3).double().eval()
    data = training.data
    x, y = torch.from_numpy(data.x_train), torch.from_numpy(data.y_train)

    def loss(rows: Tensor) -> tuple[Tensor, list[nn.Parameter]]:
        output = model(x[rows].double())
        if not y.is_floating_point():
            return nn.functional.cross_entropy(output, y[rows]), list(model.parameters())
        error = output.reshape(len(rows), -1) - y[rows].double().reshape(len(rows), -1)
        return error.square().mean(), list(model.parameters())

    return loss


def slow_gradient(loss: Callable[[Tensor], tuple[Tensor, list[nn.Parameter]]], rows: Tensor) -> Tensor:
    value, parameters = loss(rows)
    return torch.cat([g.reshape(-1) for g in torch.autograd.grad(value, parameters)])


class TestSharpness:
    @pytest.mark.parametrize("l2", [0.0, 0.3])
    @pytest.mark.parametrize("seed", [3, 4])
    def test_it_is_the_largest_eigenvalue_of_the_hessian(self, l2: float, seed: int):
        training = make(NET, optimizer="sgd", seed=seed, knobs={"l2": l2, "lr": 0.1})
        copy = mirror(training)
        found = result(Sharpness(), copy)
        rows = copy.some(curvature.EXAMPLES)
        model = compile_graph(NET, seed).double()
        x = torch.from_numpy(training.data.x_train)[rows].double()
        y = torch.from_numpy(training.data.y_train)[rows]
        names = [name for name, _ in model.named_parameters()]
        shapes = [p.shape for p in model.parameters()]

        def of(flat: Tensor) -> Tensor:
            parts = torch.split(flat, [s.numel() for s in shapes])
            own = {n: p.reshape(s) for n, p, s in zip(names, parts, shapes, strict=True)}
            output = torch.func.functional_call(model, own, (x,))
            penalty = l2 / 2 * sum(p.square().sum() for p in own.values() if p.ndim >= 2)
            return nn.functional.cross_entropy(output, y) + penalty

        weights = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
        hessian = torch.autograd.functional.hessian(of, weights)
        assert found["sharpness"] == pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]), rel=0.02)

    def test_a_saddle_whose_steepest_way_leads_down_is_told_by_its_way_up(self):
        copy = mirror(make(NET))
        curves = torch.tensor([-5.0, 2.0, *[0.5] * (sum(p.numel() for p in copy.parameters) - 2)])
        copy.curvature = lambda v, rows: curves * v  # type: ignore[method-assign]
        assert result(Sharpness(), copy)["sharpness"] == pytest.approx(2.0, rel=0.02)

    def test_the_next_search_begins_where_the_last_one_ended(self):
        copy, study = mirror(make(NET)), Sharpness()
        first, second = result(study, copy), result(study, copy)
        assert second["products"] < first["products"]
        assert second["sharpness"] == pytest.approx(first["sharpness"], rel=0.01)

    @pytest.mark.parametrize(
        ("optimizer", "expected"),
        [("sgd", 2 / 0.1), ("momentum", 2 * 1.5 / 0.1), ("nesterov", 2 * 1.5 / (0.1 * 2)), ("adam", None)],
    )
    def test_the_limit_is_that_of_the_optimizer(self, optimizer: str, expected: float | None):
        copy = mirror(make(NET, optimizer=optimizer, knobs={"lr": 0.1, "momentum": 0.5}))
        assert limit(copy) == (expected if expected is None else pytest.approx(expected))

    @pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov"])
    def test_gradient_descent_converges_below_the_limit_and_diverges_above(self, optimizer: str):
        """On a parabola of a given curvature, by the rule of the optimizer itself."""
        training = make(NET, optimizer=optimizer, knobs={"lr": 0.1, "momentum": 0.6})
        edge = limit(mirror(training))
        assert edge is not None
        for share, converges in ((0.97, True), (1.03, False)):
            rule = type(training.optimizer)(torch.ones(1, dtype=torch.float64))
            for _ in range(2000):
                rule.step(edge * share * rule.weights, 0.1, 0.6)
            assert (float(rule.weights.abs()) < 1e-3) is converges


class TestNoiseScale:
    def test_it_follows_from_the_gradients_of_single_groups(self):
        training = make(NET, knobs={"batch_size": 6})
        copy = mirror(training)
        found = result(NoiseScale(), copy)
        rows = copy.some(noise.GROUPS * 6, draw=1)
        loss = slow_loss(training, NET)
        gradients = torch.stack([slow_gradient(loss, group) for group in torch.split(rows, 6)])
        covariance = torch.cov(gradients.T)  # unbiased, of the mean of 6 examples
        trace = 6 * float(covariance.trace())
        mean = gradients.mean(0)
        square = float(mean @ mean) - float(covariance.trace()) / len(gradients)
        assert found["trace"] == pytest.approx(trace, rel=1e-4)
        assert found["square"] == pytest.approx(square, rel=1e-3)
        assert found["scale"] == (pytest.approx(trace / square, rel=1e-3) if square > 0 else None)

    def test_on_average_it_finds_the_true_gradient_and_covariance(self):
        """Of all examples of the set at once, over many draws of groups."""
        training = make(NET, knobs={"batch_size": 4})
        copy = mirror(training)
        loss = slow_loss(training, NET)
        everything = torch.stack([slow_gradient(loss, torch.tensor([i])) for i in range(copy.material.examples)])
        trace, square = float(torch.cov(everything.T).trace()), float(everything.mean(0).square().sum())
        found = []
        for copy.step in range(60):
            found.append(result(NoiseScale(), copy))
        square -= trace / len(everything)  # the set itself is but a sample: its mean is longer than the true gradient
        assert np.mean([f["trace"] for f in found]) == pytest.approx(trace, rel=0.05)
        squares = np.array([f["square"] for f in found])
        error = squares.std() / len(squares) ** 0.5
        assert squares.mean() == pytest.approx(square, abs=3 * error)
        assert 4 * error < trace / 64  # what a mean over 64 examples would be wrong by, were nothing taken off

    def test_a_set_that_is_small_is_cut_into_smaller_groups_and_one_group_says_nothing(self):
        tiny = table(np.arange(8.0)[:, None], np.arange(8.0, dtype=np.float32)[:, None])
        net = chain(("Input", {"shape": (1,)}), ("Linear", {"out_features": 1}), ("Output", {}))
        assert result(NoiseScale(), mirror(make(net, tiny, knobs={"batch_size": 100})))["trace"] > 0
        assert noise.parts(1, 4, 1.0, 1.0) == {"scale": None, "trace": None, "square": None}

    def test_examples_that_all_say_the_same_have_no_noise(self):
        x = np.ones((64, 1))
        same = table(x, x.astype(np.float32))
        net = chain(("Input", {"shape": (1,)}), ("Linear", {"out_features": 1}), ("Output", {}))
        found = result(NoiseScale(), mirror(make(net, same)))
        assert found["scale"] == pytest.approx(0.0, abs=1e-5)


class TestExamples:
    @pytest.mark.parametrize("case", list(NETS))
    def test_losses_and_gradient_norms_are_those_of_each_example_alone(self, case: str):
        graph, data = NETS[case]
        training = make(graph, data)
        found = result(Examples(), mirror(training))
        assert len(set(found["rows"])) == len(found["rows"]) == noise.EXAMPLES
        loss = slow_loss(training, graph)
        for place in range(0, noise.EXAMPLES, 16):
            row = torch.tensor([found["rows"][place]])
            assert found["loss"][place] == pytest.approx(float(loss(row)[0].detach()), rel=1e-3, abs=1e-6)
            norm = float(slow_gradient(loss, row).norm())
            assert found["grad_norm"][place] == pytest.approx(norm, rel=2e-3, abs=1e-6)


class TestJacobianGain:
    @pytest.mark.parametrize("case", list(NETS))
    def test_it_is_the_largest_singular_value_of_the_jacobian_at_each_example(self, case: str):
        graph, data = NETS[case]
        training = make(graph, data)
        copy = mirror(training)
        found = result(JacobianGain(), copy)["gain"]
        inputs = copy.material.inputs(copy.some(jacobian.EXAMPLES))
        outputs: dict[str, Tensor] = {}
        copy.model.double()(inputs[0].double(), tap=outputs.__setitem__)
        known = 0
        for node, gain in zip(copy.material.measured, found, strict=True):
            layer, source = jacobian.layers(copy)[node]
            assert gain == pytest.approx(slow_gain(layer, outputs[source].detach()), rel=0.05)
            known += 1
        assert known >= 2

    def test_a_linear_layer_stretches_by_its_largest_singular_value(self):
        training = make(NET)
        found = result(JacobianGain(), mirror(training))["gain"]
        sigma = torch.linalg.matrix_norm(training.model.get_submodule("linear_1").weight.detach(), 2)
        assert found[0] == pytest.approx(float(sigma), rel=1e-3)

    def test_layers_within_blocks_are_measured_too(self):
        inner = chain(("Input", {"shape": (5,)}), ("Linear", {"out_features": 5}), ("Tanh", {}), ("Output", {}))
        block = Node("block_1", "Block", {"repeat": 2}, inner=inner)
        edges = (Edge("tanh_1", "block_1"), Edge("block_1", "linear_2"))
        kept = tuple(e for e in NET.edges if (e.source, e.target) != ("tanh_1", "linear_2"))
        training = make(Graph((*NET.nodes, block), (*kept, *edges)))
        found = result(JacobianGain(), mirror(training))["gain"]
        gains = {m.id: gain for m, gain in zip(training.network.measured, found, strict=True)}
        for id in ("block_1.0.linear_1", "block_1.1.linear_1"):
            weight = training.model.get_submodule(id).weight.detach()
            assert gains[id] == pytest.approx(float(torch.linalg.matrix_norm(weight, 2)), rel=0.02)

    def test_layers_with_several_inputs_or_class_numbers_have_none(self):
        graph = chain(
            ("Input", {"shape": (3,), "dtype": "int64"}),
            ("Embedding", {"num_embeddings": 5, "embedding_dim": 2}),
            ("Flatten", {}),
            ("Linear", {"out_features": 1}),
            ("Output", {}),
        )
        x = np.random.default_rng(0).integers(0, 5, (20, 3))
        numbers = table(np.zeros((40, 1)), np.zeros((40, 1), np.float32))
        tokens = replace(numbers, inputs=(Field("x", TensorSpec((3,), "int64"), x, x, kinds=5),))
        found = result(JacobianGain(), mirror(make(graph, tokens)))["gain"]
        assert found[0] is None
        assert found[1] is not None


def slow_gain(layer: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """The mean over the examples, each by itself."""
    found = []
    for one in torch.split(x, 1):
        j = torch.autograd.functional.jacobian(layer, one)
        found.append(float(torch.linalg.matrix_norm(j.reshape(-1, one.numel()), 2)))
    return math.fsum(found) / len(found)


@pytest.mark.parametrize("case", list(NETS))
def test_every_study_measures_every_kind_of_network(case: str):
    graph, data = NETS[case]
    copy = mirror(make(graph, data))
    assert result(Sharpness(), copy)["sharpness"] > 0
    assert result(NoiseScale(), copy)["trace"] > 0


@pytest.mark.parametrize("graph", [CNN, LSTM], ids=["cnn", "lstm"])
def test_a_copy_shares_no_tensor_with_the_original_and_takes_over_all_of_it(graph: Graph):
    training = make(graph, "digits" if graph is CNN else "sunspots")
    copy = Mirror(training.model, material(training))
    mine = {t.data_ptr() for t in copy.model.state_dict().values()}
    assert not mine & {t.data_ptr() for t in training.model.state_dict().values()}
    with torch.no_grad():
        for tensor in training.model.state_dict().values():
            tensor.add_(1)
    copy.freeze(training.model, 7, {}, 0.1, "sgd")
    for name, tensor in training.model.state_dict().items():
        assert torch.equal(copy.model.state_dict()[name], tensor), name
    assert not copy.model.training
