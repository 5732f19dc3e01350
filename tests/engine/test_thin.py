"""Thinning a history: what it must keep, whatever the numbers are."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.thin import series, thin

LIMIT = 40
VALUES = arrays(np.float64, st.tuples(st.integers(1, 300), st.integers(1, 4)),
                elements=st.one_of(st.just(np.nan), st.floats(-1e6, 1e6)))  # fmt: skip


def extremes(values: np.ndarray) -> list[tuple[float, float]]:
    """The slow reference: minimum and maximum of each series, with Python's own min and max."""
    columns = [[v for v in column if v == v] for column in values.T.tolist()]
    return [(min(c), max(c)) for c in columns if c]


@given(VALUES)
@settings(max_examples=80, deadline=None)
def test_first_last_and_the_extremes_of_every_series_are_kept(values):
    kept = thin(range(len(values)), values, LIMIT)
    assert len(kept) <= LIMIT
    assert kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, len(values) - 1)
    assert extremes(values[kept]) == extremes(values)


@given(VALUES, st.integers(2, 10))
@settings(max_examples=40, deadline=None)
def test_never_more_than_the_limit_even_where_the_extremes_alone_do_not_fit(values, limit):
    kept = thin(range(len(values)), values, limit)
    assert len(kept) == len(set(kept)) <= max(limit, 1)
    assert {0, len(values) - 1} <= set(kept)


def test_thinning_step_by_step_keeps_a_spike_that_came_early():
    """As the tail does it: many points, thinned again and again as they come."""
    rng = np.random.default_rng(0)
    steps, losses = list(range(100)), rng.random(100)
    losses[7] = 99.0
    for _ in range(50):
        kept = thin(steps, losses[:, None], 50)
        steps = [steps[i] for i in kept] + [steps[-1] + k for k in range(1, 51)]
        losses = np.concatenate([losses[kept], rng.random(50)])
    assert 7 in steps
    assert steps[0] == 0
    assert len(steps) <= 100


def test_every_stretch_of_the_run_stays_visible():
    steps = np.arange(10_000)
    kept = np.array(thin(steps.tolist(), np.sin(steps / 100.0)[:, None], 1000))
    assert np.diff(steps[kept]).max() < 150


def test_a_history_within_the_limit_is_left_alone():
    assert thin([3, 5, 8], np.zeros((3, 1)), 3) == [0, 1, 2]


def test_numbers_and_lists_of_numbers_are_series_and_words_are_not():
    found = series([{"loss": 1.5, "norm": [1, None], "word": "x"}, {"loss": None, "norm": [3, 4], "word": "y"}])
    assert found.tolist()[1][1:] == [3.0, 4.0]
    assert found[0, :2].tolist() == [1.5, 1.0]
    assert np.isnan(found[0, 2])
    assert np.isnan(found[1, 0])


def test_what_several_copies_or_outputs_say_counts_too() -> None:
    bodies = [{"loss": 1.0, "copies": {"loss": [1.0, k, None]}, "outputs": {"a": {"val_loss": -k}}} for k in range(3)]
    assert series(bodies)[:, [0, 2, 4]].tolist() == [[1.0, k, -k] for k in range(3)]
    spike = [{"copies": {"loss": [0.0, 1.0 if k == 500 else 0.0]}} for k in range(1000)]
    assert 500 in thin(range(1000), series(spike), LIMIT)
