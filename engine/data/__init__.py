"""Data sets: all offline, the same for the same seed, split without leakage, standardised by the training part.

Importing this package costs numpy only; a set is read or drawn when it is first asked for.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from builder.diagnostic import Diagnostic, Refused, suggest
from builder.params import coerce, shown
from engine.config import DataRef
from engine.data.csv import CSV
from engine.data.games import GAMES
from engine.data.images import IMAGES
from engine.data.language import LANGUAGE
from engine.data.molecules import MOLECULES
from engine.data.pairs import PAIRS
from engine.data.preview import Preview, preview
from engine.data.questions import QUESTIONS
from engine.data.segmentation import MASKS
from engine.data.sequences import PUZZLES
from engine.data.series import SERIES
from engine.data.spec import Dataset, DatasetSpec, Field, Group, Scaler
from engine.data.speech import SPEECH
from engine.data.tabular import TABLES
from engine.data.toys import TOYS
from engine.data.translation import TRANSLATIONS
from engine.room import check_room

__all__ = [
    "BY_NAME",
    "DATASETS",
    "GROUPS",
    "Dataset",
    "DatasetSpec",
    "Field",
    "Preview",
    "Scaler",
    "list_datasets",
    "load",
    "preview",
]

GROUPS: tuple[Group, ...] = get_args(Group)
DATASETS: tuple[DatasetSpec, ...] = tuple(
    sorted(
        (
            *TOYS,
            *PUZZLES,
            *TABLES,
            *IMAGES,
            *PAIRS,
            *MASKS,
            *LANGUAGE,
            *TRANSLATIONS,
            QUESTIONS,
            *SPEECH,
            *SERIES,
            *GAMES,
            MOLECULES,
            CSV,
        ),
        key=lambda d: GROUPS.index(d.group),
    )
)
BY_NAME = {d.name: d for d in DATASETS}


def load(ref: DataRef, seed: int = 0, folder: Path | None = None) -> Dataset:
    """The data set that ``ref`` names; ``folder`` holds an uploaded ``data.csv``. Raises Refused."""
    spec = BY_NAME.get(ref.name)
    if spec is None:
        problem = f"There is no data set {shown(ref.name)}."
        raise Refused(Diagnostic("data/unknown", problem, suggest(ref.name, list(BY_NAME)), field="data"))
    if problems := check_options(spec, ref):
        raise Refused(*problems)
    options = {p.name: coerce(p, ref.options.get(p.name, p.default)) for p in spec.options}
    check_room(spec, options, folder)
    if spec is CSV:  # its bytes may change, and may be large
        return spec.load({**options, **{n: ref.options.get(n) for n in spec.text_options}}, seed, folder)
    return _cached(spec, tuple(options.items()), seed)


def check_options(spec: DatasetSpec, ref: DataRef) -> list[Diagnostic]:
    """Every unknown or unacceptable option of ``ref``."""
    known = [p.name for p in spec.options] + list(spec.text_options)
    problems = [
        Diagnostic("data/option", f"The data set {spec.name} has no option {shown(n)}.", suggest(n, known), field=n)
        for n in ref.options
        if n not in known
    ]
    values = ((p, ref.options[p.name]) for p in spec.options if p.name in ref.options)
    return problems + [d for p, value in values if (d := p.check(value))]


@lru_cache(maxsize=4)
def _cached(spec: DatasetSpec, options: tuple[tuple[str, Any], ...], seed: int) -> Dataset:
    return spec.load(dict(options), seed, None)


def list_datasets() -> str:
    """A table for the command line: name, application, task, shape of one example, examples, about."""
    rows = [("name", "application", "task", "input", "outputs", "examples", "about")]
    rows += [(d.name, d.group, d.task or "either", *_sizes(d), d.about) for d in DATASETS]
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    return "\n".join("  ".join((*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[6])) for row in rows)


def _sizes(spec: DatasetSpec) -> tuple[str, str, str]:
    size = next((p for p in spec.options if p.name == "size"), None)
    drawn = f"{size.low}-{size.high}" if size else "your file"
    examples = f"{spec.examples:,}" if spec.examples else drawn
    return str(spec.input or "your file"), str(spec.outputs or "your file"), examples
