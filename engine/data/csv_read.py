"""From the bytes of an upload to a table, or to the reason why it is none.

Everything cheap is checked on the raw bytes first, so that a hostile file is refused before it costs memory.
Only bytes come in: no path, no address, nothing compressed.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NoReturn

from builder.diagnostic import Diagnostic, Refused
from builder.params import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

MAX_BYTES = 50 * 2**20
MAX_ROWS = 1_000_000
MAX_COLUMNS = 2_000
MIN_ROWS = 10
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
MISSING = ["?", "-", "--", "."]  # beside the words that pandas knows (empty, NA, NaN, null, …)
SAMPLE = 64 * 1024
FOREIGN = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a compressed file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format", "a database"),
    (b"{", "a JSON document"),
    (b"<", "a web page or XML"),
)
CONTROL = bytes(c for c in range(32) if c not in b"\t\n\r\x0b\x0c")
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
DECIMAL_COMMA, DECIMAL_POINT = re.compile(r"[+-]?\d+,\d+"), re.compile(r"[+-]?\d*\.\d+")


@dataclass(frozen=True, eq=False)
class Sheet:
    """``frame`` holds numbers where a whole column is numbers, else text; missing cells are NaN."""

    frame: pd.DataFrame
    encoding: str
    delimiter: str
    header: bool


def refuse(problem: str, what: str, cure: str, field: str = "file") -> NoReturn:
    raise Refused(Diagnostic(f"csv/{problem}", what, cure, field=field))


def read(data: bytes) -> Sheet:
    import pandas as pd

    _check_bytes(data)
    encoding = _encoding(data)
    delimiter = _delimiter(_sample(data, encoding))
    first, rows = _scan(data, encoding, delimiter)
    header = not any(map(NUMBER.fullmatch, first))
    if rows - header < 1:
        refuse("only-header", "The file has a header line and no rows.", f"Add at least {MIN_ROWS} rows.")
    names = _names(first) if header else [f"column {i}" for i in range(1, len(first) + 1)]
    frame = pd.read_csv(
        io.BytesIO(data),
        sep=delimiter,
        header=0 if header else None,
        names=names,
        index_col=False,
        encoding=encoding,
        compression=None,
        low_memory=False,
        skipinitialspace=True,
        na_values=MISSING,
        decimal="," if _decimal_comma(data, encoding, delimiter) else ".",
    )
    return Sheet(frame, encoding, delimiter, header)


def check_size(nbytes: int) -> None:
    if nbytes > MAX_BYTES:
        problem = f"The file has {nbytes / 2**20:,.0f} MB; at most {MAX_BYTES // 2**20} MB are taken."
        refuse("too-large", problem, "Upload a part of it: a few thousand rows are plenty to learn from.")


def _check_bytes(data: bytes) -> None:
    check_size(len(data))
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        refuse("empty", "The file is empty.", "Upload a table with a header line and at least 10 rows.")
    for magic, name in FOREIGN:
        if start.startswith(magic):
            refuse("not-a-table", f"This is {name}, not a CSV file.", "Save the table as CSV and upload that.")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        refuse("not-a-table", "The file is written as UTF-16.", "Save it as CSV in UTF-8 and upload that.")
    if (lines := data.count(b"\n")) > MAX_ROWS + 1:
        refuse("too-many-rows", f"The file has {lines:,} lines; at most {MAX_ROWS:,} rows are taken.", "Upload fewer.")
    if len(data.translate(None, delete=CONTROL)) < len(data):
        refuse("not-a-table", "This is a binary file, not a CSV file.", "Save the table as CSV and upload that.")
    first = start[: start.find(b"\n")] if b"\n" in start else start
    if (columns := max(first.count(d.encode()) for d in DELIMITERS) + 1) > MAX_COLUMNS:
        problem = f"The first line has {columns:,} columns; at most {MAX_COLUMNS:,} are taken."
        refuse("too-many-columns", problem, "Keep the columns that matter.")


def _encoding(data: bytes) -> str:
    if data.startswith(b"\xef\xbb\xbf"):
        data, best = data[3:], "utf-8-sig"
    else:
        best = "utf-8"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return best


def _sample(data: bytes, encoding: str) -> list[str]:
    """The first lines, whole ones, at most 50."""
    lines = data[:SAMPLE].decode(encoding, errors="replace").splitlines(keepends=True)
    return [line for line in (lines[:-1] if len(data) > SAMPLE else lines) if line.strip()][:50]


def _delimiter(lines: list[str]) -> str:
    """The one that cuts most lines into as many cells as the first line; the wider cut where two do."""
    best, best_score = "", (0.0, 1)
    for delimiter in DELIMITERS:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]
        score = (widths.count(widths[0]) / len(widths), widths[0]) if widths else (0.0, 1)
        if score[1] > 1 and score > best_score:
            best, best_score = delimiter, score
    if not best:
        problem = "The file has one column only: no comma, semicolon, tab or bar parts its first line."
        refuse("one-column", problem, "A table needs at least one column to learn from and one to predict.")
    return best


def _rows(data: bytes, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line on which the row ends, cells) of every line that is not blank."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding=encoding, newline="")
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error:
        problem = f"A quoted cell goes wrong in line {reader.line_num}: its quote is not closed, or it is too long."
        refuse("quote", problem, 'Put " at both ends of a quoted cell, and "" for a quote inside it.')


def _scan(data: bytes, encoding: str, delimiter: str) -> tuple[list[str], int]:
    """The first row, and the number of rows; every row must be as wide as the first."""
    rows = _rows(data, encoding, delimiter)
    _, first = next(rows)
    count = 1
    for line, row in rows:
        count += 1
        if len(row) != len(first):
            cut = f"(cut at each {DELIMITERS[delimiter]})"
            problem = f"Line {line} has {len(row)} cell{'s' * (len(row) != 1)}, the first line has {len(first)} {cut}."
            refuse(
                "ragged", problem, "Give every line the same number of cells; put a cell with a delimiter in quotes."
            )
    return [cell.strip() for cell in first], count


def _names(first: list[str]) -> list[str]:
    names = [cell or f"unnamed {i}" for i, cell in enumerate(first, 1)]
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        problem = f"Two columns are called {shown(twice[0])}."
        refuse("doubled-name", problem, "Give every column a name of its own.")
    return names


def _decimal_comma(data: bytes, encoding: str, delimiter: str) -> bool:
    """Whether numbers are written 1,5: some are, and none is written 1.5. Cannot be where a comma parts the cells."""
    if delimiter == ",":
        return False
    cells = [cell.strip() for _, row in islice(_rows(data, encoding, delimiter), 50) for cell in row]
    return any(map(DECIMAL_COMMA.fullmatch, cells)) and not any(map(DECIMAL_POINT.fullmatch, cells))
