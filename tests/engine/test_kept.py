"""Which moments of a run are kept, and which give way."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.kept import Moment, surplus


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=120, unique=True), st.integers(2, 20))
def test_thinning_keeps_the_ends_and_never_more_than_allowed(steps, most):
    moments: list[Moment] = []
    for step in [0, *sorted(steps)]:
        moments.append(Moment(step))
        gone = surplus(moments, most)
        moments = [m for m in moments if m not in gone]
        assert moments[0].step == 0
        assert moments[-1].step == step
    assert len(moments) == min(most, len(steps) + 1)


def test_moments_lie_further_apart_the_further_back_they_are():
    moments: list[Moment] = []
    for step in range(0, 100_001, 100):
        moments.append(Moment(step))
        gone = surplus(moments, 32)
        moments = [m for m in moments if m not in gone]
    steps = [m.step for m in moments]
    gaps = [b - a for a, b in pairwise(steps)]
    assert gaps[-1] == 100
    assert gaps[0] > 20 * gaps[-1]
    assert (
        max(gap / (100_000 - a + 100) for gap, a in zip(gaps, steps, strict=False)) < 0.8
    )  # no hole in which one is lost


def test_a_moment_before_a_turn_outlives_its_neighbours():
    moments = [Moment(s, turned=s == 500) for s in range(0, 2001, 10)]
    gone = surplus(moments, 12)
    assert Moment(500, turned=True) in [m for m in moments if m not in gone]


def test_the_room_is_bounded_in_bytes():
    moments = [Moment(s, bytes=100) for s in range(50)]
    left = [m for m in moments if m not in surplus(moments, room=1000)]
    assert sum(m.bytes for m in left) <= 1000
