"""Language: first names, opinions on films, and the next character of Shakespeare."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from builder.spec import Param, TensorSpec
from engine.data.baseline import bigram, commonest
from engine.data.spec import Array, Dataset, DatasetSpec, Field, Options, share
from engine.data.split import labels, split
from engine.data.text import PAD, UNKNOWN, alphabet, characters, columns, read, split_words, tokens, vocabulary

LETTERS = alphabet(["abcdefghijklmnopqrstuvwxyz"])
LONGEST_NAME = 11
REVIEW_WORDS, REVIEW_LENGTH = 2000, 40  # of 100 reviews 97 are no longer; a rarer word says little in 8,000 of them
CLEAR = 0.5  # a mean rating nearer to 0 has no side
TIME = ("time",)


def names(options: Options, seed: int, _folder: Path | None) -> Dataset:
    """Names that stand in both lists are left out: they have no answer."""
    written, sex = (np.array(c) for c in columns("names.csv.gz", ","))
    _, first, counts = np.unique(written, return_index=True, return_counts=True)
    kept = np.sort(first[counts == 1])
    x = characters([n.lower() for n in written[kept]], LETTERS, LONGEST_NAME)
    y = (sex[kept] == "M").astype(np.int64)
    parts = split(x, y, options["test_share"], seed, stratify=True)
    target = labels("list", y, parts, ("female", "male"))
    return Dataset("names", "text", (labels("name", x, parts, LETTERS),), (target,), ("letter",), commonest(target))


def sentiment(options: Options, seed: int, _folder: Path | None) -> Dataset:
    """The vocabulary comes from the training part alone, as it would for reviews that are yet to be written."""
    rated, written = columns("sentiment_film.tsv.gz", "\t")
    rating = np.array(rated, dtype=np.float64)
    kept = np.flatnonzero(np.abs(rating) >= CLEAR)
    texts = [split_words(written[i]) for i in kept]
    y = (rating[kept] > 0).astype(np.int64)
    everything = vocabulary(texts, sum(map(len, texts)) + 2)
    parts = split(tokens(texts, everything, REVIEW_LENGTH), y, options["test_share"], seed, stratify=True)
    words = vocabulary((texts[i] for i in parts.train), REVIEW_WORDS)
    review = labels("review", tokens(texts, words, REVIEW_LENGTH), parts, words)
    target = labels("opinion", y, parts, ("negative", "positive"))
    note = f"A word that is not among the {REVIEW_WORDS - 2:,} commonest is one and the same, shown as {UNKNOWN}."
    return Dataset("sentiment", "text", (review,), (target,), ("word",), commonest(target), notes=(note,))


def shakespeare(options: Options, _seed: int, _folder: Path | None) -> Dataset:
    """The works in their order; the end of the text, mostly A Midsummer Night's Dream, is held out."""
    text = read("shakespeare.txt.gz")
    words = alphabet([text])[1:]
    ids = characters([text], (PAD, *words), len(text))[0] - 1
    cut = len(ids) - round(options["test_share"] * len(ids))
    window = options["window"]
    (x, y), (x_val, y_val) = _windows(ids[:cut], window), _windows(ids[cut:], window)
    spec = TensorSpec((window,), "int64", TIME)
    source = Field("text", spec, x, x_val, len(words), words)
    target = Field("next", spec, y, y_val, len(words), words, label="next character")
    return Dataset("shakespeare", "text", (source,), (target,), ("character",), bigram(source, target))


def _windows(ids: Array, window: int) -> tuple[Array, Array]:
    """Neighbouring pieces of ``ids`` (n, window), and for each place in them the character that follows."""
    n = (len(ids) - 1) // window
    x, y = ids[: n * window], ids[1 : n * window + 1]
    return x.reshape(n, window).copy(), y.reshape(n, window).copy()


def _text(length: int) -> TensorSpec:
    return TensorSpec((length,), "int64", TIME)


LANGUAGE: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "names",
        "First names",
        "4,832 first names letter by letter; does the US Census of 1990 list it among women or men? Names that it "
        "lists among both are left out. It says nothing about a person.",
        "text",
        "classification",
        names,
        "US Census Bureau, public domain, as shipped by names 0.3.0.",
        (share(0.2),),
        input=_text(LONGEST_NAME),
        outputs=2,
        examples=4832,
        group="Language",
    ),
    DatasetSpec(
        "sentiment",
        "Film reviews",
        "10,072 sentences of film reviews word by word, rated by twenty readers each; do they praise or blame? Irony "
        "is hard, and the sentences may offend.",
        "text",
        "classification",
        sentiment,
        "Hutto & Gilbert (2014), as shipped with vaderSentiment 3.3.2 (MIT); sentences by the reviewers, Pang & Lee "
        "(2005).",
        (share(0.2),),
        input=_text(REVIEW_LENGTH),
        outputs=2,
        examples=10072,
        group="Language",
    ),
    DatasetSpec(
        "shakespeare",
        "Shakespeare",
        "611,099 characters of sonnets and four plays. At each character, predict the next one: a small language "
        "model, which learns words and the look of a play, and no sense.",
        "text",
        "classification",
        shakespeare,
        "William Shakespeare, as shipped by shakespeare 0.6 (Open Knowledge Foundation, CC BY 2.5).",
        (
            Param(
                "window", "int", 64, 16, 128, label="Characters", help="How many characters the network sees at once."
            ),
            share(0.1),
        ),
        input=_text(64),
        outputs=73,
        examples=9547,
        group="Language",
        fixed=True,
    ),
)
