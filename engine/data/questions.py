"""Short stories with a question, after the first of the bAbI tasks (Weston et al. 2015), written by our own rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from builder.spec import Param, TensorSpec
from engine.data.baseline import looked_up
from engine.data.spec import Array, Baseline, Dataset, DatasetSpec, Options, share
from engine.data.split import labels, split
from engine.data.text import PAD

PEOPLE = ("Mary", "John", "Sandra", "Daniel")
PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
VERBS = ("went", "moved", "travelled", "journeyed")
WORDS = (PAD, *PEOPLE, *VERBS, "to", "the", *PLACES, "where", "is")
PER_SENTENCE = 5  # Mary went to the garden


def questions(options: Options, seed: int, _folder: Path | None) -> Dataset:
    story, question, place, last = tell(options["size"], options["sentences"], np.random.default_rng([seed, 0]))
    parts = split(np.hstack([story, question]), place, options["test_share"], seed, stratify=True)
    inputs = (labels("story", story, parts, WORDS), labels("question", question, parts, WORDS))
    target = labels("place", place, parts, PLACES)
    score = looked_up(target, last[parts.train], last[parts.val])
    baseline = Baseline(score, "naming the place of the last sentence, whoever is asked for")
    return Dataset("questions", "text", inputs, (target,), ("word",), baseline)


def tell(n: int, sentences: int, rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """Stories (n, 5·sentences) and questions (n, 3) as places in WORDS, the answers (n,), and where the last sentence
    leads (n,), both as places in PLACES. Only who occurs is asked for."""
    who, verb, where = (rng.integers(0, len(c), (n, sentences)) for c in (PEOPLE, VERBS, PLACES))
    asked = who[np.arange(n), rng.integers(0, sentences, n)]
    latest = sentences - 1 - (who[:, ::-1] == asked[:, None]).argmax(axis=1)
    columns = (
        who + WORDS.index(PEOPLE[0]),
        verb + WORDS.index(VERBS[0]),
        np.full_like(who, WORDS.index("to")),
        np.full_like(who, WORDS.index("the")),
        where + WORDS.index(PLACES[0]),
    )
    story = np.stack(columns, axis=2).reshape(n, sentences * PER_SENTENCE)
    question = np.tile([WORDS.index("where"), WORDS.index("is"), 0], (n, 1))
    question[:, 2] = asked + WORDS.index(PEOPLE[0])
    return story, question, where[np.arange(n), latest], where[:, -1]


QUESTIONS = DatasetSpec(
    "questions",
    "Questions about a story",
    "Four people walk through a house; where is one of them? Written by rules. A network that attends from the "
    "question to whole sentences gets it right; one that only reads on hardly does.",
    "text",
    "classification",
    questions,
    "Written by Layerloom, after the first task of bAbI (Weston et al. 2015).",
    (
        Param("size", "int", 3000, 500, 20_000, label="Stories", log=True, help="How many are written in all."),
        Param("sentences", "int", 4, 3, 10, label="Sentences", help="How long each story is."),
        share(0.2),
    ),
    input=TensorSpec((4 * PER_SENTENCE,), "int64", ("time",)),
    outputs=len(PLACES),
    group="Language",
)
