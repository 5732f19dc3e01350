"""What is measured of several copies is what each would measure alone, at the same step and within one budget."""

from __future__ import annotations

import math
import os
import signal
from collections import defaultdict
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import device as devices
from engine.agenda import READ, SHARE
from engine.data import load
from engine.events import MEASUREMENTS, Event, Kind
from engine.lanes.lane import Wanted
from engine.loop import Training
from engine.pace import Budget, EveryN
from engine.replicas.group import Group
from engine.replicas.merge import DISTRIBUTIONS, merged, middle
from engine.replicas.parallel import Remote
from engine.replicas.together import Together
from engine.replicas.variants import variants
from tests.engine.drawn import MLP, same
from tests.engine.replicas.test_group import advance, alone, config, group, weights

STEPS = 120
SEEDS_AND_RATES = {"seed": [5, 6, 7], "lr": [0.1, 0.01, 0.001]}


def asked(training: Group | Training, *names: str) -> Group | Training:
    """One batch at a time, and measured as often as can be, which a clock must not decide in a test."""
    training.stride.seconds = 0.0
    assert training.measuring is not None
    training.measuring.for_readings = training.measuring.for_studies = Budget(math.inf, math.inf)
    for name in names:
        assert training.measuring.ask(name) is None
    return training


def of_copy(event: Event, k: int) -> dict[str, Any]:
    """What copy ``k`` said."""
    if event.kind in DISTRIBUTIONS:
        return {node: body["copies"][k] for node, body in event.body.items()}
    return {field: each[k] for field, each in event.body["copies"].items()}


@pytest.mark.parametrize("lane", ["native", "eager"])
def test_each_copy_measures_what_it_would_alone_at_the_same_step_and_no_bit_changes(lane: Wanted) -> None:
    what = config("spiral", steps=STEPS, vary=SEEDS_AND_RATES)
    training = group(MLP, what, lane)
    assert training.how == ("batched" if lane == "native" else "parallel")
    asked(training, *MEASUREMENTS)
    found: dict[Kind, list[Event]] = defaultdict(list)
    for event in advance(training, STEPS):
        found[event.kind].append(event)
    each = weights(training)
    training.close()
    assert set(MEASUREMENTS) <= set(found)
    for k, own in enumerate(variants(what)):
        single = asked(Training(MLP, own, load(what.data), pace=EveryN(50), lane=lane), *READ)
        readings = {(e.kind, e.step): e.body for e in advance(single, STEPS) if e.kind in READ}
        assert readings == {(e.kind, e.step): of_copy(e, k) for kind in READ for e in found[kind]}
    for k, own in enumerate(variants(what)):
        studies = sorted((found[kind][0] for kind in MEASUREMENTS if kind not in READ), key=lambda e: e.step)
        single = asked(Training(MLP, own, load(what.data), pace=EveryN(50), lane=lane))
        assert single.measuring is not None
        for event in studies:
            advance(single, event.step)
            single.measuring.ask(event.kind)
            with devices.tuned():
                assert [(e.step, e.body) for e in single.measuring.complete()] == [(event.step, of_copy(event, k))]
    for mine, theirs in zip(each, alone(MLP, what, lane), strict=True):
        assert same(mine, theirs)


@pytest.mark.parametrize("lane", ["native", "eager"])
def test_copies_that_stand_still_are_studied_together_where_they_stand(lane: Wanted) -> None:
    training = group(MLP, config("spiral"), lane)
    advance(training, 10)
    asked(training, "noise", "examples")
    assert training.measuring is not None
    found = {e.kind: e for e in training.measuring.complete()}
    assert {kind: e.step for kind, e in found.items()} == {"noise": 10, "examples": 10}
    assert training.measuring.complete() == ()
    body = found["examples"].body
    assert body["rows"] == body["copies"]["rows"][0] == body["copies"]["rows"][2]  # the same examples of every copy
    assert body["loss"][0] == middle([losses[0] for losses in body["copies"]["loss"]])
    training.close()


