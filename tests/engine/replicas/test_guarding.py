"""A breakpoint stops several copies where the first of them crosses it, and says which."""

from __future__ import annotations

import pytest

from engine.breakpoints import parse_all
from engine.data import load
from engine.events import Event
from engine.guard import Guard
from engine.lanes.lane import Wanted
from engine.loop import Training
from engine.pace import EveryN
from engine.replicas.group import Group
from engine.replicas.variants import variants
from tests.engine.drawn import MLP
from tests.engine.replicas.test_group import config, group

SWEEP = {"lr": [0.01, 0.001, 1.0]}
STEPS = 60


def hits(training: Group | Training, *when: str) -> list[Event]:
    """Of the first ``STEPS`` steps, one batch at a time."""
    guard, found = Guard(training), list[Event]()
    guard.set(parse_all(when))
    training.stride.seconds = 0.0
    for events in training.run():
        found += guard.look(events)
        if training.step == STEPS:
            break
    training.close()
    return found


@pytest.mark.parametrize("lane", ["native", "eager"])
@pytest.mark.parametrize("when", ["update_ratio:linear_1>0.5", "batch_loss>2", "train_loss>1"])
def test_each_copy_crosses_where_it_would_alone_and_is_named(lane: Wanted, when: str) -> None:
    settings = config("spiral", steps=STEPS, vary=SWEEP)
    together = hits(group(MLP, settings, lane), when)
    assert together
    assert {hit.body["copy"] for hit in together} == {2}
    assert all(" of copy 3 (learning rate 1) is " in hit.body["says"] for hit in together)
    single = Training(MLP, variants(settings)[2], load(settings.data), pace=EveryN(50), lane=lane)
    for mine, theirs in zip(together, hits(single, when), strict=True):
        assert mine.step == theirs.step
        assert {**mine.body, "says": "", "copy": 0} == {**theirs.body, "says": "", "copy": 0}


@pytest.mark.parametrize("lane", ["native", "eager"])
def test_a_step_is_that_of_all_copies(lane: Wanted) -> None:
    (hit,) = hits(group(MLP, config("spiral", steps=STEPS, vary=SWEEP), lane), "step=7")
    assert hit.body["says"] == "Stopped at step 7, as was asked for."
    assert "copy" not in hit.body
    assert len(hit.body["rows"]) == 32
