"""What a column of an uploaded table holds, and whether a network can use it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from engine.data.spec import Array, Task

if TYPE_CHECKING:
    import pandas as pd

ColumnType = Literal["number", "category", "date", "text", "id", "constant", "empty"]
MAX_LEVELS = 20  # of a category
MAX_WHOLE_CLASSES = 10  # a target of more different whole numbers is taken for a quantity
SAMPLED = 1_000
LARGEST = 1e100  # beyond, squares leave float64
NUMBER_SHARE = 0.9  # a column with this share of numbers is one; the rest of its cells are missing values
DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?([T ]\d{1,2}:\d{2}.*)?"  # 2024-05-01T12:00
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}( \d{1,2}:\d{2}.*)?"  # 1.5.2024
    r"|\d{1,2}:\d{2}(:\d{2})?"
)
ID_NAME = re.compile(r"(?i:(.*[_ ])?(id|index|key|nr|no)|unnamed 1)|.*[a-z]I[dD]")  # not "humid"


@dataclass(frozen=True)
class Column:
    """``task`` is what predicting this column would be, None if it cannot be a target. ``note`` says why a
    column is left out, or what was read as missing."""

    name: str
    type: ColumnType
    missing: int
    distinct: int
    examples: tuple[str, ...]
    note: str = ""
    task: Task | None = None

    @property
    def used(self) -> bool:
        """Whether it can be a feature."""
        return self.type in ("number", "category")


def describe(frame: pd.DataFrame) -> tuple[Column, ...]:
    return tuple(_column(str(name), frame[name]) for name in frame.columns)


def is_numeric(cells: pd.Series) -> bool:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(cells.dtype) and not is_bool_dtype(cells.dtype)


def numbers(cells: pd.Series) -> Array:
    """float64, NaN for a cell that holds no usable number."""
    import pandas as pd

    values = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def words(cells: pd.Series) -> pd.Series:
    """The cells as text without blanks at the ends; missing ones stay missing."""
    return cells.astype("string").str.strip()


def _column(name: str, cells: pd.Series) -> Column:
    present = cells.dropna()
    examples = tuple(str(v)[:40] for v in present.unique()[:5])
    if is_numeric(present) and len(present):
        return _number(name, cells, examples)
    texts = words(present)
    if len(texts) and np.isfinite(numbers(_sample(texts))).mean() >= NUMBER_SHARE:
        return _number(name, words(cells), examples)
    return _text(name, texts, len(cells) - len(present), examples)


def _sample(texts: pd.Series) -> pd.Series:
    """At most twice SAMPLED cells, evenly spread: enough to see what a column holds."""
    return texts.iloc[:: max(1, len(texts) // SAMPLED)]


def _number(name: str, cells: pd.Series, examples: tuple[str, ...]) -> Column:
    values = numbers(cells)
    present = values[np.isfinite(values)]
    distinct, missing = len(np.unique(present)), len(values) - len(present)
    strange = missing - int(cells.isna().sum())
    note = f"{strange:,} cells hold no usable number and count as missing." if strange else ""
    whole = bool((present == np.rint(present)).all())
    if distinct < 2:
        return _alike(name, distinct, missing, examples)
    if whole and _names_rows(name, present, missing):
        return Column(name, "id", missing, distinct, examples, "Left out: it only numbers the rows.")
    classes = whole and distinct <= MAX_WHOLE_CLASSES
    return Column(name, "number", missing, distinct, examples, note, "classification" if classes else "regression")


def _names_rows(name: str, values: Array, missing: int) -> bool:
    return not missing and bool(ID_NAME.fullmatch(name)) and len(np.unique(values)) == len(values)


def _alike(name: str, distinct: int, missing: int, examples: tuple[str, ...]) -> Column:
    if distinct == 0:
        return Column(name, "empty", missing, 0, examples, "Left out: it has no value.")
    return Column(name, "constant", missing, 1, examples, "Left out: it has the same value in every row.")


def _text(name: str, texts: pd.Series, missing: int, examples: tuple[str, ...]) -> Column:
    distinct = int(texts.nunique())
    if distinct < 2:
        return _alike(name, distinct, missing, examples)
    if _sample(texts).str.fullmatch(DATE.pattern).mean() >= NUMBER_SHARE:
        note = "Left out: it holds dates or times. Turn them into numbers (year, month, hour) to use them."
        return Column(name, "date", missing, distinct, examples, note)
    if distinct <= MAX_LEVELS and distinct < len(texts):
        return Column(name, "category", missing, distinct, examples, task="classification")
    if distinct == len(texts):
        return Column(name, "text", missing, distinct, examples, "Left out: its text differs in every row.")
    note = f"Left out: it has {distinct:,} different texts; at most {MAX_LEVELS} can be used as a category."
    return Column(name, "text", missing, distinct, examples, note)