def test_a_copy_whose_process_is_lost_leaves_the_study_of_the_others_to_end() -> None:
    training = group(MLP, config("spiral"))
    advance(training, 5)
    asked(training, "gain")
    assert training.measuring is not None
    training.measuring.between(0.0)
    lost = training.copies[1]
    assert isinstance(lost, Remote)
    os.kill(lost._child, signal.SIGKILL)
    (event,) = training.measuring.complete()
    assert [gain is None for gain in event.body["copies"]["gain"]] == [False, True, False]
    training.close()


def test_what_watching_costs_is_told_of_all_copies() -> None:
    training = group(MLP, config("spiral", steps=200), "native")
    asked(training, "noise", "rank")
    events = advance(training, 200)
    assert training.measuring is not None
    body = training.measuring.costs()
    ledgers = [copy.entries for copy in training.copies]
    for name in ("noise", "rank", "grad_norm"):
        seconds, times = body["spent"][name]
        assert seconds == pytest.approx(sum(ledger[name][0] for ledger in ledgers), abs=1e-6)
        assert times == max(ledger[name][1] for ledger in ledgers)
    assert body["spent"]["rank"][1] == sum(e.kind == "rank" for e in events)
    assert body["asked"] == ["noise", "rank"]
    assert sum(seconds for seconds, _ in body["spent"].values()) <= body["used"]
    assert next(e for e in events if e.kind == "costs").step == 1  # at once
    training.idle(100.0)  # a run that is held back pays for nothing meanwhile
    assert training.measuring.costs()["used"] >= body["used"] + 100


class Stub:
    """A copy, on a made-up clock, whose study has three pieces of ``piece`` seconds each."""

    fault, over = None, False
    entries: ClassVar[dict[str, list[float]]] = {}

    def __init__(self, apart: bool, piece: float) -> None:
        self.apart, self.length = apart, piece
        self.used, self.spent, self.left = 0.0, (0.0, 0.0), 3

    def begin_piece(self, kind: Kind, anew: bool) -> None:
        self.left = 2 if anew else self.left - 1
        self.used += self.length
        self.spent = (0.0, self.spent[1] + self.length)

    def end(self) -> tuple[Event, ...]:
        return () if self.left else (Event("noise", 1, {"scale": 1.0}),)


@settings(max_examples=15, deadline=None)
@given(st.booleans(), st.integers(2, 8), st.floats(0.01, 0.2), st.floats(1e-4, 0.1))
def test_all_copies_keep_to_the_share_of_one_but_for_the_first_result(
    apart: bool, count: int, step: float, piece: float
) -> None:
    copies = [Stub(apart and k > 0, piece) for k in range(count)]
    together = Together(copies, lambda: 1)  # type: ignore[arg-type]
    together.ask("noise")
    now, results = 0.0, 0
    while now < 30:
        now += step
        for copy in copies:
            copy.used += step if apart else step * count
        if not apart:  # one process: what one spends has been spent by all
            for copy in copies:
                copy.used = max(c.used for c in copies)
        results += len(together.between(now))
    spent, round_ = sum(copy.spent[1] for copy in copies), count * piece
    assert results >= 1
    assert spent <= max(4 * round_, SHARE * (together.used() + together.for_studies.credit) + round_)


def test_a_histogram_is_that_of_the_first_copy_there_is_with_all_of_them_inside() -> None:
    one, two = ({"lo": 0.0, "hi": hi, "counts": [1, 2]} for hi in (1.0, 2.0))
    for kind in DISTRIBUTIONS:
        event = merged(kind, 3, [None, {"a": one}, {"a": two, "b": two}])
        assert event.body == {"a": {**one, "copies": [None, one, two]}, "b": {**two, "copies": [None, None, two]}}


def test_the_middle_of_objects_is_taken_place_by_place_and_what_all_agree_on_stays_as_it_is() -> None:
    each = [{"out": {"loss": loss, "metric": None}} for loss in (3.0, 1.0, 2.0)]
    assert middle(each) == {"out": {"loss": 2.0, "metric": None}}
    assert middle([[12345678, 3], None, [12345678, 4]]) == [12345678, 3.5]
    assert middle(["a", "b"]) == "a"
    assert middle([None, None]) is None
