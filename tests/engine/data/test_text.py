"""Text becomes numbers and can be read back; the tables of commonest answers count what they say."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.spec import TensorSpec
from engine import metrics
from engine.config import DataRef
from engine.data import Field, load, preview
from engine.data.baseline import bigram, bigram_by_place, by_place, commonest, mean_iou
from engine.data.preview import text
from engine.data.text import END, PAD, START, UNKNOWN, alphabet, characters, read, split_words, tokens, vocabulary
from engine.data.translation import COLUMN

texts = st.lists(st.text(st.sampled_from("abzé'½ ▸"), max_size=9), min_size=1, max_size=8)


@given(texts, st.integers(9, 12))
@settings(max_examples=60)
def test_characters_can_be_read_back(written: list[str], length: int) -> None:
    words = alphabet([*written, "a"])
    ids = characters(written, words, length)
    assert ids.shape == (len(written), length)
    assert ["".join(words[i] for i in row) for row in ids] == written
    assert all((row[len(said) :] == 0).all() for row, said in zip(ids, written, strict=True))


def test_what_is_too_long_is_cut_and_what_is_unknown_is_named_so() -> None:
    words = vocabulary([["a", "b"], ["b", "c"], ["c", "b"]], 4)
    assert words == (PAD, UNKNOWN, "b", "c")
    assert tokens([["b", "a", "c", "c", "c"], ["c"]], words, 4).tolist() == [[2, 1, 3, 3], [3, 0, 0, 0]]
    assert characters(["abcd"], alphabet(["abcd"]), 3).tolist() == [[1, 2, 3]]


def test_words_are_told_from_marks() -> None:
    assert split_words("It's FUN, isn't it? 10/10!") == ["it's", "fun", ",", "isn't", "it", "?", "10", "10", "!"]


def field(y: np.ndarray, val: np.ndarray, kinds: int, ignore: int | None = None) -> Field:
    return Field("y", TensorSpec(y.shape[1:], "int64"), y, val, kinds, ignore=ignore)


def answered(keys: np.ndarray, y: np.ndarray, val_keys: np.ndarray, val: np.ndarray, ignore: int | None) -> float:
    """A table of the commonest answer for each key, the slow way; of equally common ones the smallest."""
    counted: dict[int, Counter[int]] = {}
    for key, label in zip(keys.ravel().tolist(), y.ravel().tolist(), strict=True):
        if label != ignore:
            counted.setdefault(key, Counter())[label] += 1
    whole = sum(counted.values(), Counter())
    right = []
    for key, label in zip(val_keys.ravel().tolist(), val.ravel().tolist(), strict=True):
        if label != ignore:
            count = counted.get(key, whole)
            right.append(label == min(count, key=lambda k: (-count[k], k)))
    return sum(right) / len(right)


@pytest.mark.parametrize("ignore", [None, 0])
@pytest.mark.parametrize("seed", range(5))
def test_baselines_are_those_of_a_slow_table(seed: int, ignore: int | None) -> None:
    rng = np.random.default_rng(seed)
    x, x_val = rng.integers(0, 4, (12, 5)), rng.integers(0, 6, (7, 5))
    y, y_val = rng.integers(0, 3, (12, 5)), rng.integers(0, 3, (7, 5))
    source, target = field(x, x_val, 6), field(y, y_val, 3, ignore)
    place, place_val = (np.broadcast_to(np.arange(5), part.shape) for part in (y, y_val))
    assert commonest(target).score == pytest.approx(answered(y * 0, y, y_val * 0, y_val, ignore))
    assert by_place(target).score == pytest.approx(answered(place, y, place_val, y_val, ignore))
    assert bigram(source, target).score == pytest.approx(answered(x, y, x_val, y_val, ignore))
    both = answered(x + 6 * place, y, x_val + 6 * place_val, y_val, ignore)
    assert bigram_by_place(source, target).score == pytest.approx(both)


@pytest.mark.parametrize("seed", range(5))
def test_the_overlap_of_a_baseline_is_the_metric_of_training(seed: int) -> None:
    y, said = np.random.default_rng(seed).integers(0, 5, (2, 3, 4, 4))
    y[y == seed] = 0  # a class that does not occur counts only where it is said
    slow = [((y == k) & (said == k)).sum() / ((y == k) | (said == k)).sum() for k in range(5)]
    assert mean_iou(y.ravel(), said.ravel(), 5) == pytest.approx(np.mean(slow))
    assert metrics.iou(torch.from_numpy(said), torch.from_numpy(y)) == pytest.approx(np.mean(slow))


def test_the_vocabulary_of_reviews_knows_nothing_of_those_held_out() -> None:
    data = load(DataRef("sentiment"))
    shown = set(data.x_train.ravel().tolist())
    assert shown == set(range(data.inputs[0].kinds))  # every word of it occurs in the training part
    assert (data.x_val == 1).sum() > (data.x_val > 1).sum() / 20


def test_shakespeare_is_asked_for_the_character_that_follows_and_ends_in_the_held_out_part() -> None:
    data = load(DataRef("shakespeare", {"window": 32}))
    whole, words = read("shakespeare.txt.gz"), data.inputs[0].words
    said = "".join(words[i] for i in data.x_train.ravel())
    assert whole.startswith(said)
    for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val)):
        assert (x[:, 1:] == y[:, :-1]).all()
        assert (x[1:, 0] == y[:-1, -1]).all()
    held_out = "".join(words[i] for i in data.x_val.ravel())
    assert whole.find(held_out, len(said)) > 0.89 * len(whole)
    assert data.n_train * 32 + data.n_val * 32 > len(whole) - 80
    assert 0.2 < data.baseline.score < 0.3  # of four characters one, by the character before it


@pytest.mark.parametrize("name", ["dates", "numbers", "pronunciation"])
def test_an_answer_is_asked_for_one_step_ahead_up_to_its_end(name: str) -> None:
    data = load(DataRef(name))
    so_far, following = data.inputs[1], data.targets[0]
    words = following.words
    start, end = words.index(START), words.index(END)
    for fed, asked in ((so_far.train, following.train), (so_far.val, following.val)):
        assert (fed[:, 0] == start).all()
        assert ((asked == end).sum(1) == 1).all()
        length = asked.argmax(1) * 0 + (asked == end).argmax(1)
        inside = np.arange(asked.shape[1]) < length[:, None]
        assert (fed[:, 1:][inside[:, :-1]] == asked[:, :-1][inside[:, :-1]]).all()
        assert (asked[np.arange(asked.shape[1]) > length[:, None]] == following.ignore).all()
        assert not ((asked == start) | (fed == end)).any()


def test_dates_are_dates_and_numbers_are_the_numbers_of_their_language() -> None:
    data = load(DataRef("dates"))
    for row in data.y_val:
        said = text(data.targets[0], row).removesuffix(END)
        assert date.fromisoformat(said).isoformat() == said
    for language in COLUMN:
        rows = preview(load(DataRef("numbers", {"language": language}))).rows
        assert all(re.fullmatch(rf"\d+{END}", answer) for _, _, answer in rows)
    french = load(DataRef("numbers"))
    said = {
        text(french.inputs[0], x): text(french.targets[0], y)
        for x, y in zip(french.x_train, french.y_train, strict=True)
    }
    said |= {
        text(french.inputs[0], x): text(french.targets[0], y) for x, y in zip(french.x_val, french.y_val, strict=True)
    }
    assert said["quatre-vingt-dix-neuf"] == f"99{END}"
    assert len(said) == 10_000
