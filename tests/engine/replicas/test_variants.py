"""What differs between the copies of a run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.diagnostic import Refused
from engine.config import DataRef, TrainConfig
from engine.knobs import knob
from engine.replicas.variants import SPREADS, spread, told, variants


def test_where_nothing_is_said_to_differ_the_seed_does() -> None:
    each = variants(TrainConfig(DataRef("spiral"), seed=7, copies=3))
    assert [own.seed for own in each] == [7, 8, 9]
    assert all(own.copies == 1 and not own.vary for own in each)


def test_each_copy_is_told_by_what_is_special_about_it() -> None:
    config = TrainConfig(DataRef("spiral"), copies=2, vary={"lr": [0.1, 0.01], "order": [3, 4]})
    assert told(config, 1) == "learning rate 0.01, order 4"
    assert variants(config)[1].knobs["lr"] == 0.01
    assert variants(config)[1].order == 4
    assert variants(config)[1].seed == config.seed


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(SPREADS)), st.integers(2, 16))
def test_a_spread_goes_from_end_to_end_in_order_and_within_the_knobs_range(name: str, count: int) -> None:
    low, high = SPREADS[name]
    values, param = spread(name, low, high, count), knob(name)
    assert len(values) == count
    assert (values[0], values[-1]) == (low, high)
    assert values == sorted(values)
    assert param is not None
    assert all(param.check(value) is None for value in values)


def test_a_knob_with_a_logarithmic_slider_spreads_by_factors() -> None:
    assert spread("lr", 0.001, 0.1, 3) == [0.001, 0.01, 0.1]
    assert spread("momentum", 0.0, 0.9, 4) == [0.0, 0.3, 0.6, 0.9]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"copies": 0}, "param/range"),
        ({"copies": 2.5}, "param/type"),
        ({"vary": [1, 2]}, "copies/form"),
        ({"vary": {"lr": 0.1}}, "copies/form"),
        ({"vary": {"lr": [True, False]}}, "copies/form"),
        ({"order": -1}, "param/range"),
    ],
)
def test_a_link_or_file_with_the_wrong_form_is_refused(body: dict[str, object], code: str) -> None:
    with pytest.raises(Refused) as refused:
        TrainConfig.from_json({"data": {"name": "spiral"}, **body})
    assert code in [d.code for d in refused.value.diagnostics]


def test_settings_with_copies_survive_json() -> None:
    config = TrainConfig(DataRef("spiral"), copies=2, vary={"lr": [0.1, 0.01]}, order=3)
    again = TrainConfig.from_json(config.to_json())
    assert variants(again) == variants(config)
