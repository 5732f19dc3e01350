from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
import torch

from engine.boundary import SIDE, Boundary
from engine.data import DataRef, load
from engine.losses import choose
from tests.engine.drawn import advance, chain, make

PLANE = chain(("Input", {"shape": (2,)}), ("Linear", {"out_features": 1}), ("Output", {}))
CPU = torch.device("cpu")


def pixels(body: dict[str, Any]) -> np.ndarray:
    """(row, column), row 0 at y lo."""
    return np.frombuffer(base64.b64decode(body["z"]), np.uint8).reshape(body["n"], body["n"])


class Rule(torch.nn.Module):
    """Computes its output from raw coordinates, so that the picture can be told beforehand."""

    def __init__(self, data: Any, rule: Any) -> None:
        super().__init__()
        self.data, self.rule = data, rule

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        raw = self.data.scaler.inverse(z.numpy())
        return torch.from_numpy(self.rule(raw).astype(np.float32))


def test_the_share_of_class_1_is_drawn_where_it_belongs_in_raw_coordinates():
    data = load(DataRef("circle"))
    rule = Rule(data, lambda raw: np.stack([0 * raw[:, 0], 3 * raw[:, 0] + raw[:, 1]], 1))
    body = Boundary(rule, choose("auto", "classification"), data, CPU).body()
    assert body is not None
    assert (body["mode"], body["n"]) == ("share", SIDE)
    x, y = (np.linspace(*body[k], SIDE) for k in "xy")
    logit = 3 * x[None, :] + y[:, None]
    assert np.abs(pixels(body) - 255 / (1 + np.exp(-logit))).max() <= 0.6


def test_the_picture_covers_all_data_with_a_margin():
    data = load(DataRef("spiral"))
    body = Boundary(Rule(data, lambda raw: raw), choose("auto", "classification"), data, CPU).body()
    assert body is not None
    raw = data.scaler.inverse(np.concatenate([data.x_train, data.x_val]))
    for axis, key in enumerate("xy"):
        width = np.ptp(raw[:, axis])
        assert body[key] == pytest.approx([raw[:, axis].min() - 0.1 * width, raw[:, axis].max() + 0.1 * width])


def test_values_are_drawn_between_the_least_and_the_greatest_in_units_of_the_target():
    data = load(DataRef("plane"))
    assert data.target_scaler is not None
    rule = Rule(data, lambda raw: data.target_scaler.apply(raw[:, :1] * 2.0))
    body = Boundary(rule, choose("auto", "regression"), data, CPU).body()
    assert body is not None
    assert body["mode"] == "value"
    assert [body["zlo"], body["zhi"]] == pytest.approx([2 * body["x"][0], 2 * body["x"][1]], rel=1e-4)
    row = pixels(body)[0]
    assert row[0] == 0
    assert row[-1] == 255
    assert np.abs(row - np.linspace(0, 255, SIDE)).max() <= 1


@pytest.mark.parametrize("loss", ["cross_entropy", "bce", "mse"])
def test_a_picture_comes_with_every_loss_for_classes(loss: str):
    events = advance(make(every=1, loss=loss), 1)
    body = next(e.body for e in events if e.kind == "boundary")
    assert pixels(body).shape == (SIDE, SIDE)
    assert len(set(pixels(body).reshape(-1).tolist())) > 1


def test_an_output_that_is_not_finite_draws_nothing():
    data = load(DataRef("circle"))
    rule = Rule(data, lambda raw: raw * np.inf)
    assert Boundary(rule, choose("auto", "classification"), data, CPU).body() is None


def test_only_data_in_the_plane_has_a_boundary():
    fits = {name: Boundary.fits(load(DataRef(name))) for name in ("moons", "plane", "sine", "iris", "digits")}
    assert fits == {"moons": True, "plane": True, "sine": False, "iris": False, "digits": False}


def test_drawing_leaves_the_network_in_training_mode():
    training = make(PLANE, "plane", every=1)
    advance(training, 1)
    assert training.model.training
