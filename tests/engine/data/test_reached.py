"""Each set holds something to learn: even straight lines beat its baseline, on what was held out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from engine.config import DataRef
from engine.data import Field, load

Features = Callable[[np.ndarray, Field], np.ndarray]


def flat(x: np.ndarray, _field: Field) -> np.ndarray:
    return x.reshape(len(x), -1).astype(np.float64)


def bag(x: np.ndarray, field: Field) -> np.ndarray:
    """How often each token occurs, but padding."""
    counts = np.zeros((len(x), field.kinds))
    np.add.at(counts, (np.arange(len(x))[:, None], x), 1)
    return counts[:, 1:]


def placed(x: np.ndarray, field: Field) -> np.ndarray:
    """A one at each place for the token there."""
    return np.eye(field.kinds)[x].reshape(len(x), -1)


def last(x: np.ndarray, field: Field) -> np.ndarray:
    """A name from its end: the last four letters, whatever its length."""
    lengths = (x > 0).sum(1)
    from_end = np.stack([x[np.arange(len(x)), np.maximum(lengths - k, 0)] for k in range(1, 5)], axis=1)
    return placed(from_end, field)


def average(x: np.ndarray, _field: Field) -> np.ndarray:
    inside = x.any(axis=2, keepdims=True)
    return (x * inside).sum(1) / inside.sum(1)


def straight(x: np.ndarray, y: np.ndarray, x_val: np.ndarray, ridge: float) -> np.ndarray:
    """Ridge regression, W = (XᵀX + λI)⁻¹ XᵀY with a constant: what it says of ``x_val``."""
    x, x_val = (np.hstack([part, np.ones((len(part), 1))]) for part in (x, x_val))
    return x_val @ np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)


# name, what the lines see, λ, at least so much above the baseline
CLASSES: list[tuple[str, Features, float, float]] = [
    ("penguins", flat, 1, 0.4),
    ("digits", flat, 10, 0.8),
    ("digit_rows", flat, 10, 0.8),
    ("names", last, 1, 0.03),
    ("japanese_vowels", average, 1, 0.7),
    ("spoken_digits", flat, 100, 0.5),
    ("molecules", bag, 1, 0.1),
    ("tic_tac_toe", flat, 1, 0.05),
]


@pytest.mark.parametrize(("name", "features", "ridge", "margin"), CLASSES, ids=[c[0] for c in CLASSES])
def test_lines_tell_the_classes_better_than_the_baseline(
    name: str, features: Features, ridge: float, margin: float
) -> None:
    data = load(DataRef(name))
    field, target = data.inputs[0], data.targets[0]
    x, x_val = (features(part, field) for part in (field.train, field.val))
    said = straight(x, np.eye(target.kinds)[target.train], x_val, ridge).argmax(1)
    reached = (said == target.val).mean()
    assert reached > data.baseline.score + margin


@pytest.mark.parametrize("name", ["auto_mpg", "sunspots", "airline", "co2", "elnino"])
def test_lines_predict_better_than_the_baseline(name: str) -> None:
    data = load(DataRef(name))
    said = straight(flat(data.x_train, data.inputs[0]), data.y_train, flat(data.x_val, data.inputs[0]), 3)
    reached = 1 - ((said - data.y_val) ** 2).sum() / ((data.y_val - data.y_val.mean()) ** 2).sum()
    assert reached > data.baseline.score


def test_single_words_tell_praise_from_blame() -> None:
    data = load(DataRef("sentiment"))
    x, x_val = (bag(part, data.inputs[0]) for part in (data.x_train, data.x_val))
    praise = np.log((x[data.y_train == 1].sum(0) + 1) / (x[data.y_train == 0].sum(0) + 1))  # naive Bayes
    reached = ((x_val @ praise > 0) == data.y_val).mean()
    assert reached > data.baseline.score + 0.2
