"""Every lane stops where the reference stops, and says the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.config import DataRef
from engine.data import load
from engine.faults import RunFault
from engine.lanes.native import build
from tests.engine.drawn import MLP, RELU, finish, make, weights, with_input

pytestmark = pytest.mark.skipif(build.compiler() is None, reason="there is no C compiler here")


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
@pytest.mark.parametrize("seconds", [0.0, 0.01])
def test_divergence_stops_at_the_step_and_names_the_layer_of_the_reference(optimizer: str, seconds: float):
    settings = {"loss": "mse", "optimizer": optimizer, "knobs": {"lr": 5.0}}
    found = []
    for lane in ("eager", "native"):
        training = make(RELU, lane=lane, **settings)
        training.stride.seconds = seconds
        with pytest.raises(RunFault) as fault:
            finish(training)
        found.append((fault.value.reason, fault.value.node, training.step))
    assert found[0] == found[1]
    assert found[0][1] is not None


def test_a_stride_ends_with_the_batch_whose_loss_is_beyond_the_bound_and_changes_nothing_else():
    settings = {"loss": "mse", "optimizer": "sgd", "knobs": {"lr": 3.0}}
    single, many = (make(RELU, lane="native", **settings) for _ in range(2))
    run = single.run()
    while single.report.newest <= 1000:
        next(run)
    assert single.step > 2
    many.stride.seconds, many.stride.bound, run = 10.0, 1000, many.run()
    while many.step < single.step:
        next(run)
    assert (many.step, many.report.newest) == (single.step, single.report.newest)
    assert all(torch.equal(w, weights(single)[name]) for name, w in weights(many).items())


def test_a_value_that_is_no_number_in_the_data_is_met_at_its_step():
    found = []
    for lane in ("eager", "native"):
        data = load(DataRef("spiral"))
        x = data.x_train.copy()  # what is loaded is shared
        x[17] = np.nan
        training = make(MLP, with_input(data, x), lane=lane)
        with pytest.raises(RunFault) as fault:
            finish(training)
        found.append((fault.value.reason, training.step, weights(training)))
    assert found[0][:2] == found[1][:2]
    assert all(bool(w.isfinite().all()) for w in found[1][2].values())
