"""How to train: a frozen value that a run folder stores as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from builder.diagnostic import Diagnostic, Refused
from builder.spec import Param
from engine.breakpoints import parse_all

SETTINGS: tuple[Param, ...] = (
    Param(
        "loss",
        "choice",
        "auto",
        choices=("auto", "cross_entropy", "mse", "mae", "huber", "bce"),
        label="Loss",
        help="What training makes small. 'auto' is cross-entropy for classes and mean squared error for numbers.",
    ),
    Param(
        "optimizer",
        "choice",
        "adam",
        choices=("sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adam", "adamw"),
        label="Optimizer",
        help="The rule that turns gradients into steps.",
    ),
    Param(
        "schedule",
        "choice",
        "constant",
        choices=("constant", "step", "cosine", "warmup", "warmup_cosine"),
        label="Learning-rate schedule",
        help="How the learning rate changes over the run.",
    ),
    Param("steps", "int", 20_000, 1, 10_000_000, label="Steps", log=True, help="How many batches to train on."),
    Param("seed", "int", 0, 0, 2**31 - 1, label="Seed", help="The same seed gives the same run."),
    Param(
        "device",
        "choice",
        "auto",
        choices=("auto", "cpu", "cuda", "mps"),
        label="Device",
        help="'auto' takes an accelerator if there is one.",
    ),
    Param(
        "early_stopping",
        "bool",
        False,
        label="Early stopping",
        help="Stop when the validation loss has not improved for a while, and go back to the best weights.",
    ),
    Param(
        "patience",
        "int",
        500,
        1,
        1_000_000,
        label="Patience",
        log=True,
        help="Early stopping waits this many steps for a better validation loss.",
    ),
    Param(
        "max_seconds", "int", 3600, 1, 86_400, label="Time limit (s)", log=True, help="The run stops after this time."
    ),
)


LOOKS = 5  # validations within one patience


@dataclass(frozen=True)
class DataRef:
    """Which data set, with its options (``noise``, ``size``, …). A CSV is ``csv`` with its file in the run folder."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one run (see SETTINGS) and its knobs at step 0 (see knobs.py; missing ones at their default).

    ``order`` is the seed of the order of the examples, where that is another. ``copies`` of the network train at once;
    ``vary`` gives each its own value of knobs, "seed" or "order" (see replicas/variants.py). ``breakpoints`` say where
    the run pauses (see breakpoints.py), and change nothing in it.
    """

    data: DataRef
    loss: str = "auto"
    optimizer: str = "adam"
    schedule: str = "constant"
    steps: int = 20_000
    seed: int = 0
    device: str = "auto"
    early_stopping: bool = False
    patience: int = 500
    max_seconds: int = 3600
    knobs: Mapping[str, float] = field(default_factory=dict)
    order: int | None = None
    copies: int = 1
    vary: Mapping[str, Sequence[float]] = field(default_factory=dict)
    breakpoints: tuple[str, ...] = ()

    @property
    def look_every(self) -> int:
        """Steps between the validations that early stopping goes by."""
        return max(1, self.patience // LOOKS)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> TrainConfig:
        """The config in ``body``. Raises Refused if a setting is unknown or out of its range."""
        names = {f.name for f in fields(TrainConfig)}
        unknown = [
            Diagnostic(
                "config/unknown", f"There is no setting {n!r}.", f"Use one of {', '.join(sorted(names))}.", field=n
            )
            for n in body
            if n not in names
        ]
        ranged = (p.check(body[p.name]) for p in SETTINGS if p.name in body)
        if problems := unknown + [d for d in ranged if d] + _of_copies(body):
            raise Refused(*problems)
        asked = body.get("breakpoints", ())
        data, stops = body["data"], parse_all(map(str, asked if isinstance(asked, list | tuple) else [asked]))
        ref = DataRef(data["name"], data.get("options", {}))
        return TrainConfig(**{**body, "data": ref, "breakpoints": tuple(map(str, stops))})


def _of_copies(body: Mapping[str, Any]) -> list[Diagnostic]:
    """Whether what concerns copies has the right form; replicas/variants.py says what fits together."""
    counts = Param("copies", "int", 1, 1, 64), Param("order", "int", None, 0, 2**31 - 1, optional=True)
    found = [problem for p in counts if p.name in body and (problem := p.check(body[p.name]))]
    vary = body.get("vary", {})
    lists = vary.values() if isinstance(vary, Mapping) else [None]
    if not all(isinstance(each, list | tuple) and all(map(_number, each)) for each in lists):
        what = "What varies between copies is a list of numbers for each name, one number for each copy."
        found.append(Diagnostic("copies/form", what, 'Write it as {"lr": [0.1, 0.01]}.', field="vary"))
    return found


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
