"""Speech as sequences of frames: vowels of nine men, and number words that a program speaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from builder.spec import TensorSpec
from engine.data.baseline import commonest
from engine.data.sequences import steps
from engine.data.spec import Dataset, DatasetSpec, Options, share
from engine.data.split import Parts, labels, split

FILES = Path(__file__).parent / "files"
AXES = ("time", "feature")
SPEAKERS = tuple(f"speaker {i}" for i in range(1, 10))
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def japanese_vowels(_options: Options, seed: int, _folder: Path | None) -> Dataset:
    """Split as the source splits; the seed gives the order."""
    with np.load(FILES / "japanese_vowels.npz") as file:
        x, y, lengths = (np.concatenate([file[f"{name}tr"], file[f"{name}te"]]) for name in "XyL")
        n = len(file["ytr"])
    parts = Parts(np.arange(n), np.arange(n, len(x)))
    target = labels("speaker", y, parts, SPEAKERS)
    speech = steps("speech", x, parts, lengths)
    features = tuple(f"cepstrum {i}" for i in range(1, 13))
    return Dataset("japanese_vowels", "sequence", (speech,), (target,), features, commonest(target))


def spoken_digits(options: Options, seed: int, _folder: Path | None) -> Dataset:
    """Held out are whole voices, so that none of them was heard in training."""
    with np.load(FILES / "espeak_digits.npz") as file:
        x, y, voice = file["X"].astype(np.float32) / 255, file["y"].astype(np.int64), file["voice"]
    parts = split(x, y, options["test_share"], seed, stratify=False, groups=voice)
    target = labels("word", y, parts, NUMBERS)
    features = tuple(f"band {i}" for i in range(1, 25))
    return Dataset("spoken_digits", "sequence", (steps("speech", x, parts),), (target,), features, commonest(target))


SPEECH: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "japanese_vowels",
        "Japanese vowels",
        "640 recordings of two vowels, each frame as 12 numbers; which of nine men is speaking? Real speech, of nine "
        "people only.",
        "sequence",
        "classification",
        japanese_vowels,
        "Kudo, Toyama & Shimbo (1999), UCI Machine Learning Repository (CC BY 4.0 as UCI states), as shipped by aeon "
        "1.6.0.",
        input=TensorSpec((29, 12), axes=AXES),
        outputs=len(SPEAKERS),
        examples=640,
        group="Speech",
        fixed=True,
    ),
    DatasetSpec(
        "spoken_digits",
        "Spoken digits",
        "2,240 number words as loudness of 24 bands over time; which word is it? Spoken by a program, not by people: "
        "who trains on it understands people badly.",
        "sequence",
        "classification",
        spoken_digits,
        "Synthesised with eSpeak NG for this collection: 28 voices in 8 accents of English.",
        (share(0.2),),
        input=TensorSpec((48, 24), axes=AXES),
        outputs=len(NUMBERS),
        examples=2240,
        group="Speech",
    ),
)
