"""What differs between the copies of a run. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from builder.diagnostic import Diagnostic, Refused, suggest
from engine.config import TrainConfig
from engine.knobs import DROPOUT, KNOBS

MOST = 64  # copies in one run
SEEDS = {"seed": "everything that is drawn by chance", "order": "the order of the examples"}
TOGETHER = ("speed",)  # what only makes sense for all copies at once


def variants(config: TrainConfig) -> tuple[TrainConfig, ...]:
    """One config for each copy. Where nothing is said to vary, the seed does: seed, seed + 1, …

    The data set (its split, a generator's points) is the same for all. Raises Refused where ``vary`` does not fit.
    """
    vary = config.vary or ({"seed": [config.seed + k for k in range(config.copies)]} if config.copies > 1 else {})
    if problems := tuple(check(config.copies, vary)):
        raise Refused(*problems)
    return tuple(_variant(config, {name: values[k] for name, values in vary.items()}) for k in range(config.copies))


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
        if name not in known and name != "dropout" and not name.startswith(DROPOUT):
            what = f"{name!r} cannot differ between the copies of a run."
            found.append(Diagnostic("copies/unknown", what, suggest(name, known), field="vary"))
        elif len(values) != copies:
            what = f"{copies} copies need {copies} values of {name!r}, and there are {len(values)}."
            found.append(Diagnostic("copies/values", what, "Give each copy its value.", field="vary"))
    return found


def told(config: TrainConfig, copy: int) -> str:
    """What is special about copy ``copy`` (from 0): "learning rate 0.01", or "seed 3"."""
    own, words = variants(config)[copy], {p.name: p.title.lower() for p in KNOBS}
    names = config.vary or {"seed": ()}
    values = {name: getattr(own, name) if name in SEEDS else own.knobs[name] for name in names}
    return ", ".join(f"{words.get(name, name)} {value:g}" for name, value in values.items())
