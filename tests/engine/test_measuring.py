"""What is asked for comes, changes nothing, and keeps to its budget."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.graph import Graph
from engine.agenda import SHARE
from engine.events import MEASUREMENTS as NAMES
from engine.events import Event
from engine.lanes.native import build
from engine.loop import Training
from engine.measuring import Measuring
from engine.pace import Budget, Governor, Ledger
from engine.quantities import READINGS
from engine.quantities.studies import STUDIES
from tests.engine.drawn import CASES, MLP, advance, chain, finish, make, same, trained, weights

KNOBS = {"input_noise": 0.1, "l2": 0.001, "weight_decay": 0.01}
STUDY_NAMES = [study.name for study in STUDIES]


def measuring(training: Training) -> Measuring:
    assert training.report.measuring is not None
    return training.report.measuring


def ask(training: Training, *names: str, free: bool = True) -> Training:
    """With ``free`` as often as can be, which a clock must not decide in a test."""
    if free:
        measuring(training).for_readings = measuring(training).for_studies = Budget(math.inf, math.inf)
    for name in names:
        assert measuring(training).ask(name) is None
    return training


def kinds(events: list[Event]) -> Counter[str]:
    return Counter(event.kind for event in events)


@pytest.mark.parametrize("case", list(CASES))
@pytest.mark.parametrize("lane", ["eager", "auto"])
def test_measuring_everything_changes_no_bit_in_any_lane(case: str, lane: str):
    if build.compiler() is not None:
        build.made()
    graph, data = CASES[case]
    bare = trained(140, graph, data, watch=False, every=10**9, knobs=KNOBS, lane=lane)
    training = ask(make(graph, data, every=3, knobs=KNOBS, lane=lane), *NAMES)
    found = kinds(advance(training, 140))
    assert all(found[name] for name in NAMES), found
    assert same(weights(training), bare)
    assert all(module.training for module in training.model.modules())


def test_the_random_stream_stays_where_it_was():
    states = []
    for names in ((), NAMES):
        training = ask(make(every=2), *names)
        advance(training, 40)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


def test_fast_kernels_are_on_again_after_a_study_that_could_not_use_them():
    before = torch.backends.mkldnn.enabled
    graph, data = CASES["lstm"]
    advance(ask(make(graph, data), "sharpness"), 5)
    assert torch.backends.mkldnn.enabled == before


def test_nothing_is_measured_that_is_not_asked_for():
    assert not set(kinds(advance(make(every=1), 5))) & set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_comes_when_it_is_asked_for_and_no_more_when_it_is_not(name: str):
    training = ask(make(every=1), name)
    found = kinds(advance(training, 120))
    assert found[name] >= 2
    assert not set(found) & (set(NAMES) - {name})
    measuring(training).ask(name, on=False)
    assert not kinds(advance(training, 20))[name]


def test_the_first_reading_comes_with_the_next_step_though_no_look_is_due():
    training = make(every=1000)
    advance(training, 3)
    ask(training, "rank", free=False)
    assert [(e.kind, e.step) for e in advance(training, 2) if e.kind in NAMES] == [("rank", 4)]


def test_a_study_tells_the_step_whose_weights_it_looked_at():
    training = ask(make(every=1000), "sharpness")
    event = next(e for e in advance(training, 60) if e.kind == "sharpness")
    assert event.step == 1
    assert training.step == 60


def test_a_run_that_stands_still_is_studied_at_once():
    training = make(every=1000)
    advance(training, 5)
    ask(training, *STUDY_NAMES, free=False)
    before = weights(training)
    found = measuring(training).complete()
    assert sorted(e.kind for e in found) == sorted(STUDY_NAMES)
    assert {e.step for e in found} == {5}
    assert measuring(training).complete() == ()
    assert same(before, weights(training))


def test_all_bodies_are_json_with_finite_numbers():
    for event in advance(ask(make(every=2), *NAMES), 200):
        assert json.loads(json.dumps(event.body, allow_nan=False)) == event.body


def test_lists_match_the_started_event():
    training = ask(make(every=1), *NAMES)
    started, bodies = training.started().body, {e.kind: e.body for e in advance(training, 200)}
    layers, activations = len(started["layers"]), len(started["activations"])
    assert len(bodies["cosine"]["layers"]) == layers
    assert {len(v) for v in bodies["penalty"].values()} == {layers}
    assert len(bodies["gain"]["gain"]) == len(bodies["rank"]["rank"]) == activations
    assert len(bodies["rank"]["most"]) == len(bodies["duplicates"]["share"]) == activations


def test_an_unknown_measurement_is_refused_by_name():
    problem = measuring(make()).ask("entropy")
    assert problem is not None
    assert problem.code == "measure/unknown"
    assert "'entropy'" in problem.what
    assert "sharpness" in problem.cure


def test_a_network_that_cannot_be_studied_goes_on_training_and_is_told_so(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any) -> Any:
        raise NotImplementedError("derivative for aten::op is not implemented")

    monkeypatch.setattr("engine.quantities.study.Mirror.curvature", fail)
    training = ask(make(every=1000), "sharpness", "noise")
    events = advance(training, 40)
    told = [e.body for e in events if e.kind == "diagnostic"]
    assert [d["code"] for d in told] == ["measure/impossible"]
    assert "aten" not in json.dumps(told)
    assert kinds(events)["noise"]
    assert training.step == 40


def test_what_watching_costs_is_taken_down_by_name():
    training = ask(make(every=2), *NAMES)
    events = advance(training, 200)
    body = measuring(training).costs()
    assert body["asked"] == sorted(NAMES)
    assert {"grad_norm", "mean", "hist", "evaluation", "boundary", *NAMES} <= set(body["spent"])
    assert body["spent"]["rank"][1] == kinds(events)["rank"]
    assert 0 < sum(seconds for seconds, _ in body["spent"].values()) <= body["used"]
    training.idle(100.0)  # a run that is held back pays for nothing meanwhile
    assert measuring(training).costs()["used"] >= body["used"] + 100
    assert body["spent"]["noise"][1] == kinds(events)["noise"]  # results, not pieces
    assert kinds(events)["costs"] >= 1  # it is told at once what is asked for


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-4, 0.2), st.floats(1e-4, 0.5))
def test_studies_keep_to_their_share_but_for_the_first_result(step: float, piece: float):
    """On a made-up clock: a step takes ``step`` seconds and a piece of the study ``piece``."""
    now = [0.0]
    training = make(MLP, every=10**9)
    studied = Measuring(training, Ledger(lambda: now[0]))
    studied.bench.studies["noise"] = Stub(now, piece)  # type: ignore[assignment]
    studied.ask("noise")
    first = 0.0
    while now[0] < 30:
        now[0] += step
        if studied.between(now[0]) and not first:
            first = studied.ledger.entries["noise"][0]
    spent, _ = studied.ledger.entries["noise"]
    assert first == pytest.approx(3 * piece)
    # What is repeated must wait until the first has been earned.
    assert spent <= max(first + piece, SHARE * (now[0] + studied.for_studies.credit) + piece)


class Stub:
    """A study of three pieces."""

    def __init__(self, now: list[float], piece: float) -> None:
        self.now, self.piece = now, piece

    def study(self, mirror: Any) -> Any:
        for _ in range(2):
            self.now[0] += self.piece
            yield
        self.now[0] += self.piece
        return {}


def test_readings_come_in_steps_that_are_watched_anyway_within_their_budget():
    training = ask(make(every=10), "rank", free=False)
    training.report.pace = Governor()
    events = advance(training, 300)
    watched = {e.step for e in events if e.kind in ("layers", "hist")}
    ranks = [e.step for e in events if e.kind == "rank"]
    assert ranks[0] == 1
    assert set(ranks) <= watched


def test_every_reading_and_study_says_what_one_of_it_costs_at_most():
    """In units of a pass over the step, or of a pass through the network."""
    assert all(r.cost <= 50 for r in READINGS)
    assert all(s.passes <= 64 for s in STUDIES)


def test_a_frozen_layer_is_left_out_of_the_sharpness():
    net: Graph = chain(("Input", {"shape": (2,)}), ("Linear", {"out_features": 3}), ("Tanh", {}),
                       ("Linear", {"out_features": 2}), ("Output", {}))  # fmt: skip
    training = make(net)
    training.model.get_submodule("linear_1").requires_grad_(False)
    ask(training, *STUDY_NAMES)
    found = measuring(training).complete()
    assert {e.kind for e in found} == set(STUDY_NAMES)


def test_unwatched_trainings_measure_nothing():
    assert make(watch=False).report.measuring is None
    assert kinds(finish(make(watch=False, every=1, steps=3)))["costs"] == 0
