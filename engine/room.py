"""Whether there is room for a data set, from what is known of it before it is loaded. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.diagnostic import Diagnostic, Refused
from engine import memory
from engine.data.spec import DatasetSpec

NUMBERS = {"float32": 4, "int64": 8}  # bytes
MADE = 3  # times: as made, split, and standardised
CELL = 190  # bytes that a cell of a table takes at most while it is read: its text, its value, and their objects
CHUNK = 2**20


def check_room(spec: DatasetSpec, options: Mapping[str, Any], folder: Path | None) -> None:
    """Raises Refused, with both sizes, where the data set would not fit."""
    table = folder / "data.csv" if folder and spec.name == "csv" else None
    limit = memory.allowed()
    need = _of_table(table, limit) if table else _of_shape(spec, options)
    if need <= limit:
        return
    what = f"{spec.title} takes about {memory.said(need)} of memory to load, and there are {memory.said(limit)} for it."
    smaller = "a table with fewer rows or columns" if table else "fewer examples"
    raise Refused(Diagnostic("data/memory", what, f"Use {smaller}, or a machine with more memory.", field="data"))


def _of_shape(spec: DatasetSpec, options: Mapping[str, Any]) -> int:
    """Bytes; 0 where neither the number of examples nor their shape is known beforehand."""
    examples = spec.examples or int(options.get("size", 0))
    if spec.input is None:
        return 0
    return examples * spec.input.numel * NUMBERS[spec.input.dtype] * MADE


def _of_table(path: Path, limit: int) -> int:
    """Bytes; of a file that is larger than ``limit`` by itself no more than its size."""
    try:
        size = path.stat().st_size
        if size > limit:
            return size
        with path.open("rb") as file:
            first = file.readline(CHUNK)
            columns = 1 + max(first.count(sign) for sign in (b",", b";", b"\t"))
            rows = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(CHUNK), b""))
    except OSError:  # who loads it says so
        return 0
    return max(size, rows * columns * CELL)
