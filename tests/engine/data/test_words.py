"""What a data set gives and asks for is told from its fields."""

from __future__ import annotations

import pytest

from engine.config import DataRef
from engine.data import DATASETS, GROUPS, load
from engine.data.words import asks, gives


@pytest.mark.parametrize(
    ("name", "given", "asked"),
    [
        ("iris", "features: 4 numbers", "class: one of 3"),
        ("sine", "x: 1 number", "value: 1 number"),
        ("digits", "image: a picture of 8 × 8", "class: one of 10"),
        ("sunspots", "past: 24 steps of 1 number", "value: 1 number"),
        ("shapes", "image: a picture of 32 × 32", "shape: one of 4 at each of 32 × 32 pixels"),
        ("shakespeare", "text: up to 64 tokens of 73 kinds", "next: one of 73 at each of 64 places"),
        ("digit_pairs", "left: a picture of 8 × 8; right: a picture of 8 × 8", "same: one of 2"),
        ("tic_tac_toe", "board: 2 planes of 3 × 3", "move: one of 9; worth: one of 4 at each of 9 places"),
        ("odd_digits", "image: a picture of 8 × 8", "image: a picture of 8 × 8; odd: one of 2"),
    ],
)
def test_data_says_in_words_what_goes_in_and_what_is_asked(name: str, given: str, asked: str) -> None:
    data = load(DataRef(name))
    assert (gives(data), asks(data)) == (given, asked)


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("iris", "always naming the commonest class"),
        ("adding", "always giving the mean"),
        ("sunspots", "giving the value of 1 step before"),
        ("copying", "naming at each place what is commonest there"),
        ("shapes", "naming at each pixel what is commonest there"),
        ("shakespeare", "naming what most often follows the one character before"),
        ("dates", "naming what most often comes next, by the place and what stands before it"),
        ("questions", "naming the place of the last sentence, whoever is asked for"),
    ],
)
def test_data_says_in_words_what_is_reached_without_a_network(name: str, guess: str) -> None:
    assert load(DataRef(name)).baseline.guess == guess


def test_data_sets_are_listed_application_by_application() -> None:
    order = [GROUPS.index(d.group) for d in DATASETS]
    assert order == sorted(order)
    assert set(order) == set(range(len(GROUPS)))
