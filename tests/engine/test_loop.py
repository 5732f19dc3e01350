from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from builder.diagnostic import Diagnostic, Refused
from builder.graph import Edge, Graph, Node
from engine.batches import Batches
from engine.config import DataRef
from engine.data import load
from engine.events import Event
from engine.lanes.eager import Eager
from engine.loop import Training
from tests.engine.drawn import (
    CNN,
    LSTM,
    MLP,
    advance,
    chain,
    finish,
    make,
    same,
    trained,
    weights,
    with_input,
)

PLAIN = chain(("Input", {"shape": (64,)}), ("Linear", {"out_features": 32}), ("ReLU", {}),
              ("Linear", {"out_features": 10}), ("Output", {}))  # fmt: skip


def of(kind: str, events: list[Event]) -> list[Event]:
    return [e for e in events if e.kind == kind]


def test_the_loop_is_the_textbook_loop():
    """The same batches through nn.Module, autograd and torch.optim, written as in any tutorial."""
    data = load(DataRef("digits"))
    flat = with_input(data, data.x_train.reshape(-1, 64), data.x_val.reshape(-1, 64))
    training = make(PLAIN, flat, knobs={"lr": 0.01})
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    for ours, theirs in zip(training.model.parameters(), model.parameters(), strict=True):
        theirs.data.copy_(ours.data)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        xb, yb = advance_batches(training)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(xb), yb).backward()
        optimizer.step()
    for ours, theirs in zip(training.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def advance_batches(training: Training) -> tuple[torch.Tensor, torch.Tensor]:
    """Trains one batch and gives it."""
    twin = Batches(training.batches.inputs, training.batches.targets, training.batches.seed)
    twin.restore(training.batches.state())
    advance(training, 1)
    (inputs,), (targets,) = twin.next(32)
    return inputs, targets


def test_the_loss_falls_as_with_a_data_loader():
    data = load(DataRef("digits"))
    flat = with_input(data, data.x_train.reshape(-1, 64), data.x_val.reshape(-1, 64))
    point = of("point", finish(make(PLAIN, flat, steps=135, knobs={"lr": 0.01})))[-1].body
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loader = DataLoader(TensorDataset(torch.from_numpy(flat.x_train), torch.from_numpy(flat.y_train)), 32, True)
    for _ in range(3):
        for xb, yb in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(xb), yb).backward()
            optimizer.step()
    with torch.no_grad():
        theirs = nn.functional.cross_entropy(model(torch.from_numpy(flat.x_val)), torch.from_numpy(flat.y_val))
    assert point["val_loss"] == pytest.approx(float(theirs), abs=0.08)
    assert point["val_metric"] > 0.9


def test_each_next_trains_exactly_one_batch_and_the_run_ends_after_its_steps():
    training = make(steps=7)
    steps = [training.step for _ in training.run()]
    assert steps == [1, 2, 3, 4, 5, 6, 7]


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    assert same(trained(), trained())
    assert not same(trained(), trained(seed=4))


def test_the_first_and_the_last_step_have_a_point_with_every_number():
    events = finish(make(steps=9))
    points = of("point", events)
    assert [p.step for p in points] == [1, 9]
    for point in points:
        assert all(v is not None for v in point.body.values())
        assert point.body["gap"] == pytest.approx(point.body["val_loss"] - point.body["train_loss"], abs=1e-5)
    assert events[-1] == Event("state", 9, {"state": "finished", "reason": "All 9 steps are done.", "node": None,
                                            "queue": None})  # fmt: skip


def test_a_point_tells_what_a_slow_evaluation_finds():
    training = make(CNN, "digits", every=5, knobs={"label_smoothing": 0.3})
    point = of("point", advance(training, 5))[-1].body
    model, data = training.model.eval(), training.data
    with torch.no_grad():
        output = model(torch.from_numpy(data.x_val)).double()
    labels = torch.from_numpy(data.y_val)
    assert point["val_loss"] == pytest.approx(nn.functional.cross_entropy(output, labels).item(), rel=1e-5)
    right = [int(o.argmax()) == int(c) for o, c in zip(output, labels, strict=True)]
    assert point["val_metric"] == pytest.approx(sum(right) / len(right))


