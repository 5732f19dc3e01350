"""A table of the user's own: what is in it, and the data set it makes.

Numbers are standardised, categories become one column per level, both fitted on the training part; a missing
number becomes the training part's median. Nothing is dropped in silence: ``Dataset.notes`` says it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from builder.diagnostic import suggest
from builder.params import shown
from builder.spec import Param
from engine.data.csv_columns import Column, describe, is_numeric, numbers, words
from engine.data.csv_read import MIN_ROWS, Sheet, check_size, read, refuse
from engine.data.spec import Array, Dataset, DatasetSpec, Options, share
from engine.data.split import Parts, classification, regression, repeats, split

if TYPE_CHECKING:
    import pandas as pd

FILE = "data.csv"
MAX_CLASSES = 100
MAX_CELLS = 100_000_000  # of the arrays made, 4 bytes each
TARGET_NAMES = ("target", "label", "class", "y", "outcome")
TASK = Param(
    "task",
    "choice",
    "auto",
    choices=("auto", "classification", "regression"),
    label="Task",
    help="'auto' predicts a class for words and for up to 10 whole numbers, else a value.",
)


@dataclass(frozen=True)
class CsvReport:
    """What a page shows of an upload. ``target`` is the default one, ``targets`` all that can be chosen."""

    encoding: str
    delimiter: str
    header: bool
    rows: int
    columns: tuple[Column, ...]
    targets: tuple[str, ...]
    target: str


def inspect(data: bytes) -> CsvReport:
    """Raises Refused when no network can be trained on ``data``."""
    return report_on(read(data))


def report_on(sheet: Sheet) -> CsvReport:
    """As ``inspect``, of a table that has been read."""
    columns, rows = describe(sheet.frame), len(sheet.frame)
    if rows < MIN_ROWS:
        problem = f"The table has {rows} rows; a part must be trained on and a part held out."
        refuse("too-few-rows", problem, f"Upload at least {MIN_ROWS} rows.")
    usable = [c.name for c in columns if c.used]
    targets = tuple(c.name for c in columns if c.task and set(usable) - {c.name})
    if not targets:
        reasons = "; ".join(f"{shown(c.name)} is {_said(c)}" for c in columns[:5] if not c.used)
        problem = f"A network needs a column to learn from and one to predict; it can use {len(usable) or 'none'} here."
        cure = "Add columns of numbers, or of words that repeat."
        refuse("no-feature", f"{problem} {reasons}." if reasons else problem, cure)
    named = [t for t in targets if t.lower() in TARGET_NAMES]
    return CsvReport(sheet.encoding, sheet.delimiter, sheet.header, rows, columns, targets, (named or targets[-1:])[0])


def _said(column: Column) -> str:
    return {"text": "free text", "id": "a row number", "date": "a date"}.get(column.type, column.type)


def csv_dataset(
    data: bytes, target: str | None = None, seed: int = 0, test_share: float = 0.2, task: str = "auto"
) -> Dataset:
    """The data set that predicts ``target`` (None: the default one). Raises Refused."""
    sheet = read(data)
    return sheet_dataset(sheet, report_on(sheet), target, seed, test_share, task)


def sheet_dataset(
    sheet: Sheet, report: CsvReport, target: str | None, seed: int, test_share: float, task: str
) -> Dataset:
    """As ``csv_dataset``, of a table that has been read."""
    column = _target(report, target)
    kind = _task(column, task)
    frame, notes = _with_target(sheet.frame, column)
    features = [c for c in report.columns if c.used and c.name != column.name]
    y, classes = (
        _classes(frame[column.name], column) if kind == "classification" else _values(frame[column.name], column)
    )
    raw = np.column_stack([_codes(frame[c.name], c) for c in features])
    parts = split(raw, y, test_share, seed, stratify=bool(classes))
    if not len(parts.val) or not len(parts.train):
        problem = "No row can be held out: the classes are too small, or the rows repeat each other."
        refuse("no-split", problem, "Upload more rows that differ, or hold out a larger share.")
    x, names, more = _encode(raw, frame, features, parts)
    notes += [*_about(report, raw, features, column), *more]
    result = (
        classification("csv", "table", x, y, parts, classes, names, target=column.name)
        if classes
        else regression("csv", "table", x, y, parts, names, column.name)
    )
    missing = {c.name: n for i, c in enumerate(features) if (n := int(np.isnan(raw[:, i]).sum()))}
    return replace(result, missing=missing, notes=tuple(notes))


def _target(report: CsvReport, target: str | None) -> Column:
    by_name = {c.name: c for c in report.columns}
    column = by_name.get(report.target if target is None else str(target))  # a document may hold anything
    if column is None:
        problem = f"The table has no column {shown(target)}."
        refuse("target", problem, suggest(target, report.targets), "target")
    if column.name not in report.targets:
        problem = f"The column {shown(column.name)} cannot be predicted: it is {_said(column)}."
        refuse("target", problem, suggest("", report.targets), "target")
    return column


def _task(column: Column, task: str) -> str:
    if task == "regression" and column.type == "category":
        problem = f"{shown(column.name)} holds words, and regression predicts a number."
        refuse("task", problem, "Choose classification, or another target.", "task")
    return str(column.task) if task == "auto" else task


def _with_target(frame: pd.DataFrame, column: Column) -> tuple[pd.DataFrame, list[str]]:
    """Only the rows whose target is known."""
    cells = frame[column.name]
    known = np.isfinite(numbers(cells)) if column.type == "number" else cells.notna().to_numpy()
    if known.sum() < MIN_ROWS:
        problem = f"Only {known.sum()} rows have a value of {shown(column.name)}."
        refuse("too-few-rows", problem, f"Fill in at least {MIN_ROWS}, or choose another target.", "target")
    dropped = int((~known).sum())
    return frame[known], [f"{dropped:,} rows have no {column.name} and were left out."] if dropped else []


def _values(cells: pd.Series, column: Column) -> tuple[Array, tuple[str, ...]]:
    y = numbers(cells)
    if y.min() == y.max():
        _one_value(column)
    return y, ()


def _classes(cells: pd.Series, column: Column) -> tuple[Array, tuple[str, ...]]:
    """(class numbers, names of the classes in order)."""
    values: Array = numbers(cells) if column.type == "number" else words(cells).to_numpy(dtype=object)
    levels, y = np.unique(values, return_inverse=True)
    if len(levels) < 2:
        _one_value(column)
    if len(levels) > MAX_CLASSES:
        problem = f"{shown(column.name)} has {len(levels):,} different values; at most {MAX_CLASSES} can be classes."
        refuse("too-many-classes", problem, "Choose regression, or another target.", "task")
    return y, tuple(f"{v:g}" if column.type == "number" else str(v) for v in levels)


def _one_value(column: Column) -> None:
    problem = f"Every row has the same {shown(column.name)}, so there is nothing to tell apart."
    refuse("one-class", problem, "Choose another target, or add rows with other values.", "target")


def _codes(cells: pd.Series, column: Column) -> Array:
    """float64 (row,): the numbers, or the place of each word among the sorted levels; NaN where missing."""
    if column.type == "number":
        return numbers(cells if is_numeric(cells) else words(cells))
    codes = words(cells).astype("category").cat.codes.to_numpy(dtype=np.float64)
    return np.where(codes < 0, np.nan, codes)


def _encode(
    raw: Array, frame: pd.DataFrame, features: list[Column], parts: Parts
) -> tuple[Array, tuple[str, ...], list[str]]:
    """x (row, encoded feature) float64, the names of its columns, and what a person should know."""
    blocks: list[Array] = []
    names: list[str] = []
    notes: list[str] = []
    for i, column in enumerate(features):
        values, train = raw[:, i], raw[parts.train, i]
        seen = np.unique(train[~np.isnan(train)])
        if column.type == "number":
            blocks.append(
                np.where(np.isnan(values), np.median(train[~np.isnan(train)]) if len(seen) else 0.0, values)[:, None]
            )
            names.append(column.name)
            continue
        levels = words(frame[column.name]).astype("category").cat.categories
        names += [f"{column.name} = {levels[int(code)]}" for code in seen]
        blocks.append(values[:, None] == seen)
        unseen = int((~np.isin(values, seen) & ~np.isnan(values)).sum())
        if unseen:
            notes.append(f"{unseen:,} held-out rows have a {column.name} that the training part lacks.")
        if sum(b.shape[1] for b in blocks) * len(raw) > MAX_CELLS:
            refuse(
                "too-wide", "The categories make more columns than fit in memory.", "Leave out some columns or rows."
            )
    return np.concatenate(blocks, axis=1, dtype=np.float64), tuple(names), notes


def _about(report: CsvReport, raw: Array, features: list[Column], target: Column) -> list[str]:
    notes = [f"{c.name}: {c.note}" for c in report.columns if c.note]
    filled = [c for i, c in enumerate(features) if c.type == "number" and np.isnan(raw[:, i]).any()]
    if filled:
        notes.append(f"Missing numbers in {', '.join(c.name for c in filled[:5])} were filled with the median.")
    if alike := repeats(raw):
        notes.append(f"{alike:,} rows repeat the features of another and stay in the same part as that one.")
    return notes


def _load(options: Options, seed: int, folder: Path | None) -> Dataset:
    path = folder / FILE if folder else None
    if path is None or not path.is_file():
        refuse("no-file", "No file was uploaded for this run.", "Upload a CSV file first.", "data")
    from engine.data import stored  # which reads and writes what is defined here

    made = stored.read_dataset(
        stored.set_folder(path.parent, options, seed), "c"
    )  # of an upload that has been imported
    if made is not None:
        return made
    check_size(path.stat().st_size)
    return csv_dataset(path.read_bytes(), options["target"], seed, options["test_share"], options["task"])


CSV = DatasetSpec(
    "csv",
    "Your own table",
    "A CSV file with a header line: one row per example, one column to predict.",
    "table",
    None,
    _load,
    "Uploaded.",
    (TASK, share(0.2)),
    text_options=("target",),
    group="Your own",
)
