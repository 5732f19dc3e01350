"""Text as numbers: one for each character or word, 0 where a text has ended."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from engine.data.spec import Array

FILES = Path(__file__).parent / "files"
PAD, START, END, UNKNOWN = "", "▸", "◂", "_"
WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?|[.,!?;]|\d+")


def read(file: str) -> str:
    """The text of a committed ``file`` in gzip, UTF-8."""
    return gzip.decompress((FILES / file).read_bytes()).decode("utf-8")


def columns(file: str, separator: str) -> list[tuple[str, ...]]:
    """The columns of a table without quotes, each a tuple of its texts."""
    rows = csv.reader(io.StringIO(read(file)), delimiter=separator, quoting=csv.QUOTE_NONE)
    return list(zip(*rows, strict=True))


def alphabet(texts: Iterable[str]) -> tuple[str, ...]:
    """Padding, then every character of ``texts`` in the order of Unicode."""
    return (PAD, *sorted(set().union(*texts)))


def characters(texts: Sequence[str], words: tuple[str, ...], length: int) -> Array:
    """``texts`` (n,) as places in ``words``, (n, length) int64: cut at ``length``, 0 behind the end.

    ``words`` are PAD and single characters, and hold every character of ``texts``.
    """
    codes = np.array(texts, dtype=f"<U{length}").view(np.uint32).reshape(len(texts), length)
    table = np.zeros(0x110000 if any(ord(w) > 0xFFFF for w in words[1:]) else 0x10000, dtype=np.int64)
    table[[ord(w) for w in words[1:]]] = np.arange(1, len(words))
    return table[codes]


def vocabulary(texts: Iterable[Sequence[str]], size: int) -> tuple[str, ...]:
    """Padding, "unknown", and the commonest words of ``texts``, ``size`` in all; of equally common ones the first in
    the order of Unicode."""
    counts = Counter(word for text in texts for word in text)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return (PAD, UNKNOWN, *ranked[: size - 2])


def tokens(texts: Sequence[Sequence[str]], words: tuple[str, ...], length: int) -> Array:
    """Words as places in ``words``, (n, length) int64; what is not in ``words`` is 1, unknown."""
    places = {word: i for i, word in enumerate(words)}
    out = np.zeros((len(texts), length), dtype=np.int64)
    for row, text in zip(out, texts, strict=True):
        kept = text[:length]
        row[: len(kept)] = [places.get(word, 1) for word in kept]
    return out


def split_words(text: str) -> list[str]:
    """Lower-case words, numbers and marks: "It's fun!" gives it's, fun, !."""
    return WORD.findall(text.lower())