def test_r2_is_1_less_the_share_of_the_variance_that_is_left():
    training = make(LSTM, "sunspots", every=5)
    point = of("point", advance(training, 5))[-1].body
    with torch.no_grad():
        output = training.model.eval()(torch.from_numpy(training.data.x_val)).double().numpy()
    target = training.data.y_val.astype(np.float64)
    expected = 1 - ((target - output) ** 2).sum() / ((target - target.mean()) ** 2).sum()
    assert point["val_metric"] == pytest.approx(expected, rel=1e-5)


def test_the_batch_loss_is_the_mean_since_the_last_point():
    each = [p.body["batch_loss"] for p in of("point", finish(make(every=1, steps=9)))]
    rare = [p.body["batch_loss"] for p in of("point", finish(make(every=4, steps=9)))]
    assert rare == pytest.approx([each[0], np.mean(each[1:4]), np.mean(each[4:8]), each[8]], rel=1e-5)


def test_started_tells_what_the_page_needs():
    body = make(CNN, "digits").started().body
    assert body["layers"] == [
        {"id": "conv2d_1", "type": "Conv2d", "label": "", "params": 40},
        {"id": "batchnorm2d_1", "type": "BatchNorm2d", "label": "", "params": 8},
        {"id": "linear_1", "type": "Linear", "label": "", "params": 1450},
    ]
    assert (body["task"], body["metric"], body["lane"]) == ("classification", "accuracy", "eager")
    assert (body["n_train"], body["n_val"], len(body["classes"])) == (1438, 359, 10)
    assert body["resumed_from"] is None


def test_the_one_step_fits_on_a_screen():
    step = inspect.getsource(Eager.train) + inspect.getsource(Training.backward)
    assert len(step.splitlines()) < 60


class TestKnobs:
    @pytest.mark.parametrize(
        ("name", "value"),
        [("lr", 0.1), ("momentum", 0.5), ("batch_size", 7), ("l1", 0.01), ("l2", 0.01), ("elastic", 0.01),
         ("weight_decay", 0.1), ("input_noise", 0.5), ("label_smoothing", 0.2), ("clip_norm", 0.01),
         ("clip_value", 0.001), ("dropout:dropout_1", 0.6), ("dropout", 0.6)],
    )  # fmt: skip
    def test_a_turned_knob_acts_from_the_next_batch_on_and_resets_nothing(self, name: str, value: float):
        plain, turned = make(), make()
        advance(plain, 10)
        torch.manual_seed(0)
        plain_after = self.go_on(plain)
        torch.manual_seed(3)
        advance(turned, 10)
        before, moments = weights(turned), turned.optimizer.state["mean"].clone()
        event = turned.set(name, value)
        assert isinstance(event, Event)
        assert (event.kind, event.step, event.body["name"], event.body["new"]) == ("knob", 10, name, value)
        assert same(before, weights(turned))
        assert torch.equal(moments, turned.optimizer.state["mean"])
        torch.manual_seed(0)
        assert not same(plain_after, self.go_on(turned))

    @staticmethod
    def go_on(training: Training) -> dict[str, torch.Tensor]:
        advance(training, 1)
        return weights(training)

    def test_the_event_tells_the_old_value(self):
        training = make(knobs={"lr": 0.02})
        found = training.set("lr", 0.5)
        assert isinstance(found, Event)
        assert found.body == {"name": "lr", "old": 0.02, "new": 0.5}

    def test_turning_there_and_back_changes_nothing(self):
        training = make()
        advance(training, 10)
        for value in (0.5, 0.01):
            training.set("lr", value)
        advance(training, 10)
        assert same(weights(training), trained(20))

    @pytest.mark.parametrize(
        ("name", "value"),
        [("lr", -1), ("lr", float("nan")), ("lr", "fast"), ("batch_size", 0), ("warp", 1), ("dropout:nowhere", 0.1)],
    )
    def test_what_does_not_fit_is_refused_and_changes_nothing(self, name: str, value: Any):
        training = make()
        before = dict(training.tuning.values)
        assert isinstance(training.set(name, value), Diagnostic)
        assert training.tuning.values == before

    def test_dropout_in_a_network_without_one_is_refused_in_plain_words(self):
        found = make(CNN, "digits").set("dropout", 0.5)
        assert isinstance(found, Diagnostic)
        assert found.what == "The dropout knob needs a Dropout layer, and this network has none."

    def test_bad_knobs_of_a_config_are_refused_together(self):
        with pytest.raises(Refused) as refused:
            make(knobs={"lr": -1, "warp": 1})
        assert len(refused.value.diagnostics) == 2

    def test_a_batch_of_one_is_refused_where_batch_norm_could_not_work(self):
        graph = chain(("Input", {"shape": (2,)}), ("Linear", {"out_features": 4}), ("BatchNorm1d", {}),
                      ("Linear", {"out_features": 2}), ("Output", {}))  # fmt: skip
        found = make(graph).set("batch_size", 1)
        assert isinstance(found, Diagnostic)
        assert (found.code, found.node) == ("knob/batch-norm", "batchnorm1d_1")
        assert isinstance(make(CNN, "digits").set("batch_size", 1), Event)  # 6 × 6 places vary enough


