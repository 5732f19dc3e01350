"""Sequences drawn afresh whose answer needs memory: what recurrent networks were invented for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from builder.spec import Param, TensorSpec
from engine.data.baseline import MEAN, by_place
from engine.data.spec import Array, Dataset, DatasetSpec, Field, Load, Options, Scaler, Task, share
from engine.data.split import Parts, labels, numbers, split

SYMBOLS = tuple("abcdefgh")
COPIED = 5


def steps(name: str, raw: Array, parts: Parts, lengths: Array | None = None) -> Field:
    """From ``raw`` (example, time, feature); each feature has one mean and deviation over all training steps.

    Beyond its length (example,) an example is 0 and counts for neither.
    """
    inside = np.ones(raw.shape[:2], dtype=bool) if lengths is None else np.arange(raw.shape[1]) < lengths[:, None]
    scaler = Scaler.fit(raw[parts.train][inside[parts.train]])
    train, val = (scaler.apply(raw[rows]) * inside[rows, :, None] for rows in (parts.train, parts.val))
    return Field(name, TensorSpec(raw.shape[1:], axes=("time", "feature")), train, val, scaler=scaler)


def parity(options: Options, seed: int, _folder: Path | None) -> Dataset:
    """Bits; at each, whether the ones so far are even or odd in number."""
    bits = np.random.default_rng([seed, 0]).integers(0, 2, (options["size"], options["length"]))
    parts = split(bits, bits, options["test_share"], seed, stratify=False)
    target = labels("parity", bits.cumsum(axis=1) % 2, parts, ("even", "odd"))
    source = steps("bits", bits[:, :, None].astype(np.float64), parts)
    return Dataset("parity", "text", (source,), (target,), ("bit",), by_place(target))


def adding(options: Options, seed: int, _folder: Path | None) -> Dataset:
    """Numbers of U(0, 1), of which two are marked, one in each half; the target is their sum (Hochreiter & Schmidhuber
    1997, in the form that Le, Jaitly & Hinton 2015 use)."""
    n, length = options["size"], options["length"]
    rng = np.random.default_rng([seed, 0])
    x = np.zeros((n, length, 2))
    x[:, :, 0] = rng.uniform(0, 1, (n, length))
    for low, high in ((0, length // 2), (length // 2, length)):
        x[np.arange(n), rng.integers(low, high, n), 1] = 1
    parts = split(x, x, options["test_share"], seed, stratify=False)
    target = numbers("sum", x.prod(axis=2).sum(axis=1, keepdims=True), parts)
    return Dataset("adding", "text", (steps("pairs", x, parts),), (target,), ("number", "mark"), MEAN)


def copying(options: Options, seed: int, _folder: Path | None) -> Dataset:
    """COPIED symbols, a pause of blanks, then a cue: from there on the symbols are to be said again (Hochreiter &
    Schmidhuber 1997). Only these last places count."""
    n, delay = options["size"], options["delay"]
    said = np.random.default_rng([seed, 0]).integers(1, len(SYMBOLS) + 1, (n, COPIED))
    heard = np.zeros((n, 2 * COPIED + delay), dtype=np.int64)
    heard[:, :COPIED] = said + 1
    heard[:, -COPIED] = 1
    answer = np.zeros_like(heard)
    answer[:, -COPIED:] = said
    parts = split(heard, answer, options["test_share"], seed, stratify=False)
    target = labels("recall", answer, parts, ("", *SYMBOLS), ignore=0)
    source = labels("symbols", heard, parts, ("·", "?", *SYMBOLS))
    return Dataset("copying", "text", (source,), (target,), ("symbol",), by_place(target))


def _spec(
    name: str,
    title: str,
    about: str,
    load: Load,
    length: Param,
    input: TensorSpec,
    outputs: int,
    task: Task = "classification",
) -> DatasetSpec:
    size = Param("size", "int", 4000, 500, 20_000, label="Sequences", log=True, help="How many are drawn in all.")
    return DatasetSpec(
        name,
        title,
        about,
        "text",
        task,
        load,
        "Drawn by Layerloom.",
        (size, length, share(0.2)),
        input=input,
        outputs=outputs,
        group="Toys",
    )


PUZZLES: tuple[DatasetSpec, ...] = (
    _spec(
        "parity",
        "Parity",
        "Zeros and ones; at each, are the ones so far even or odd in number? One bit to remember, for any time.",
        parity,
        Param("length", "int", 16, 12, 64, label="Bits", help="How long each sequence is."),
        TensorSpec((16, 1), axes=("time", "feature")),
        2,
    ),
    _spec(
        "adding",
        "Adding",
        "Thirty numbers, two of them marked; what is their sum? A plain recurrent network forgets the first.",
        adding,
        Param("length", "int", 30, 10, 100, label="Numbers", help="How long each sequence is."),
        TensorSpec((30, 2), axes=("time", "feature")),
        1,
        "regression",
    ),
    _spec(
        "copying",
        "Copying",
        "Five letters, a pause, then a question mark: say the letters again. The longer the pause, the harder.",
        copying,
        Param("delay", "int", 10, 0, 50, label="Pause", help="How many blanks lie between the letters and the cue."),
        TensorSpec((20,), "int64", ("time",)),
        9,
    ),
)
