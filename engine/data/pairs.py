"""Pairs of digits, the same or different ones, and digits among which some do not belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from builder.spec import Param, TensorSpec
from engine.data.baseline import MEAN, commonest
from engine.data.images import AXES, DIGITS, DIGITS_8, read
from engine.data.spec import Array, Dataset, DatasetSpec, Field, Options, Scaler, share
from engine.data.split import Parts, labels, numbers, split

IMAGE = TensorSpec((1, 8, 8), axes=AXES)


def digit_pairs(options: Options, seed: int, _folder: Path | None) -> Dataset:
    """Digits are split first and paired then, so that no digit of a held-out pair was seen in training. Both sides
    have one scaler, since a siamese network sees them with the same weights."""
    x, y = read("digits")
    digits = split(x, y, options["test_share"], seed, stratify=True)
    rng, n = np.random.default_rng([seed, 0]), options["size"]
    n_val = round(options["test_share"] * n)
    train, val = (pair(y, rows, count, rng) for rows, count in ((digits.train, n - n_val), (digits.val, n_val)))
    scaler = Scaler.fit(x[train].reshape(-1, 1, 8, 8), pooled=True)
    sides = zip(("left", "right"), train, val, strict=True)
    inputs = tuple(Field(name, IMAGE, scaler.apply(x[a]), scaler.apply(x[b]), scaler=scaler) for name, a, b in sides)
    same = np.concatenate([y[a] == y[b] for a, b in (train, val)]).astype(np.int64)
    target = labels("same", same, Parts(np.arange(n - n_val), np.arange(n - n_val, n)), ("different", "same"))
    return Dataset("digit_pairs", "pair", inputs, (target,), ("pixel",), commonest(target))


def pair(y: Array, rows: Array, n: int, rng: np.random.Generator) -> Array:
    """(2, n) of ``rows``: every second pair two pictures of the same digit, the others of different ones."""
    left, right = rng.choice(rows, (2, n))
    same = np.arange(n) % 2 == 0
    while (wrong := ((y[left] == y[right]) != same) | (left == right)).any():
        right[wrong] = rng.choice(rows, wrong.sum())
    return np.stack([left, right])


def odd_digits(options: Options, seed: int, _folder: Path | None) -> Dataset:
    """Held out are digits of every kind, among which those of the usual one were not trained on either."""
    x, y = read("digits")
    parts = split(x, y, options["test_share"], seed, stratify=True)
    usual = DIGITS.index(options["digit"])
    parts = Parts(parts.train[y[parts.train] == usual], parts.val)
    image = numbers("image", x, parts, AXES, pooled=True)
    odd = labels("odd", (y != usual).astype(np.int64), parts, ("usual", "odd"))
    return Dataset("odd_digits", "image", (image,), (image, odd), ("pixel",), MEAN)


PAIRS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "digit_pairs",
        "Pairs of digits",
        "Two small digits; are they the same? Half of the pairs are. For siamese networks, which look at both with the "
        "same weights.",
        "pair",
        "classification",
        digit_pairs,
        DIGITS_8.source,
        (
            Param("size", "int", 3000, 500, 20_000, label="Pairs", log=True, help="How many are put together in all."),
            share(0.2),
        ),
        input=IMAGE,
        outputs=2,
        group="Vision",
    ),
    DatasetSpec(
        "odd_digits",
        "Odd ones out",
        "To train on, pictures of one digit only; held out are all ten. An autoencoder that has never seen the others "
        "redraws them badly: its validation loss stays high, and that is how one finds them.",
        "image",
        "regression",
        odd_digits,
        DIGITS_8.source,
        (Param("digit", "choice", "0", choices=DIGITS, label="Usual digit"), share(0.2)),
        input=IMAGE,
        outputs=64,
        examples=501,
        group="Vision",
    ),
)
