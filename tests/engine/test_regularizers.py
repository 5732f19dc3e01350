from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.knobs import KNOBS
from engine.regularizers import clip, noisy, penalize
from tests.engine.drawn import MLP, advance, make, same, trained

OFF = {k.name: k.default for k in KNOBS}
STRENGTHS = ("l1", "l2", "elastic", "weight_decay", "input_noise", "label_smoothing", "clip_norm", "clip_value")


@pytest.mark.parametrize("name", STRENGTHS)
def test_strength_0_changes_nothing_to_the_bit(name: str):
    assert same(trained(), trained(knobs={name: 0.0}))


@pytest.mark.parametrize("name", STRENGTHS)
def test_some_strength_changes_the_weights(name: str):
    assert not same(trained(), trained(knobs={name: 0.01}))


@settings(max_examples=20, deadline=None)
@given(st.fixed_dictionaries({k: st.floats(0, 1) for k in ("l1", "l2", "elastic", "elastic_mix")}))
def test_penalties_add_the_gradient_that_autograd_finds_to_the_weights_alone(values: dict[str, float]):
    flat = make().flat
    penalize(flat, OFF | values)
    got = [p.grad.clone() for p in flat.tensors]
    for p in flat.tensors:
        p.grad = None
    l1, l2, elastic, mix = (values[k] for k in ("l1", "l2", "elastic", "elastic_mix"))
    terms = [
        l1 * p.abs().sum() + l2 / 2 * p.square().sum()
        + elastic * (mix * p.abs().sum() + (1 - mix) / 2 * p.square().sum())
        for p in flat.tensors
        if p.ndim >= 2
    ]  # fmt: skip
    torch.stack(terms).sum().backward()
    for p, gradient in zip(flat.tensors, got, strict=True):
        expected = p.grad if p.ndim >= 2 else torch.zeros_like(p)
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-6)


def test_clipping_by_norm_equals_torch():
    gradient = torch.randn(50, generator=torch.Generator().manual_seed(0))
    parameter = torch.zeros(50, requires_grad=True)
    parameter.grad = gradient.clone()
    torch.nn.utils.clip_grad_norm_([parameter], 0.5)
    clip(gradient, OFF | {"clip_norm": 0.5})
    torch.testing.assert_close(gradient, parameter.grad)


def test_values_are_clipped_before_the_norm():
    gradient = torch.tensor([3.0, 4.0, 0.0])
    clip(gradient, OFF | {"clip_value": 1.0, "clip_norm": 1.0})
    torch.testing.assert_close(gradient, torch.tensor([0.5**0.5, 0.5**0.5, 0.0]), rtol=1e-5, atol=1e-6)


def test_a_short_gradient_is_not_stretched():
    gradient = torch.tensor([0.3, 0.4])
    clip(gradient, OFF | {"clip_norm": 1.0})
    assert torch.equal(gradient, torch.tensor([0.3, 0.4]))


def test_penalties_join_the_gradient_before_it_is_clipped():
    """A penalty of any strength then moves the weights no further than the clipped gradient may."""
    training = make(optimizer="sgd", knobs={"l2": 1.0, "clip_norm": 0.01, "lr": 1.0})
    before = training.flat.weights.clone()
    advance(training, 1)
    assert torch.linalg.vector_norm(training.flat.weights - before).item() <= 0.01 * 1.0001


def test_decay_shrinks_weights_and_leaves_biases():
    plain, decayed = (
        make(optimizer="sgd", knobs={"lr": 0.1, "weight_decay": wd, "dropout:dropout_1": 0.0}) for wd in (0.0, 0.5)
    )
    start = plain.flat.weights.clone()
    advance(plain, 1)
    advance(decayed, 1)
    n = plain.flat.decayed
    change = plain.flat.weights - decayed.flat.weights
    torch.testing.assert_close(change[:n], start[:n] * 0.1 * 0.5, rtol=1e-4, atol=1e-7)
    assert torch.equal(change[n:], torch.zeros_like(change[n:]))


def test_weights_of_two_axes_are_penalised_and_those_of_norms_and_biases_are_not():
    flat = make().flat
    assert [p.ndim for p in flat.tensors] == [2, 2, 2, 1, 1, 1]
    assert flat.decayed == 2 * 8 + 8 * 8 + 8 * 2


def test_noise_has_the_strength_of_its_knob_and_spares_whole_numbers():
    torch.manual_seed(0)
    x = torch.zeros(20_000)
    assert noisy(x, OFF | {"input_noise": 0.7}).std().item() == pytest.approx(0.7, rel=0.02)
    tokens = torch.arange(5)
    assert noisy(tokens, OFF | {"input_noise": 0.7}) is tokens


def test_a_turned_dropout_is_in_effect_at_the_next_batch():
    training = make(MLP)
    training.set("dropout:dropout_1", 0.95)
    torch.manual_seed(0)
    seen = {}
    training.model(torch.ones(200, 2), tap=lambda node, output: seen.update({node: output}))
    assert float((seen["dropout_1"] == 0).float().mean()) == pytest.approx(0.95, abs=0.02)
    assert np.isclose(training.model.get_submodule("dropout_1").p, 0.95)