class TestBatches:
    @pytest.mark.parametrize(("n", "size", "sizes"), [(10, 5, [5, 5]), (10, 4, [4, 4, 2]), (9, 4, [4, 5]),
                                                      (3, 1, [1, 1, 1]), (5, 100, [5])])  # fmt: skip
    def test_every_example_comes_once_per_epoch(self, n: int, size: int, sizes: list[int]):
        batches = Batches([torch.arange(n)], [torch.arange(n)], 0)
        for _ in range(3):
            drawn = [(x, y) for (x,), (y,) in (batches.next(size) for _ in sizes)]
            assert [len(x) for x, _ in drawn] == sizes
            assert sorted(torch.cat([x for x, _ in drawn]).tolist()) == list(range(n))
            assert all(torch.equal(x, y) for x, y in drawn)

    def test_the_order_follows_from_seed_and_epoch_and_not_from_the_batch_size(self):
        def order(seed: int, size: int) -> list[int]:
            batches = Batches([torch.arange(60)], [torch.arange(60)], seed)
            return torch.cat([batches.next(size)[0][0] for _ in range(120 // size)]).tolist()

        assert order(1, 10) == order(1, 20)
        assert order(1, 10) != order(2, 10)
        assert order(1, 10)[:60] != order(1, 10)[60:]


class TestEarlyStopping:
    SETTINGS: dict[str, Any] = {"early_stopping": True, "patience": 50, "steps": 5000, "knobs": {"lr": 0.3}}  # noqa: RUF012

    def test_it_stops_when_the_validation_loss_no_longer_improves_and_puts_the_best_weights_back(self):
        training = make(**self.SETTINGS)
        ending = finish(training)[-1]
        best = training.best
        assert best is not None
        assert ending.step == best.step + 50 < 5000
        assert ending.body["reason"] == (
            "The validation loss has not improved for 50 steps. "
            f"The weights of step {best.step} were the best and are back in place."
        )
        assert same(weights(training), dict(best.weights))
        assert training.evaluator.on_validation().loss == best.meta["val_loss"]

    def test_it_does_not_depend_on_when_one_looks(self):
        ends = []
        for every in (1, 3, 10**6):
            training = make(**self.SETTINGS, every=every)
            ends.append((finish(training)[-1], weights(training)))
        assert all(end[0] == ends[0][0] and same(end[1], ends[0][1]) for end in ends)

    def test_who_goes_on_after_it_has_new_patience(self):
        training = make(**self.SETTINGS)
        first = finish(training)[-1].step
        second = make(**self.SETTINGS, resume=training.checkpoint())
        assert finish(second)[-1].step >= first + 50

    def test_without_it_all_steps_are_done_and_the_last_weights_stay(self):
        training = make(**self.SETTINGS | {"early_stopping": False, "steps": 200}, every=10)
        assert finish(training)[-1].step == 200
        best = training.best
        assert best is not None
        assert not same(weights(training), dict(best.weights))


def test_an_output_that_the_data_has_nothing_for_is_refused_in_plain_words():
    graph: Graph = MLP.add(Node("output_2", "Output"), [Edge("linear_3", "output_2")])
    with pytest.raises(Refused, match="The data has nothing for output_2"):
        make(graph)
