"""Uploads: what is made of good ones, and what is said of bad ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.diagnostic import Diagnostic, Refused
from engine.config import DataRef
from engine.data import load, preview
from engine.data.csv import csv_dataset, inspect


def table(rows: int = 40, **columns: Callable[[int], object]) -> bytes:
    """A CSV with a header; each column is a function of the row number."""
    lines = [",".join(str(column(i)) for column in columns.values()) for i in range(rows)]
    return "\n".join([",".join(columns), *lines, ""]).encode()


def column(data: bytes, name: str) -> object:
    return next(c for c in inspect(data).columns if c.name == name)


FLOWERS = table(
    id=lambda i: i + 1,
    size=lambda i: i % 7 + i / 40,
    colour=lambda i: ("red", "blue", "")[i % 3],
    day=lambda i: f"2024-01-{i % 28 + 1:02}",
    note=lambda i: f"flower number {i}",
    kind=lambda i: ("rose", "lily")[i % 2],
)


def test_types_are_guessed_and_what_is_left_out_says_why() -> None:
    report = inspect(FLOWERS)
    assert {c.name: c.type for c in report.columns} == {
        "id": "id",
        "size": "number",
        "colour": "category",
        "day": "date",
        "note": "text",
        "kind": "category",
    }
    assert [c.name for c in report.columns if c.used] == ["size", "colour", "kind"]
    assert all(c.note.startswith("Left out: ") for c in report.columns if not c.used)
    assert column(FLOWERS, "colour").missing == 13
    assert column(FLOWERS, "kind").examples == ("rose", "lily")
    assert (report.rows, report.delimiter, report.header, report.target) == (40, ",", True, "kind")
    assert report.targets == ("size", "colour", "kind")


def test_categories_become_one_column_per_level_and_missing_ones_none() -> None:
    data = csv_dataset(FLOWERS, "kind")
    assert data.features == ("size", "colour = blue", "colour = red")
    assert data.classes == ("lily", "rose")
    assert dict(data.missing) == {"colour": 13}
    raw = np.rint(data.scaler.inverse(data.x_train)[:, 1:])
    assert set(map(tuple, raw)) == {(0, 0), (0, 1), (1, 0)}
    look = preview(data)
    assert look.columns == (*data.features, "kind")
    assert look.rows[0][-1] in data.classes


def test_a_missing_number_becomes_the_median_of_the_training_part() -> None:
    data = csv_dataset(table(x=lambda i: i if i % 5 else "", y=lambda i: i * 0.5), "y")
    raw = data.scaler.inverse(data.x_train)[:, 0]
    y = data.target_scaler.inverse(data.y_train)[:, 0]
    known = np.rint(2 * y) % 5 != 0
    assert np.allclose(raw[~known], np.median(raw[known]))
    assert data.missing["x"] == 8
    assert "Missing numbers in x were filled with the median." in data.notes


def test_rows_without_a_target_are_left_out_and_counted() -> None:
    data = csv_dataset(table(x=lambda i: i, y=lambda i: i * 0.5 if i % 4 else "NA"), "y")
    assert data.n_train + data.n_val == 30
    assert "10 rows have no y and were left out." in data.notes


def test_few_whole_numbers_are_classes_unless_told_otherwise() -> None:
    few, many = table(x=lambda i: i * 0.3, y=lambda i: i % 3), table(x=lambda i: i * 0.3, y=lambda i: i % 13)
    assert csv_dataset(few, "y").classes == ("0", "1", "2")
    assert csv_dataset(few, "y", task="regression").task == "regression"
    assert csv_dataset(many, "y").task == "regression"
    assert csv_dataset(many, "y", task="classification").outputs == 13


def test_another_seed_splits_otherwise_and_the_same_seed_alike() -> None:
    a, b, c = (csv_dataset(FLOWERS, "kind", seed=s) for s in (0, 0, 1))
    assert a.x_train.tobytes() == b.x_train.tobytes() != c.x_train.tobytes()
    assert csv_dataset(FLOWERS, "kind", test_share=0.5).n_val == 20


def test_scaling_and_levels_come_from_the_training_part_only() -> None:
    rows = table(x=lambda i: i * 1.0, c=lambda i: "ab"[i % 2] if i != 7 else "rare", y=lambda i: i % 2)
    for seed in range(12):
        data = csv_dataset(rows, "y", seed=seed)
        trained = np.rint(data.scaler.inverse(data.x_train))
        assert np.allclose(data.x_train.mean(0), 0, atol=1e-5)
        assert ("c = rare" in data.features) == (7 in trained[:, 0])
        unseen = "1 held-out rows have a c that the training part lacks."
        assert (unseen in data.notes) == (7 not in trained[:, 0])


def test_rows_that_repeat_stay_on_one_side() -> None:
    data = csv_dataset(table(x=lambda i: i % 20, y=lambda i: i % 2, rows=60), "y")
    assert not set(data.x_train[:, 0]) & set(data.x_val[:, 0])
    assert any(note.startswith("40 rows repeat the features") for note in data.notes)


@pytest.mark.parametrize(
    ("data", "encoding", "delimiter"),
    [
        (FLOWERS, "utf-8", ","),
        (b"\xef\xbb\xbf" + FLOWERS, "utf-8-sig", ","),
        (FLOWERS.replace(b"rose", "rosé".encode("latin-1")), "latin-1", ","),
        (FLOWERS.replace(b",", b";"), "utf-8", ";"),
        (FLOWERS.replace(b",", b"\t"), "utf-8", "\t"),
        (FLOWERS.replace(b",", b"|").replace(b"\n", b"\r\n"), "utf-8", "|"),
    ],
)
def test_encoding_and_delimiter_are_found(data: bytes, encoding: str, delimiter: str) -> None:
    report = inspect(data)
    assert (report.encoding, report.delimiter) == (encoding, delimiter)
    assert [c.name for c in report.columns] == ["id", "size", "colour", "day", "note", "kind"]


def test_a_table_without_a_header_gets_numbered_columns() -> None:
    report = inspect(table(x=lambda i: i, y=lambda i: i * i).split(b"\n", 1)[1])
    assert (report.header, report.rows) == (False, 40)
    assert [c.name for c in report.columns] == ["column 1", "column 2"]


def test_decimal_commas_are_numbers() -> None:
    data = b"x;y\n" + b"".join(b"%d,5;%d,25\n" % (i, 2 * i) for i in range(20))
    assert column(data, "x").type == "number"
    assert csv_dataset(data, "y").target_scaler.mean[0] > 10


def test_a_number_column_with_a_few_words_stays_one_and_says_so() -> None:
    found = column(table(x=lambda i: i if i % 20 else "broken", y=lambda i: i), "x")
    assert (found.type, found.missing) == ("number", 2)
    assert found.note == "2 cells hold no usable number and count as missing."


def test_quoted_cells_may_hold_delimiters_and_line_breaks() -> None:
    data = b"x,c\n" + b"".join(b'%d,"a, %s"\n' % (i, (b"one", b"two\nlines")[i % 2]) for i in range(20))
    report = inspect(data)
    assert (report.rows, report.columns[1].type) == (20, "category")


HOSTILE = {
    "empty": (b"", "csv/empty", "The file is empty."),
    "blank": (b" \n\n \n", "csv/empty", "The file is empty."),
    "only a header": (b"a,b,c\n", "csv/only-header", "The file has a header line and no rows."),
    "zip": (b"PK\x03\x04....", "csv/not-a-table", "This is a zip archive or an Excel workbook, not a CSV file."),
    "pdf": (b"%PDF-1.7\n", "csv/not-a-table", "This is a PDF, not a CSV file."),
    "web page": (b"<!doctype html><p>a,b", "csv/not-a-table", "This is a web page or XML, not a CSV file."),
    "json": (b'{"a":[[1,2],[3,4]]}', "csv/not-a-table", "This is a JSON document, not a CSV file."),
    "compressed": (b"\x1f\x8b\x08\x00", "csv/not-a-table", "This is a compressed file, not a CSV file."),
    "utf-16": ("a,b\n1,2".encode("utf-16"), "csv/not-a-table", "The file is written as UTF-16."),
    "binary": (bytes(range(256)) * 9, "csv/not-a-table", "This is a binary file, not a CSV file."),
    "prose": (b"Call me Ishmael.\nSome years ago\n" * 20, "csv/one-column", "The file has one column only"),
    "prose with commas": (b"It was, it was.\nThe end.\n" * 20, "csv/ragged", "Line 2 has 1 cell, the first line has 2"),
    "text": (
        table(a=lambda i: f"word {i}", b=lambda i: f"and {i}"),
        "csv/no-feature",
        "it can use none here. 'a' is free text",
    ),
    "one usable": (table(a=lambda i: i, b=lambda i: "x"), "csv/no-feature", "it can use 1 here. 'b' is constant."),
    "few rows": (table(a=lambda i: i, b=lambda i: i, rows=9), "csv/too-few-rows", "The table has 9 rows"),
    "doubled": (b"a,a\n" + b"1,2\n" * 20, "csv/doubled-name", "Two columns are called 'a'."),
    "long line": (b"a,b\n" + b"1,2\n" * 5 + b"1,2,3\n", "csv/ragged", "Line 7 has 3 cells, the first line has 2"),
    "open quote": (b"a,b\n" + b"1,2\n" * 5 + b'"1,2\n', "csv/quote", "A quoted cell goes wrong in line 7"),
    "endless cell": (b"a,b\n1," + b"2" * 200_000 + b"\n", "csv/quote", "or it is too long"),
    "wide": (b",".join(b"c%d" % i for i in range(2001)), "csv/too-many-columns", "2,001 columns; at most 2,000"),
    "long": (b"1,2\n" * 1_000_002, "csv/too-many-rows", "1,000,002 lines; at most 1,000,000"),
    "large": (b"1,2\n" * (51 * 2**18), "csv/too-large", "The file has 51 MB; at most 50 MB are taken."),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_file_that_is_no_table_is_refused_in_plain_words(case: str) -> None:
    data, code, words = HOSTILE[case]
    for attempt in (inspect, csv_dataset):
        with pytest.raises(Refused) as refused:
            attempt(data)
        found = refused.value.diagnostics[0]
        assert found.code == code
        assert words in found.what
        assert found.cure.endswith(".")


def test_200_megabytes_are_refused_before_they_are_looked_at() -> None:
    class Large(bytes):
        def __len__(self) -> int:
            return 200 * 2**20

        def lstrip(self, *_args: object) -> bytes:
            raise AssertionError("looked at")

    with pytest.raises(Refused, match="200 MB; at most 50 MB"):
        inspect(Large(b"a,b\n1,2\n"))


@pytest.mark.parametrize(
    ("target", "task", "words"),
    [
        ("kindd", "auto", "The table has no column 'kindd'. Did you mean 'kind'?"),
        ("note", "auto", "The column 'note' cannot be predicted: it is free text."),
        ("day", "auto", "The column 'day' cannot be predicted: it is a date."),
        ("kind", "regression", "'kind' holds words, and regression predicts a number."),
        ("size", "classification", "No row can be held out: the classes are too small"),
    ],
)
def test_a_target_that_cannot_be_predicted_is_refused(target: str, task: str, words: str) -> None:
    with pytest.raises(Refused) as refused:
        csv_dataset(FLOWERS, target, task=task)
    assert str(refused.value).startswith(words)


def test_a_target_known_in_too_few_rows_or_with_too_many_classes_is_refused() -> None:
    with pytest.raises(Refused, match="Only 8 rows have a value of 'y'"):
        csv_dataset(table(x=lambda i: i, y=lambda i: i if i < 8 else ""), "y")
    with pytest.raises(Refused, match="'y' has 150 different values; at most 100 can be classes"):
        csv_dataset(table(x=lambda i: i, y=lambda i: i / 3, rows=150), "y", task="classification")


def test_a_run_reads_the_file_in_its_folder_and_nothing_else(tmp_path: Path) -> None:
    ref = DataRef("csv", {"target": "kind", "task": "classification"})
    with pytest.raises(Refused, match="No file was uploaded for this run"):
        load(ref, folder=tmp_path)
    with pytest.raises(Refused, match="No file was uploaded for this run"):
        load(ref)
    (tmp_path / "data.csv").write_bytes(FLOWERS)
    assert load(ref, folder=tmp_path).classes == ("lily", "rose")
    (tmp_path / "data.csv").write_bytes(FLOWERS.replace(b"rose", b"tulip"))
    assert load(ref, folder=tmp_path).classes == ("lily", "tulip")
    with pytest.raises(Refused, match=r"no column 'data\.csv'"):
        load(DataRef("csv", {"target": "data.csv"}), folder=tmp_path)
    with pytest.raises(Refused, match=r"has no column \[1\]"):
        load(DataRef("csv", {"target": [1]}), folder=tmp_path)


CELL = st.one_of(
    st.integers().map(str),
    st.floats(width=64).map(repr),
    st.sampled_from(
        ["", "NA", "a", "b", "2024-01-02", "True", "False", "?", "1e999", "-0.0", "١", " x ", '"q"', "0x1F"]
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6),
)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 4), st.data())
def test_any_grid_of_cells_gives_finite_arrays_or_a_refusal(width: int, drawn: st.DataObject) -> None:
    pools = [drawn.draw(st.lists(CELL, min_size=1, max_size=8)) for _ in range(width)]
    pick = random.Random(drawn.draw(st.integers(0, 99)))
    lines = [",".join(f"c{i}" for i in range(width))]
    lines += [",".join(pick.choice(pool) for pool in pools) for _ in range(30)]
    data = "\n".join(lines).encode()
    try:
        said: tuple[Diagnostic, ...] = ()
        report = inspect(data)
        results = [csv_dataset(data, target) for target in report.targets]
    except Refused as refused:
        results = []
        said = refused.diagnostics
    for result in results:
        assert all(np.isfinite(a).all() for a in (result.x_train, result.y_train, result.x_val, result.y_val))
        assert preview(result).rows
    assert all(d.code.startswith("csv/") and d.cure for d in said)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for text in (data, b"a,b\n" + data * 12):
        with suppress(Refused):
            assert inspect(text).targets
