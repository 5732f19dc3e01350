"""What is said before training is true in training, in plain words, and its cure cures."""

from __future__ import annotations

from typing import Any

import pytest

from builder import templates
from builder.diagnostic import Diagnostic
from builder.document import to_json
from builder.edit import apply
from builder.graph import Graph
from engine.config import DataRef, TrainConfig
from engine.flow import health
from engine.probe import answer
from engine.probing import Answer
from engine.verdict import DEAD, ELSE, ZEROS, Verdict, verdict
from tests.engine.drawn import LSTM, chain

Layer = tuple[str, dict[str, Any]]


def judged(graph: Graph, data: str) -> Verdict:
    config = TrainConfig(DataRef(data))
    found = Answer.from_json(1, answer({"graph": to_json(graph), "config": config.to_json(), "csv": None}))
    assert found.problem is None, found.problem
    return verdict(graph, found)


def template(name: str) -> Verdict:
    return judged(templates.load(name), templates.BY_NAME[name].dataset)


def mlp(*layers: Layer, depth: int = 1) -> Graph:
    last: list[Layer] = [("Linear", {"out_features": 2}), ("Output", {})]
    return chain(("Input", {"shape": (2,)}), *layers * depth, *last)


def problem(found: Verdict) -> Diagnostic:
    assert found.problem is not None
    return found.problem


def test_the_deep_sigmoid_net_will_vanish_as_theory_says() -> None:
    found = template("vanishing")
    said = problem(found)
    assert said.code == "probe/vanishing"
    assert said.node == "linear_1"
    assert said.what == (
        "The gradient shrinks 7.5 × per layer on its way back; linear_1 gets 2e-9 of what linear_11 gets, and will "
        "hardly learn."
    )
    assert said.cure == ELSE
    assert found.theory == (
        "Mean-field theory expects that it shrinks 7.2 × per layer for Sigmoid with PyTorch's default weights."
    )
    assert found.expected is not None
    assert found.expected[-1] == pytest.approx(found.norms[-1])
    assert found.expected[0] == pytest.approx(found.norms[0], rel=0.5)


def test_the_badly_initialised_net_will_explode_and_the_cure_cures() -> None:
    graph = templates.load("exploding")
    said = problem(judged(graph, "circle"))
    assert said.code == "probe/exploding"
    assert "2e4 long, where 10 or less is healthy" in said.what
    assert said.cure == "Choose Kaiming normal weights for every layer."
    assert said.fix is not None
    assert said.fix.label == "Start from Kaiming normal weights"
    assert judged(apply(graph, said.fix.edits), "circle").problem is None


def test_weights_that_grow_the_gradient_are_told_with_the_factor_and_the_scheme_that_fits() -> None:
    big = {"out_features": 64, "init": "normal_large"}
    graph = chain(
        ("Input", {"shape": (2,)}),
        *[("Linear", big), ("Tanh", {})] * 6,
        ("Linear", big | {"out_features": 2}),
        ("Output", {}),
    )
    said = problem(judged(graph, "circle"))
    assert said.code == "probe/exploding"
    assert said.what.startswith("The gradient grows 2")
    assert " × per layer on its way back. At linear_" in said.what
    assert said.fix is not None
    assert judged(apply(graph, said.fix.edits), "circle").problem is None


@pytest.mark.parametrize("name", ["mlp", "spiral_mlp", "regression_mlp", "lenet5", "residual_cnn", "lstm"])
def test_a_healthy_template_is_called_healthy(name: str) -> None:
    found = template(name)
    assert found.problem is None
    assert found.summary.endswith("every layer learns.")
    assert min(health(n, max(found.norms)) for n in found.norms) >= 0.45


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("lenet5", "avgpool2d_1 is none of them."),
        ("residual_cnn", "add_1 joins or splits the way."),
        ("lstm", "lstm_1 is none of them."),
    ],
)
def test_where_theory_has_nothing_to_say_the_reason_is_told(name: str, reason: str) -> None:
    found = template(name)
    assert found.expected is None
    assert found.theory.startswith("Mean-field theory speaks of plain stacks of dense layers")
    assert found.theory.endswith(reason)


def test_one_layer_cannot_vanish() -> None:
    found = template("softmax_regression")
    assert found.problem is None
    assert found.summary == "There is one layer with weights, and nothing stands between it and the loss."
    assert found.theory == ""


def test_layers_that_no_gradient_reaches_are_named_with_the_cause() -> None:
    zeros = problem(judged(mlp(("Linear", {"init": "zeros"}), ("ReLU", {}), depth=2), "circle"))
    assert zeros.code == "probe/silent"
    assert zeros.what == "No gradient reaches linear_1, linear_2: with these weights, they will not learn."
    assert zeros.cure == ZEROS
    silent = Answer(1, None, {}, ("linear_1", "linear_2"), (0.0, 0.5), 0.7, 1.0)
    dead = problem(verdict(mlp(("Linear", {}), ("ReLU", {})), silent))
    assert (dead.what, dead.cure) == ("No gradient reaches linear_1: with these weights, it will not learn.", DEAD)


def test_a_slow_start_is_told_apart_from_none() -> None:
    slow = Answer(1, None, {}, ("linear_1", "linear_2"), (0.003, 0.6), 0.7, 1.0)
    said = problem(verdict(mlp(("Linear", {}), ("Sigmoid", {})), slow))
    assert said.what.endswith("linear_1 gets 5e-3 of what linear_2 gets, and will learn slowly.")


def test_scales_and_shifts_of_a_norm_are_not_counted_as_layers() -> None:
    graph = mlp(("Linear", {}), ("BatchNorm1d", {}), ("ReLU", {}), depth=2)
    assert judged(graph, "circle").layers == ("linear_1", "linear_2", "linear_3")


def test_a_recurrent_net_has_its_chart_without_an_expectation() -> None:
    found = judged(LSTM, "sunspots")
    assert found.layers == ("lstm_1", "linear_1")
    assert len(found.norms) == 2
    assert found.expected is None
