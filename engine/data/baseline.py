"""What needs no network: a constant, or a table of the commonest answers, counted on the training part."""

from __future__ import annotations

import numpy as np

from engine.data.spec import Array, Baseline, Field

MEAN = Baseline(0.0, "always giving the mean")  # whose R² is 0 by definition


def commonest(target: Field) -> Baseline:
    score = looked_up(target, np.zeros_like(target.train), np.zeros_like(target.val))
    return Baseline(score, "always naming the commonest class")


def by_place(target: Field) -> Baseline:
    """Of a text or a picture."""
    places = np.arange(target.train[0].size).reshape(target.spec.shape)
    score = looked_up(target, *(np.broadcast_to(places, part.shape) for part in (target.train, target.val)))
    return Baseline(score, f"naming at each {'place' if places.ndim == 1 else 'pixel'} what is commonest there")


def bigram(source: Field, target: Field) -> Baseline:
    """Of one character or word at each place."""
    score = looked_up(target, source.train, source.val)
    return Baseline(score, "naming what most often follows the one character before")


def bigram_by_place(source: Field, target: Field) -> Baseline:
    """As ``bigram``, counted for each place apart: what a text of fixed form, such as a date, gives away by itself."""
    places = np.arange(source.spec.shape[0]) * source.kinds
    score = looked_up(target, source.train + places, source.val + places)
    return Baseline(score, "naming what most often comes next, by the place and what stands before it")


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
