"""How good predictions are, in numbers that people compare. Positions that hold ``ignore`` (padding) do not count."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from engine.data.spec import Field

Metric = Callable[[Tensor, Tensor, int | None], float]


def accuracy(chosen: Tensor, labels: Tensor, ignore: int | None = None) -> float:
    """Share of the ``labels`` (…) that were ``chosen`` (…)."""
    right = chosen == labels
    return float((right if ignore is None else right[labels != ignore]).double().mean())


def iou(chosen: Tensor, labels: Tensor, ignore: int | None = None) -> float:
    """Mean over the classes that occur of intersection over union: of the pixels that are, or are taken for, the
    class, the share that are both (Everingham et al. 2010)."""
    if ignore is not None:
        chosen, labels = chosen[labels != ignore], labels[labels != ignore]
    kinds = int(torch.maximum(chosen.max(), labels.max())) + 1
    both = torch.bincount(labels[chosen == labels], minlength=kinds)
    either = (
        torch.bincount(labels.flatten(), minlength=kinds) + torch.bincount(chosen.flatten(), minlength=kinds) - both
    )
    occurs = either > 0
    return float((both[occurs].double() / either[occurs].double()).mean())


def r2(output: Tensor, target: Tensor) -> float:
    """1 − Σ(y − ŷ)² / Σ(y − ȳ)², ȳ for each number that is predicted: 1 is perfect, 0 is no better than the mean."""
    target = target.reshape(output.shape).double()
    residual = (target - output.double()).square().sum()
    total = (target - target.mean(0)).square().sum()
    return float(1 - residual / total)


OF_CLASSES: Mapping[str, Metric] = {"accuracy": accuracy, "iou": iou}


def measure(field: Field, output: Tensor, target: Tensor) -> float:
    """The metric of ``field`` for what a network gave, which has the shape of ``Field.answer``."""
    if field.task == "regression":
        return r2(output, target)
    chosen = output.argmax(-1 if target.ndim == 2 else 1)  # classes stand last at positions, first in pictures
    return OF_CLASSES[field.score](chosen, target, field.ignore)
