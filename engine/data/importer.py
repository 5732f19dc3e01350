"""The process that reads one uploaded table: ``python -m engine.data.importer FOLDER``, the request on its input.

Parsing 50 MB takes a minute and half a gigabyte, which belong neither to the app nor to its memory. What it finds, or
why it refuses, is left in the folder (stored.py). It ends with the app, at the latest when its input is closed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any

from builder.diagnostic import Refused
from engine import limits
from engine.data.csv import FILE, CsvReport, report_on, sheet_dataset
from engine.data.csv_read import Sheet, read
from engine.data.spec import Dataset
from engine.data.stored import set_folder, write_dataset, write_report

MEMORY, DISK = 3, 4  # exit codes; a refusal is an answer, so it ends with 0
KEPT_BYTES = 512 * 2**20  # of data sets made of one table


def carry_out(folder: Path, request: dict[str, Any]) -> None:
    """``request`` is options and seed of a data set; a target of None is the default one."""
    try:
        sheet = read((folder / FILE).read_bytes())
        report = report_on(sheet)
    except Refused as refused:
        return write_report(folder, refused)
    write_report(folder, report)
    options, seed = request["options"], request["seed"]
    if options["target"] is None:
        options = {**options, "target": report.target}
    return _place(set_folder(folder, options, seed), _dataset(sheet, report, options, seed))


def _dataset(sheet: Sheet, report: CsvReport, options: dict[str, Any], seed: int) -> Dataset | Refused:
    try:
        return sheet_dataset(sheet, report, seed=seed, **options)
    except Refused as refused:
        return refused


def _place(target: Path, found: Dataset | Refused) -> None:
    """Writes beside ``target`` and renames, so that nobody sees half a data set."""
    target.parent.mkdir(exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=target.parent, prefix=".part-"))
    write_dataset(part, found)
    try:
        os.rename(part, target)
    except OSError:  # another app on the same workspace was quicker
        shutil.rmtree(part)
    _tidy(target.parent)


def _tidy(sets: Path) -> None:
    """Removes the oldest data sets of this table, and parts left by a kill, beyond KEPT_BYTES; never the newest.

    Who has one of them mapped keeps it: the system frees it with the last user.
    """
    room = KEPT_BYTES
    for i, folder in enumerate(sorted(sets.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)):
        room -= sum(file.stat().st_size for file in folder.iterdir())
        if i and room < 0:
            shutil.rmtree(folder, ignore_errors=True)


def main(folder: Path) -> int:
    import pandas  # noqa: F401  before the limit: what is the same for every table does not count

    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_app, daemon=True).start()
    limits.confine(limits.NICE)
    try:
        carry_out(folder, request)
    except OSError:
        traceback.print_exc()
        return DISK
    except Exception as error:
        traceback.print_exc()
        return MEMORY if isinstance(error, MemoryError) or "out of memory" in str(error) else 1
    return 0


def _end_with_the_app() -> None:
    while os.read(0, 1):  # not by sys.stdin, whose lock the end of the process would wait for
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
