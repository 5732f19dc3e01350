"""A data set that does not fit into memory is refused with its size, before any of it is loaded."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from builder.diagnostic import Refused
from engine import memory, room
from engine.config import DataRef
from engine.data import BY_NAME, DATASETS, load
from engine.data.csv import CSV

MB = 2**20


def table(folder: Path, rows: int, columns: int = 10) -> Path:
    names = ",".join(f"c{i}" for i in range(columns))
    lines = [",".join(str((r * 7 + c * 3) % 11) for c in range(columns)) for r in range(rows)]
    (folder / "data.csv").write_text("\n".join([names, *lines]) + "\n")
    return folder


def test_a_data_set_that_is_too_large_is_refused_with_its_size_and_nothing_is_made(monkeypatch):
    monkeypatch.setattr(memory, "allowed", lambda: 10 * MB)
    monkeypatch.setattr("engine.data._cached", lambda *_: pytest.fail("it was loaded"))
    with pytest.raises(Refused) as refused:
        load(DataRef("mnist"))
    assert str(refused.value) == (
        "MNIST, 5,000 digits takes about 45 MB of memory to load, and there are 10 MB for it. "
        "Use fewer examples, or a machine with more memory."
    ).replace("MNIST, 5,000 digits", BY_NAME["mnist"].title)


def test_a_table_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    table(tmp_path, 5000)
    monkeypatch.setattr(memory, "allowed", lambda: 4 * MB)
    monkeypatch.setattr("engine.data.csv_read.read_csv", lambda *_: pytest.fail("it was read"), raising=False)
    with pytest.raises(Refused) as refused:
        load(DataRef("csv", {"target": "c0"}), 0, tmp_path)
    assert refused.value.diagnostics[0].code == "data/memory"
    assert "takes about 10 MB of memory to load, and there are 4 MB for it. Use a table with fewer rows" in str(
        refused.value
    )


def test_a_table_of_30_gb_without_a_line_is_refused_at_once_by_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "allowed", lambda: 2 * 2**30)
    with (tmp_path / "data.csv").open("wb") as file:
        file.truncate(30 * 2**30)  # all zeros, and no room on the disk
    with pytest.raises(Refused, match=r"takes about 30\.0 GB of memory to load, and there are 2\.0 GB for it\."):
        load(DataRef("csv", {"target": "c0"}), 0, tmp_path)


def test_what_a_table_takes_is_no_more_than_was_said(tmp_path):
    table(tmp_path, 20_000)
    said = room._of_table(tmp_path / "data.csv", memory.allowed())
    tracemalloc.start()
    load(DataRef("csv", {"target": "c0"}), 0, tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert said / 8 < peak <= said


@pytest.mark.parametrize("spec", [d for d in DATASETS if d is not CSV], ids=lambda d: d.name)
def test_every_built_in_set_fits_a_run_of_a_class(spec):
    options = {p.name: p.high if p.name == "size" else p.default for p in spec.options}
    assert room._of_shape(spec, options) < 200 * MB
