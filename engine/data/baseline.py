"""What needs no network: the score of a table of the commonest answers, counted on the training part."""

from __future__ import annotations

import numpy as np

from engine.data.spec import Array, Field


def commonest(target: Field) -> float:
    """Always the same answer."""
    return looked_up(target, np.zeros_like(target.train), np.zeros_like(target.val))


def by_place(target: Field) -> float:
    """At each place of a text or a picture the answer that is commonest there."""
    places = np.arange(target.train[0].size).reshape(target.spec.shape)
    return looked_up(target, *(np.broadcast_to(places, part.shape) for part in (target.train, target.val)))


def bigram(source: Field, target: Field) -> float:
    """At each place the answer that is commonest behind the character or word that stands there."""
    return looked_up(target, source.train, source.val)


def bigram_by_place(source: Field, target: Field) -> float:
    """As ``bigram``, counted for each place apart: what a text of fixed form, such as a date, gives away by itself."""
    places = np.arange(source.spec.shape[0]) * source.kinds
    return looked_up(target, source.train + places, source.val + places)


def looked_up(target: Field, keys: Array, val_keys: Array) -> float:
    """The score where each answer is the commonest one of its key (…, like ``target.train``) in the training part.

    A key that did not occur there gets the commonest answer of all.
    """
    counted = target.train != target.ignore
    size = int(max(keys.max(), val_keys.max())) + 1
    pairs = keys[counted].astype(np.int64) * target.kinds + target.train[counted]
    counts = np.bincount(pairs, minlength=size * target.kinds).reshape(size, target.kinds)
    answers = np.where(counts.any(axis=1), counts.argmax(axis=1), counts.sum(axis=0).argmax())
    return scored(target, answers[val_keys])


def scored(target: Field, said: Array) -> float:
    """The metric of ``target`` for answers ``said``, shaped like ``target.val``."""
    counted = target.val != target.ignore
    y, said = target.val[counted], said[counted]
    if target.score == "iou":
        return mean_iou(y, said, target.kinds)
    return float((y == said).mean())


def mean_iou(y: Array, said: Array, kinds: int) -> float:
    """Mean over the classes that occur of |both| / |either|, over all pixels of all examples (Jaccard 1912)."""
    both = np.bincount(y[y == said], minlength=kinds)
    either = np.bincount(y, minlength=kinds) + np.bincount(said, minlength=kinds) - both
    return float((both[either > 0] / either[either > 0]).mean())
