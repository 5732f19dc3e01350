"""What breaks a training: where it stops, which layer is named, what is offered."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine.faults import RunFault
from engine.lanes.native import build
from tests.engine.drawn import (
    CASES,
    CNN,
    advance,
    chain,
    finish,
    make,
    same,
    table,
    weights,
)


@pytest.mark.parametrize(
    ("optimizer", "lr", "cure"),
    [
        ("sgd", 10.0, "Lower the learning rate, or clip the gradient norm (for example at 1)."),
        ("adam", 1e30, "Lower the learning rate."),
    ],
)
def test_a_learning_rate_that_is_too_high_is_told_with_the_layer_and_a_cure(optimizer, lr, cure):
    deep = chain(("Input", {"shape": (10,)}), ("Linear", {"out_features": 8}), ("ReLU", {}),
                 ("Linear", {"out_features": 1}), ("Output", {}))  # fmt: skip
    training = make(deep, "diabetes", optimizer=optimizer)
    training.tuning.values = training.tuning.values | {"lr": lr}
    with pytest.raises(RunFault) as fault:
        finish(training)
    assert fault.value.node in ("linear_1", "linear_2", "output_1")
    assert fault.value.reason.startswith(f"Training stopped at step {training.step + 1}: the ")
    assert fault.value.reason.endswith(f". {cure}")
    assert "linear" in fault.value.reason or "output" in fault.value.reason


def test_the_first_layer_with_an_infinite_output_is_named_by_its_label():
    graph = CASES["mlp with dropout"][0].set_label("linear_2", "Middle")
    training = make(graph)
    advance(training, 2)
    place = training.flat.layers.index("linear_2")
    parameter = next(p for p, i in zip(training.flat.tensors, training.flat.layer_of, strict=True) if i == place)
    parameter.data.fill_(3e38)
    with pytest.raises(RunFault) as fault:
        advance(training, 1)
    assert fault.value.node == "linear_2"
    assert "It shows first in 'Middle': its output is no longer a finite number." in fault.value.reason


@pytest.mark.parametrize("lane", ["eager", *(["native"] if build.compiler() else [])])
def test_weights_that_an_update_made_infinite_are_named_and_not_what_they_put_out(lane):
    training = make(lane=lane, optimizer="sgd")
    advance(training, 2)
    place = training.flat.layers.index("linear_1")
    parameter = next(p for p, i in zip(training.flat.tensors, training.flat.layer_of, strict=True) if i == place)
    parameter.data[0] = math.inf
    with pytest.raises(RunFault, match=r"step 3: .* in 'linear_1': one of its weights is no longer a finite"):
        advance(training, 1)


def test_a_loss_that_overflows_is_told_in_the_layer_where_values_began_to_grow():
    training = make(
        chain(("Input", {}), ("Linear", {"out_features": 4}), ("Linear", {"out_features": 1}), ("Output", {})),
        "plane",
    )
    training.flat.weights.fill_(1e12)  # squared, 1e24 · 1e24 is no float32
    with pytest.raises(RunFault, match=r"the loss became infinite\. It shows first in 'linear_1': its output has gr"):
        advance(training, 1)


def test_gradients_too_large_for_the_memory_of_the_optimizer_are_told_at_the_next_checkpoint():
    training = make()
    advance(training, 1)
    training.optimizer.step(torch.full_like(training.flat.gradient, 1e22), 0.01, 0.9)  # 1e44 is no float32
    with pytest.raises(RunFault, match="too large for the optimizer, which keeps their squares") as fault:
        training.checkpoint()
    assert fault.value.node == training.flat.layers[-1]


def test_running_averages_that_became_infinite_are_told_in_their_layer():
    training = make(CNN, "digits")
    advance(training, 1)
    training.model.get_submodule("batchnorm2d_1").running_var.fill_(math.inf)
    with pytest.raises(RunFault, match="shows first in 'batchnorm2d_1'"):
        training.checkpoint()


def test_a_gradient_that_breaks_alone_names_the_layer_nearest_to_the_loss():
    training = make()

    def poison(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        if output.requires_grad:
            output.register_hook(lambda gradient: gradient * float("nan"))

    # What flows back from linear_2 is then NaN, in the gradients of linear_2 and of linear_1 before it.
    training.model.get_submodule("linear_2").register_forward_hook(poison)
    before = weights(training)
    with pytest.raises(RunFault, match="the gradient became NaN or infinite") as fault:
        advance(training, 1)
    assert fault.value.node == "linear_2"
    assert same(before, weights(training))


def test_nan_in_the_data_never_reaches_the_weights():
    x = np.random.default_rng(0).normal(size=(40, 3))
    x[7] = np.nan
    graph = chain(("Input", {"shape": (3,)}), ("Linear", {"out_features": 1}), ("Output", {}))
    training = make(graph, table(x, np.ones((40, 1), np.float32)), knobs={"batch_size": 4})
    with pytest.raises(RunFault, match="the loss became NaN"):
        finish(training)
    assert bool(training.flat.weights.isfinite().all())
    assert training.checkpoint().step == training.step < 5


def test_running_out_of_memory_names_the_layer_that_was_computed():
    training = make(CNN, "digits")
    advance(training, 1)

    def full(_module: nn.Module, _inputs: Any) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    training.model.get_submodule("batchnorm2d_1").register_forward_pre_hook(full)
    with pytest.raises(RunFault) as fault:
        advance(training, 1)
    assert fault.value.node == "batchnorm2d_1"
    assert fault.value.reason == (
        "The memory ran out at step 2 while 'batchnorm2d_1' was computed. Use a smaller batch size or a smaller "
        "network."
    )


def test_a_real_allocation_that_is_too_large_is_known_as_such():
    training = make()

    def greedy(_module: nn.Module, _inputs: Any) -> None:
        torch.empty(2**60)

    training.model.get_submodule("relu_1").register_forward_pre_hook(greedy)
    with pytest.raises(RunFault, match="memory ran out") as fault:
        advance(training, 1)
    assert fault.value.node == "relu_1"


def test_a_mistake_of_ours_is_not_passed_off_as_one_of_theirs():
    training = make()

    def wrong(_module: nn.Module, _inputs: Any) -> None:
        raise RuntimeError("shape mismatch")

    training.model.get_submodule("relu_1").register_forward_pre_hook(wrong)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        advance(training, 1)
