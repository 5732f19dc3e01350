from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from builder.diagnostic import Refused
from engine.config import SETTINGS
from engine.losses import LOSSES, align, choose, prepare
from tests.engine.drawn import chain, finish, make, table

OUTPUT = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, -3.0]])
LABELS = torch.tensor([0, 2])


def test_every_loss_of_the_settings_has_its_row():
    names = next(p.choices for p in SETTINGS if p.name == "loss")
    assert set(names) == {"auto", *LOSSES}


def test_auto_is_cross_entropy_for_classes_and_mean_squared_error_for_numbers():
    assert choose("auto", "classification").name == "cross_entropy"
    assert choose("auto", "regression").name == "mse"


@pytest.mark.parametrize("name", ["cross_entropy", "bce"])
def test_a_loss_for_classes_is_refused_for_numbers_in_plain_words(name: str):
    with pytest.raises(Refused) as refused:
        choose(name, "regression")
    assert str(refused.value) == (
        f"The loss '{name}' needs classes, and this data has numbers to predict. Use 'auto', 'mse', 'mae' or 'huber'."
    )


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("name", list(LOSSES))
def test_a_loss_on_classes_equals_its_definition(name: str, epsilon: float):
    loss = LOSSES[name]
    q = np.full((2, 3), epsilon / 3)
    q[[0, 1], [0, 2]] += 1 - epsilon
    z = OUTPUT.double().numpy()
    error = np.abs(z - q)
    sigmoid = 1 / (1 + np.exp(-z))
    expected = {
        "cross_entropy": -(q * (z - np.log(np.exp(z).sum(1, keepdims=True)))).sum(1).mean(),
        "mse": (error**2).mean(),
        "mae": error.mean(),
        "huber": np.where(error < 1, error**2 / 2, error - 0.5).mean(),
        "bce": -(q * np.log(sigmoid) + (1 - q) * np.log(1 - sigmoid)).mean(),
    }[name]
    got = loss.compute(OUTPUT, prepare(LABELS, loss, 3), epsilon)
    assert got.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_label_smoothing_leaves_numbers_alone(name: str):
    loss, target = LOSSES[name], torch.tensor([[1.0], [3.0]])
    output = torch.tensor([[0.5], [0.0]])
    assert torch.equal(loss.compute(output, target, 0.4), loss.compute(output, target, 0.0))


def test_a_flat_output_meets_a_column_of_targets_example_by_example():
    output, target = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([[1.0], [2.0], [3.0]])
    loss = LOSSES["mse"]
    assert loss.compute(align(output, 1), prepare(target, loss, 1), 0.0).item() == 0.0


def test_a_flat_target_becomes_a_column():
    assert prepare(torch.tensor([1.0, 2.0]), LOSSES["mse"], 1).shape == (2, 1)


def test_an_output_of_one_pixel_per_class_is_taken_as_its_classes():
    assert torch.equal(align(OUTPUT.reshape(2, 3, 1, 1), 3), OUTPUT)


def test_a_wrong_number_of_outputs_is_told_with_both_numbers():
    with pytest.raises(Refused, match="needs 10 numbers per example from the network, and gets 3"):
        align(OUTPUT, 10)


@pytest.mark.parametrize("name", list(LOSSES))
def test_the_picture_is_half_and_half_where_the_predicted_class_changes(name: str):
    output = torch.tensor([[0.3, 0.3], [0.3, 0.4], [-9.0, -10.0], [5.0, -5.0]])
    share = LOSSES[name].share(output)
    assert bool(((share >= 0) & (share <= 1)).all())
    assert share.sum(1) == pytest.approx(1.0)
    assert share[0, 1] == 0.5
    assert ((share[:, 1] > 0.5) == torch.tensor([False, True, False, False])).all()


@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_a_straight_line_is_learnt_with_every_loss_for_numbers(name: str):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    line = chain(("Input", {"shape": (2,)}), ("Linear", {"out_features": 1}), ("Output", {}))
    data = table(x, (x @ [[0.5], [-1.0]] + 0.25).astype(np.float32))
    point = finish(make(line, data, loss=name, steps=600, knobs={"lr": 0.02}))[-2].body
    assert point["val_metric"] > 0.999


def test_torch_agrees_on_cross_entropy():
    expected = nn.CrossEntropyLoss(label_smoothing=0.2)(OUTPUT, LABELS)
    assert torch.equal(LOSSES["cross_entropy"].compute(OUTPUT, LABELS, 0.2), expected)
