"""What differs between the copies of a run. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from builder.diagnostic import Diagnostic, Refused, suggest
from engine.config import TrainConfig
from engine.knobs import DROPOUT, KNOBS, WEIGHT, knob

MOST = 64  # copies in one run
SEEDS = {"seed": "everything that is drawn by chance", "order": "the order of the examples"}
TOGETHER = ("speed",)  # what only makes sense for all copies at once

SPREADS: dict[str, tuple[float, float]] = {  # knobs that are worth trying, from where to where
    "lr": (0.001, 0.1),
    "dropout": (0.0, 0.7),
    "l2": (1e-5, 0.1),
    "l1": (1e-5, 0.01),
    "weight_decay": (1e-4, 0.5),
    "input_noise": (0.0, 1.0),
    "label_smoothing": (0.0, 0.4),
    "clip_norm": (0.1, 10.0),
    "momentum": (0.0, 0.99),
    "batch_size": (8, 256),
}


def spread(name: str, low: float, high: float, count: int) -> list[float]:
    """``count`` values of a knob from ``low`` to ``high``: by equal factors where its slider goes by them."""
    param = knob(name)
    factors = param is not None and param.log and low > 0 and high > 0
    if factors:
        values = [low * (high / low) ** (k / max(1, count - 1)) for k in range(count)]
    else:
        values = [low + (high - low) * k / max(1, count - 1) for k in range(count)]
    digits = [float(f"{value:.4g}") for value in values]
    return [round(value) for value in digits] if param is not None and param.kind == "int" else digits


def variants(config: TrainConfig) -> tuple[TrainConfig, ...]:
    """One config for each copy. Where nothing is said to vary, the seed does: seed, seed + 1, …

    The data set (its split, a generator's points) is the same for all. Raises Refused where ``vary`` does not fit.
    """
    vary = varied(config)
    if problems := tuple(check(config.copies, vary)):
        raise Refused(*problems)
    return tuple(_variant(config, {name: values[k] for name, values in vary.items()}) for k in range(config.copies))


def varied(config: TrainConfig) -> Mapping[str, Sequence[float]]:
    """What differs between the copies: name → the value of each."""
    if config.vary or config.copies == 1:
        return config.vary
    return {"seed": [config.seed + k for k in range(config.copies)]}


def _variant(config: TrainConfig, own: Mapping[str, float]) -> TrainConfig:
    knobs = {name: value for name, value in own.items() if name not in SEEDS}
    seed, order = int(own.get("seed", config.seed)), int(own["order"]) if "order" in own else config.order
    return replace(config, seed=seed, order=order, knobs={**config.knobs, **knobs}, copies=1, vary={})


def check(copies: int, vary: Mapping[str, Sequence[float]]) -> list[Diagnostic]:
    """What is wrong with ``vary``; whether a value is in its knob's range is told when the knob is set."""
    found = []
    if not 1 <= copies <= MOST:
        what = f"A run has 1 to {MOST} copies of its network, and {copies} are asked for."
        found.append(Diagnostic("copies/count", what, f"Use {MOST} or fewer.", field="copies"))
    known = [*SEEDS, *(p.name for p in KNOBS if p.name not in TOGETHER)]
    for name, values in vary.items():
        if name not in known and name != "dropout" and not name.startswith((DROPOUT, WEIGHT)):
            what = f"{name!r} cannot differ between the copies of a run."
            found.append(Diagnostic("copies/unknown", what, suggest(name, known), field="vary"))
        elif len(values) != copies:
            what = f"{copies} copies need {copies} values of {name!r}, and there are {len(values)}."
            found.append(Diagnostic("copies/values", what, "Give each copy its value.", field="vary"))
    return found


def told(config: TrainConfig, copy: int) -> str:
    """What is special about copy ``copy`` (from 0): "learning rate 0.01", or "seed 3"."""
    own, words = variants(config)[copy], {p.name: p.title.lower() for p in KNOBS}
    values = {name: getattr(own, name) if name in SEEDS else own.knobs[name] for name in varied(config)}
    return ", ".join(f"{words.get(name, name)} {value:g}" for name, value in values.items())
