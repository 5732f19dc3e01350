from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import SETTINGS
from engine.schedules import SCHEDULES
from tests.engine.drawn import finish, make


def test_every_schedule_of_the_settings_has_its_row():
    assert set(next(p.choices for p in SETTINGS if p.name == "schedule")) == SCHEDULES.keys()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", {0: 1.0, 50: 1.0, 99: 1.0}),
        ("step", {0: 1.0, 49: 1.0, 50: 0.1, 74: 0.1, 75: 0.01, 99: 0.01}),
        ("cosine", {0: 1.0, 25: 0.853553, 50: 0.5, 75: 0.146447, 100: 0.0}),
        ("warmup", {0: 0.2, 1: 0.4, 4: 1.0, 5: 1.0, 99: 1.0}),
        ("warmup_cosine", {0: 0.2, 4: 1.0, 5: 1.0, 52: 0.508266, 100: 0.0}),
    ],
)
def test_the_factor_over_a_hundred_steps(name: str, expected: dict[int, float]):
    got = {step: SCHEDULES[name](step, 100) for step in expected}
    assert got == pytest.approx(expected, abs=1e-6)


@given(st.sampled_from(list(SCHEDULES)), st.integers(1, 10_000), st.data())
def test_a_factor_stays_between_0_and_1_however_short_the_run(name: str, steps: int, data: st.DataObject):
    step = data.draw(st.integers(0, steps))
    assert 0 <= SCHEDULES[name](step, steps) <= 1


@given(st.sampled_from(["step", "cosine"]), st.integers(2, 1000), st.data())
def test_a_decay_never_rises(name: str, steps: int, data: st.DataObject):
    step = data.draw(st.integers(0, steps - 2))
    assert SCHEDULES[name](step + 1, steps) <= SCHEDULES[name](step, steps)


def test_the_points_tell_the_scheduled_rate():
    points = [e for e in finish(make(every=1, steps=20, schedule="step", knobs={"lr": 0.5})) if e.kind == "point"]
    assert [p.body["lr"] for p in points] == pytest.approx([0.5] * 10 + [0.05] * 5 + [0.005] * 5)
