"""Molecules as text (SMILES, Weininger 1988), and whether they cross from the blood into the brain."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from builder.spec import TensorSpec
from engine.data.baseline import commonest
from engine.data.spec import Dataset, DatasetSpec, Options, share
from engine.data.split import labels, split
from engine.data.text import alphabet, characters, columns

LENGTH = 128  # characters: of 100 molecules 96 are no longer
HANDED = re.compile(r"\[([A-Z][a-z]?|[cnosp])@*H?\d?[+-]?\d?\]|[/\\@]")


def skeleton(smiles: str) -> str:
    """The largest part of ``smiles`` without handedness and charge: the same for all forms and salts of a molecule."""
    largest = max(smiles.split("."), key=len)
    return HANDED.sub(lambda found: found[1] or "", largest)


def molecules(options: Options, seed: int, _folder: Path | None) -> Dataset:
    """Mirror images and salts of one molecule stay in one part."""
    (_, *written), (_, *crosses) = columns("b3db.csv.gz", ",")
    letters = alphabet(written)
    x, y = characters(written, letters, LENGTH), np.array(crosses, dtype=np.int64)
    parts = split(x, y, options["test_share"], seed, stratify=True, groups=[skeleton(s[:LENGTH]) for s in written])
    target = labels("crosses", y, parts, ("stays out", "crosses"))
    inputs = (labels("smiles", x, parts, letters),)
    return Dataset("molecules", "text", inputs, (target,), ("character",), commonest(target))


MOLECULES = DatasetSpec(
    "molecules",
    "Molecules",
    "7,807 molecules written as text; do they cross from the blood into the brain? Relatives of a molecule may be on "
    "both sides of the split, so that a new one is harder than the figure says. No advice on medicines.",
    "text",
    "classification",
    molecules,
    "Meng, Xi, Huang & Ayers (2021), B3DB, by way of qc-B3DB 1.1.1, CC0 1.0.",
    (share(0.2),),
    input=TensorSpec((LENGTH,), "int64", ("time",)),
    outputs=2,
    examples=7807,
    group="Medicine",
)
