"""A run that is held back keeps its speed, and is watched as often as one that is not."""

from __future__ import annotations

import pytest

from engine.pace import Governor
from engine.throttle import LAG, Throttle


def test_without_a_limit_nobody_waits():
    assert Throttle().ahead(0.0, 10**6, 5.0) == 0.0


@pytest.mark.parametrize("limit", [1.0, 250.0, 100_000.0])
def test_a_run_that_waits_what_it_is_told_keeps_its_limit(limit):
    throttle, now, step = Throttle(), 100.0, 0
    throttle.ahead(limit, step, now)
    for _ in range(1000):
        step += 7
        now += 1e-6  # the work takes next to no time
        now += throttle.ahead(limit, step, now)
    assert step / (now - 100.0) == pytest.approx(limit, rel=1e-3)


def test_who_was_held_up_does_not_hurry_to_catch_up():
    throttle = Throttle()
    throttle.ahead(10.0, 0, 0.0)
    assert throttle.ahead(10.0, 1, 60.0) == 0.0
    assert throttle.ahead(10.0, 2, 60.0) == pytest.approx(0.1)


def test_a_small_delay_is_made_up_for():
    throttle = Throttle()
    throttle.ahead(10.0, 0, 0.0)
    assert throttle.ahead(10.0, 1, 0.1 + LAG / 2) == 0.0
    assert throttle.ahead(10.0, 4, 0.1 + LAG / 2) == pytest.approx(0.3 - LAG / 2)


def test_a_new_limit_counts_from_now():
    throttle = Throttle()
    throttle.ahead(10.0, 0, 0.0)
    throttle.ahead(1000.0, 50, 5.0)
    assert throttle.ahead(1000.0, 51, 5.0) == pytest.approx(0.001)


def test_a_run_that_mostly_waits_is_looked_at_as_often_as_the_clock_allows():
    used = 0.0
    governor = Governor(clock=lambda: used)
    looks = 0
    for tick in range(1, 101):  # ten seconds, of which a thousandth is work
        used += 1e-4
        governor.idle(0.1)
        if "layers" in governor.due(3 * tick, tick / 10):
            governor.paid("layers", tick / 10, 1e-3)
            looks += 1
    assert looks > 50
