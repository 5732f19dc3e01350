"""What a training makes small: the loss of each Output, added up with their weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from operator import add
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from builder.diagnostic import Diagnostic, Refused
from builder.graph import Graph
from engine import losses
from engine.batches import Batches, resident
from engine.data.spec import Field
from engine.goals import Ends, Goal
from engine.knobs import WEIGHT
from engine.metrics import measure

Compare = Callable[[Tensor, Tensor, float], Tensor]
Outputs = Tensor | tuple[Tensor, ...]


class Term:
    """The loss of one Output. ``knob`` is that of its weight, "" where it is alone; ``field`` is None for "kl"."""

    def __init__(self, goal: Goal, knob: str) -> None:
        self.node, self.field, self.knob = goal.node, goal.field, knob
        if goal.field is None:
            self.loss, self.outputs = losses.KL, goal.result.numel
            self.value: Compare = lambda output, _target, _smoothing: losses.kl(output)
        else:
            self.loss = losses.choose(goal.loss, goal.field.task)
            self.outputs = goal.field.kinds or math.prod(goal.field.answer)
            self.value = self._compare(goal.field)

    def _compare(self, field: Field) -> Compare:
        """``value(output, target, smoothing)``: the loss of a batch."""
        if field.task == "regression":
            return self._numbers
        if field.simple:
            return self._labels
        if self.loss.indices:
            ignore = losses.NONE if field.ignore is None else field.ignore
            return partial(self._positions if len(field.spec.shape) < 2 else self._pixels, field, ignore)
        return partial(self._one_by_one, field)

    def _numbers(self, output: Tensor, target: Tensor, _smoothing: float) -> Tensor:
        rows = target if target.ndim == 2 else target.reshape(len(target), -1)
        return self.loss.compute(losses.align(output, self.outputs), rows, 0.0)

    def _labels(self, output: Tensor, target: Tensor, smoothing: float) -> Tensor:
        return self.loss.compute(losses.align(output, self.outputs), target, smoothing)

    def _positions(self, field: Field, ignore: int, output: Tensor, target: Tensor, smoothing: float) -> Tensor:
        """``output`` (batch, T, K) and ``target`` (batch, T), or without the axis T."""
        rows = losses.shaped(output, field.answer).flatten(0, -2)
        return losses.cross_entropy(rows, target.flatten(), smoothing, ignore)

    def _pixels(self, field: Field, ignore: int, output: Tensor, target: Tensor, smoothing: float) -> Tensor:
        """``output`` (batch, K, H, W), ``target`` (batch, H, W)."""
        return losses.cross_entropy(losses.shaped(output, field.answer), target, smoothing, ignore)

    def _one_by_one(self, field: Field, output: Tensor, target: Tensor, smoothing: float) -> Tensor:
        """Losses on one-hot classes, of each position that counts."""
        output = losses.shaped(output, field.answer)
        rows = (output if target.ndim < 3 else output.movedim(1, -1)).reshape(-1, self.outputs)
        labels = target.flatten()
        if field.ignore is not None:
            rows, labels = rows[labels != field.ignore], labels[labels != field.ignore]
        return self.loss.compute(rows, F.one_hot(labels, self.outputs).to(torch.float32), smoothing)

    def prepare(self, target: Tensor) -> Tensor:
        """``target`` (n, …) in the form that ``value`` takes."""
        one_hot = self.field is not None and self.field.task == "classification" and self.field.simple
        return losses.prepare(target, self.loss, self.outputs) if one_hot else target

    def metric(self, output: Tensor, target: Tensor) -> float | None:
        """None for "kl", which is right or wrong about nothing."""
        if self.field is None:
            return None
        return measure(self.field, losses.align(output, self.outputs) if self.field.simple else output, target)


class Objective:
    """All terms, in the order of the outputs; ``first`` speaks for all where there is room for one metric.

    Raises Refused where the data has not what an Input or Output asks for; preflight tells it in more words.
    """

    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        if missing := [end.node for end in ends.open]:
            what = f"The data has nothing for {', '.join(missing)}."
            raise Refused(Diagnostic("train/no-field", what, "Choose other data, or remove it.", missing[0]))
        self.terms = [Term(g, WEIGHT + g.node if ends.several else "") for g in ends.goals]
        self.first = next((t for t in self.terms if t.field), self.terms[0])
        self._alone = self.terms[0] if len(self.terms) == 1 else None

    def loss(self, outputs: Outputs, targets: Sequence[Tensor], knobs: Mapping[str, float], smoothing: float) -> Tensor:
        """Σ weight · loss. ``targets`` has one tensor for each term with a field; weights are knobs."""
        if self._alone:
            assert isinstance(outputs, Tensor)
            return self._alone.value(outputs, targets[0] if targets else outputs, smoothing)
        return self.total(self.each(outputs, targets, smoothing), knobs)

    def each(self, outputs: Outputs, targets: Sequence[Tensor], smoothing: float) -> list[Tensor]:
        """The loss of each term, before its weight."""
        given = (outputs,) if isinstance(outputs, Tensor) else outputs
        compared = self.spread(targets, given)
        return [t.value(o, y, smoothing) for t, o, y in zip(self.terms, given, compared, strict=True)]

    def total(self, found: Sequence[Tensor], knobs: Mapping[str, float]) -> Tensor:
        if self._alone:
            return found[0]
        return reduce(add, [knobs[t.knob] * value for t, value in zip(self.terms, found, strict=True)])

    def spread(self, targets: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[Tensor]:
        """One target per term; where there is none, what the term itself was given stands for it."""
        left = iter(targets)
        return [next(left) if t.field else o for t, o in zip(self.terms, outputs, strict=True)]

    def inputs(self, arrays: Mapping[str, Tensor]) -> list[Tensor]:
        """Of ``arrays`` by field, what each Input takes."""
        return [arrays[f.field.name] for f in self.ends.feeds if f.field]

    def targets(self, arrays: Mapping[str, Tensor]) -> list[Tensor]:
        """Of ``arrays`` by field, what each term with a field is compared with, as it stands."""
        return [arrays[t.field.name] for t in self.terms if t.field]

    def batches(self, device: torch.device, seed: int) -> Batches:
        """The training part, on ``device``."""
        held = {name: resident(field.train, device) for name, field in self.ends.fields.items()}
        compared = [t for t in self.terms if t.field]
        targets = [t.prepare(y) for t, y in zip(compared, self.targets(held), strict=True)]
        return Batches(self.inputs(held), targets, seed)

    @property
    def alone(self) -> bool:
        """One Input leads to a class, or to numbers: also those that went in."""
        term = self._alone
        return term is not None and len(self.ends.feeds) == 1 and term.field is not None and term.field.simple

    @property
    def plain(self) -> bool:
        """The first input of the data alone leads to its first target, as in most networks."""
        data, first = self.ends.data, self.first.field
        return self.alone and self.ends.feeds[0].field is data.inputs[0] and first is data.targets[0]

    def told(self, graph: Graph) -> dict[str, Any]:
        """The Outputs as a "started" event lists them, where there are several."""
        if self._alone:
            return {}
        return {
            "outputs": [
                {
                    "id": t.node,
                    "label": graph.by_id[t.node].label,
                    "target": t.field.title if t.field else None,
                    "loss": t.loss.name,
                    "metric": t.field.score if t.field else None,
                }
                for t in self.terms
            ]
        }
