"""Where a run is to stop and wait: ``gap>0.5``, ``grad_norm:linear_1>100``, ``step=500``. No torch."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from builder.diagnostic import Diagnostic, Refused, suggest

# What is measured in every step, for the whole network or one layer, and what only at evaluations.
EVERY_STEP = {"step": "the step", "batch_loss": "the loss of the batch"}
BY_LAYER = {"grad_norm": "the gradient norm", "update_ratio": "the update ratio"}
EVALUATED = {
    "train_loss": "the training loss",
    "val_loss": "the validation loss",
    "gap": "the gap between validation and training loss",
    "train_metric": "the training metric",
    "val_metric": "the validation metric",
}
WORDS = EVERY_STEP | BY_LAYER | EVALUATED
FORM = re.compile(r"\s*([A-Za-z_]+)\s*(?::\s*([\w.]+)\s*)?([<>=])\s*([-+.\deE]+)\s*")
MOST = 20  # breakpoints of one run
LONGEST = 200  # characters of one
CURE = "Write for example gap>0.5, val_loss<0.1, grad_norm:linear_1>100 or step=500."


@dataclass(frozen=True)
class Breakpoint:
    """Stops where ``quantity`` (of layer ``node``; of any, if that is empty) comes to lie above or below ``value``.

    A step has to be equal to it.
    """

    quantity: str
    sign: str
    value: float
    node: str = ""

    def __str__(self) -> str:
        return f"{self.quantity}{':' if self.node else ''}{self.node}{self.sign}{self.value:.12g}"

    @property
    def every_step(self) -> bool:
        """Whether each step has to be looked at. A step itself is known beforehand."""
        return self.quantity == "batch_loss" or self.quantity in BY_LAYER

    def meets(self, value: float) -> bool:
        return {">": value > self.value, "<": value < self.value, "=": value == self.value}[self.sign]

    def says(self, step: int, value: float, layer: str = "", copy: str = "") -> str:
        """Why the run stopped, in plain words; ``layer`` is the name of the layer at which it was found, ``copy`` that
        of the copy of the network where there are several."""
        if self.quantity == "step":
            return f"Stopped at step {step:,}, as was asked for."
        what = WORDS[self.quantity] + (f" of '{layer}'" if layer else "") + (f" of {copy}" if copy else "")
        side = "above" if self.sign == ">" else "below"
        where = "Stopped" if self.quantity not in EVALUATED else "Stopped at the evaluation"
        return f"{where} after step {step:,}: {what} is {value:.4g}, {side} {self.value:g}."


def parse(text: str) -> Breakpoint:
    """Raises Refused with what is wrong with ``text`` and how to write it."""
    found = FORM.fullmatch(text[:LONGEST])
    value = _number(found[4]) if found else None
    if found is None or value is None:
        what = f"A breakpoint is a quantity, a sign and a number; this is {text[:LONGEST]!r}."
        raise Refused(Diagnostic("breakpoint/form", what, CURE))
    name, node, sign = found[1], found[2] or "", found[3]
    if name not in WORDS:
        what = f"There is no quantity {name!r} to stop at."
        raise Refused(Diagnostic("breakpoint/quantity", what, suggest(name, list(WORDS))))
    if node and name not in BY_LAYER:
        what = f"{name} is a number of the whole network, not of the layer {node!r}."
        raise Refused(Diagnostic("breakpoint/layer", what, f"Write {name}{sign}{value:g}."))
    if (sign == "=") != (name == "step"):
        what = "A step is stopped at when it is reached, every other quantity when it comes above or below a value."
        raise Refused(Diagnostic("breakpoint/sign", what, CURE))
    if name == "step" and (value < 1 or value != int(value)):
        what = f"Steps are counted 1, 2, 3; {found[4]} is none of them."
        raise Refused(Diagnostic("breakpoint/step", what, CURE))
    return Breakpoint(name, sign, value, node)


def parse_all(texts: Iterable[str]) -> tuple[Breakpoint, ...]:
    """Each once, in order. Raises Refused with everything that is wrong."""
    found: list[Breakpoint] = []
    problems: list[Diagnostic] = []
    for text in texts:
        try:
            found.append(parse(text))
        except Refused as refused:
            problems += refused.diagnostics
    if len(found) > MOST:
        what = f"A run can have {MOST} breakpoints, and these are {len(found)}."
        problems.append(Diagnostic("breakpoint/many", what, "Take some away."))
    if problems:
        raise Refused(*problems)
    return tuple(dict.fromkeys(found))


def without_layer(breakpoints: Iterable[Breakpoint], layers: Collection[str]) -> list[Diagnostic]:
    """What to say of those that name a layer which has no weights or is not there."""
    return [
        Diagnostic(
            "breakpoint/unknown-layer",
            f"The breakpoint {b} needs a layer with weights called {b.node!r}, and this network has none.",
            f"Name one of {', '.join(layers)}." if layers else "Leave the layer out.",
        )
        for b in breakpoints
        if b.node and b.node not in layers
    ]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
