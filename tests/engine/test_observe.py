"""Watching: when it happens, what it costs, and that it changes nothing."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.log import Log
from engine.loop import Training
from engine.pace import EVERYTHING, INSIDE, EveryN, Governor, Ledger, Toll
from engine.quantities.quantity import numbers
from engine.recorder import Recorder
from engine.report import POINT
from tests.engine.drawn import CASES, CNN, advance, finish, make, same, trained, weights


@pytest.mark.parametrize("case", list(CASES))
def test_two_hundred_steps_are_the_same_to_the_bit_watched_or_not(case: str):
    graph, data = CASES[case]
    knobs = {"input_noise": 0.1, "l2": 0.001}
    start = weights(make(graph, data))
    unwatched = trained(200, graph, data, watch=False, every=10**9, knobs=knobs)
    assert not same(start, unwatched)
    for every in (1, 7):
        assert same(unwatched, trained(200, graph, data, every=every, knobs=knobs))


def test_the_governor_changes_nothing_either():
    governed = make(watch=True)
    governed.report.pace = Governor()
    advance(governed, 200)
    assert same(weights(governed), trained(200, watch=False))


def test_an_evaluation_leaves_dropout_and_batch_norm_in_training_mode():
    for graph, data in CASES.values():
        training = make(graph, data, every=1)
        advance(training, 1)
        assert all(module.training for module in training.model.modules())


def test_an_observed_step_leaves_the_random_stream_alone():
    states = []
    for every in (1, 10**9):
        advance(make(every=every), 5)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


def test_every_event_is_json_with_finite_numbers():
    for event in finish(make(every=2, steps=6)):
        assert json.loads(json.dumps(event.body, allow_nan=False)) == event.body


def test_lists_of_a_layers_event_match_the_started_event():
    training = make(every=1)
    started = training.started().body
    body = next(e.body for e in advance(training, 1) if e.kind == "layers")
    assert {k: len(v) for k, v in body.items()} == {
        **dict.fromkeys(("grad_norm", "weight_norm", "update_ratio"), len(started["layers"])),
        **dict.fromkeys(("mean", "std", "dead", "saturated"), len(started["activations"])),
    }
    assert [n["kind"] for n in started["activations"]] == ["", "tanh", "", "relu", ""]
    assert [s is not None for s in body["saturated"]] == [False, True, False, False, False]
    assert [d is not None for d in body["dead"]] == [False, False, False, True, False]


def test_without_watching_only_points_come():
    assert {e.kind for e in finish(make(watch=False, every=1, steps=5))} == {"point", "state"}


def test_numbers_that_json_cannot_hold_become_none():
    assert numbers([1.23456789, None, math.nan, math.inf]) == [1.23457, None, None, None]


@given(st.lists(st.floats(1e-17, 1e300) | st.floats(-1e300, -1e-17) | st.just(0.0), max_size=20))
def test_numbers_are_those_that_python_writes_with_six_digits(values: list[float]):
    exact = [float(f"{v:.6g}") for v in values]
    assert numbers(values) == pytest.approx(exact, rel=1.1e-5)  # halfway between two, the last digit may differ
    short = [v for v in values if abs(v) < 1e15 or v == 0]
    assert all(len(repr(n).lstrip("-").replace(".", "").split("e")[0].strip("0")) <= 6 for n in numbers(short))


def simulate(step_cost: float, costs: dict[str, float], seconds: float) -> tuple[list[frozenset[str]], float]:
    """The looks of each step on a made-up clock, and the seconds that passed."""
    now, found = 0.0, []
    governor = Governor(lambda: now)
    while now < seconds:
        looks = governor.due(len(found) + 1, now)
        found.append(looks)
        now += step_cost + sum(costs[look] for look in looks)
        for look in looks:
            governor.paid(look, now, costs[look])
    return found, now


@settings(max_examples=25, deadline=None)
@given(st.floats(2e-4, 0.5), st.floats(1e-5, 0.2), st.floats(1e-5, 0.5))
def test_watching_keeps_to_its_share_whatever_steps_and_looks_cost(step: float, layers: float, evaluation: float):
    costs = {"point": 0.0, "evaluation": evaluation, "layers": layers, "hist": layers / 2, "boundary": layers}
    found, now = simulate(step, costs, 20.0)
    spent = {look: sum(look in looks for looks in found) * costs[look] for look in EVERYTHING}
    for look, budget in Governor().budgets.items():
        first = costs[look]  # comes in any case
        assert spent[look] <= budget.share * (now + budget.credit) + first + 1e-9
    inside = sum(spent[look] for look in EVERYTHING - {"evaluation"})
    assert inside <= 0.02 * (now + Governor().together.credit) + sum(costs.values()) - evaluation + 1e-9


@pytest.mark.parametrize("step", [0.0003, 0.01, 0.2, 1.0])
def test_layers_are_never_looked_at_in_two_steps_in_a_row(step: float):
    costs = dict.fromkeys(EVERYTHING, 1e-4)
    found, _ = simulate(step, costs, 30.0)
    inside = [bool(looks & INSIDE) for looks in found]
    assert any(inside)
    assert not any(a and b for a, b in pairwise(inside))


def test_cheap_looks_come_at_their_full_rate():
    costs = dict.fromkeys(EVERYTHING, 1e-5) | {"point": 0.0}
    found, now = simulate(0.0003, costs, 10.0)
    rate = {look: count / now for look, count in Counter(look for looks in found for look in looks).items()}
    assert 9.5 <= rate["point"] <= 10.2
    assert 9.5 <= rate["layers"] <= 10.2
    assert 1.8 <= rate["hist"] <= 2.2
    assert 2.3 <= rate["boundary"] <= 3.5


def test_a_dear_look_is_not_kept_waiting_for_ever_by_cheap_ones():
    """Costs as those of four copies of a small network."""
    costs = {"point": 6e-5, "evaluation": 3e-3, "layers": 2.2e-3, "hist": 7e-4, "boundary": 4.1e-3}
    found, now = simulate(0.0003, costs, 30.0)
    times = Counter(look for looks in found for look in looks)
    assert times["boundary"] * costs["boundary"] > 0.75 * 0.005 * now
    assert times["layers"] * costs["layers"] > 0.5 * 0.016 * now
    assert times["point"] > 9 * now


def test_looks_fall_on_common_ticks():
    found, _ = simulate(0.0003, dict.fromkeys(EVERYTHING, 1e-5) | {"point": 0.0}, 10.0)
    assert sum(bool(looks) for looks in found) <= 102


def test_what_cannot_be_looked_at_interrupts_no_step():
    """A network without a decision boundary is not stopped every few milliseconds to draw none."""
    training = make(CNN, "digits")
    training.report.pace = Governor()
    assert training.report.due(1, 0.0) == EVERYTHING - {"boundary"}
    assert make(watch=False).report.due(1, 0.0) == POINT


def test_the_toll_of_a_step_is_what_it_takes_beyond_one_that_is_not_looked_at():
    now = [0.0]
    toll = Toll(Ledger(lambda: now[0]))

    def train(seconds: float, steps: int, looked: bool) -> None:
        toll.begin(looked)
        now[0] += seconds
        toll.trained(steps)
        now[0] += 5.0  # an evaluation, or the turn of another copy

    train(9.0, 1, looked=True)
    assert toll.cost == 0.0  # nobody knows yet what a step takes
    train(1.0, 10, looked=False)
    train(3.0, 10, looked=False)  # is not timed any more
    train(0.7, 1, looked=True)
    assert toll.cost == pytest.approx(0.6)
    train(0.7, 1, looked=True)
    assert toll.cost == pytest.approx(0.6)
    assert toll.ledger.entries["interruption"] == [pytest.approx(1.2), 3]
    train(1.7, 1, looked=True)  # by chance: one of ten does not count for ten
    assert toll.cost == pytest.approx(0.7)


def test_what_the_observer_pays_for_itself_is_no_toll():
    now = [0.0]
    toll = Toll(Ledger(lambda: now[0]))
    toll.begin(looked_into=False)
    now[0] += 0.1
    toll.trained(1)
    toll.begin(looked_into=True)
    now[0] += 0.5
    toll.trained(1, looking=0.3)
    assert toll.cost == pytest.approx(0.1)


def test_writing_down_what_is_seen_is_paid_for_and_told(tmp_path):
    training = make()
    training.report.pace = governor = Governor()
    training.report.recorded(0.0, 0.25)
    assert governor.together.spent == 0.25
    assert training.report.ledger.body()["spent"]["recording"] == [0.25, 1]
    recorder = Recorder(Log(tmp_path / "log.sqlite"))
    recorder.add(training.started())
    assert recorder.write(0.0) > 0
    assert recorder.write(0.0) == 0.0  # there is nothing more
    recorder.add(training.started())
    assert recorder.write(0.0) == 0.0  # nor is it time yet


def test_the_first_step_looks_at_everything_at_once():
    assert Governor().due(1, 0.0) == EVERYTHING


def test_points_without_an_evaluation_say_none():
    """A look that is too dear to repeat leaves the loss of the batches, which costs nothing."""
    training: Training = make(every=1, steps=50)
    training.report.pace = PointsOnly()
    points = [e for e in finish(training) if e.kind == "point"]
    assert [p.body["val_loss"] is not None for p in points] == [True, *[False] * 48, True]
    assert all(p.body["batch_loss"] is not None for p in points)
    assert all(p.body["gap"] is None and p.body["train_metric"] is None for p in points[1:-1])


class PointsOnly(EveryN):
    def __init__(self) -> None:
        super().__init__(1)

    def due(self, step: int, now: float) -> frozenset[str]:
        return frozenset(("point",))
