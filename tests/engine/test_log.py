"""The log of a run: what is appended is there, in order, whatever happens to the writer."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from builder.diagnostic import Refused
from engine.events import Event
from engine.log import Log, disk_diagnostic


def point(step: int, **body: float) -> Event:
    return Event("point", step, {"train_loss": 1.0 / step, **body})


@pytest.fixture
def log(tmp_path):
    log = Log(tmp_path / "log.sqlite")
    yield log
    log.close()


def test_records_come_back_in_order_with_growing_ids(log):
    log.append([point(1), Event("knob", 1, {"name": "lr"}), point(2)])
    log.append([point(3)])
    records = log.after(0)
    assert [(r.kind, r.step) for r in records] == [("point", 1), ("knob", 1), ("point", 2), ("point", 3)]
    assert [r.id for r in records] == [1, 2, 3, 4]
    assert log.after(2)[0].step == 2
    assert [r.id for r in log.after(1, limit=2)] == [2, 3]
    assert log.newest() == 4


def test_of_pictures_only_the_newest_is_kept_and_its_id_is_new(log):
    log.append([Event("hist", 1, {"a": 1}), point(1)])
    log.append([Event("hist", 2, {"a": 2}), Event("boundary", 2, {})])
    assert [(r.id, r.kind, r.step) for r in log.after(0)] == [(2, "point", 1), (3, "hist", 2), (4, "boundary", 2)]
    assert log.last("hist").body == {"a": 2}
    log.append([point(3)])
    assert log.newest() == 5


def test_last_gives_the_newest_of_a_kind_or_none(log):
    assert log.last("state") is None
    log.append([Event("state", s, {"state": "running"}) for s in (0, 5)])
    assert log.last("state").step == 5


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_json_is_refused_and_nothing_is_written(log, value):
    with pytest.raises(ValueError, match="JSON"):
        log.append([point(1), point(2, train_loss=value)])
    assert log.after(0) == []


def test_a_change_by_another_connection_is_noticed_and_no_change_is_none(log):
    writer = Log(log.path)
    before = log.changed()
    assert log.changed() == before
    writer.append([point(1)])
    assert log.changed() != before


def test_many_threads_and_connections_write_without_losing_or_doubling_a_record(log):
    def write(own: Log) -> None:
        for step in range(1, 51):
            own.append([point(step)])

    logs = [log, log, Log(log.path), Log(log.path)]
    threads = [threading.Thread(target=write, args=(each,)) for each in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r.id for r in log.after(0)] == list(range(1, 201))


WRITER = """
import sys
from pathlib import Path
from engine.events import Event
from engine.log import Log
log = Log(Path(sys.argv[1]))
for step in range(1, 100_000):
    log.append([Event("point", step, {})])
    print(step, flush=True)
"""


def test_kill_9_in_the_middle_of_writing_loses_no_record_that_append_returned_for(tmp_path):
    path = tmp_path / "log.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
    lines = [writer.stdout.readline() for _ in range(200)]
    os.kill(writer.pid, signal.SIGKILL)
    told = int((lines + writer.stdout.read().splitlines())[-1])
    writer.wait()
    writer.stdout.close()
    log = Log(path)
    steps = [r.step for r in log.after(0, limit=100_000)]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= told
    log.append([point(1)])


def test_a_full_disk_is_told_and_what_was_recorded_stays_readable(log):
    log.append([point(1)])
    pages = log._db.execute("PRAGMA page_count").fetchone()[0]
    log._db.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(Refused) as refused:
        log.append([Event("point", 2, {"train_loss": "x" * 100_000})])
    assert refused.value.diagnostics[0].code == "run/disk-full"
    assert [r.step for r in log.after(0)] == [1]


def test_a_log_that_cannot_be_made_and_one_that_is_no_database_are_told_apart(tmp_path):
    with pytest.raises(Refused) as refused:
        Log(tmp_path / "missing" / "log.sqlite")
    assert refused.value.diagnostics[0].code == "run/disk"
    (tmp_path / "log.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(Refused) as refused:
        Log(tmp_path / "log.sqlite")
    assert refused.value.diagnostics[0].code == "run/log-broken"


def test_messages_about_the_disk_name_the_file_and_the_cure(tmp_path):
    full = disk_diagnostic(tmp_path / "log.sqlite", sqlite3.OperationalError("database or disk is full"))
    assert full.text == ("The disk is full: log.sqlite needs room and gets none. "
                         "Free some space, then press Continue; what is recorded is kept.")  # fmt: skip
    other = disk_diagnostic(tmp_path / "log.sqlite", PermissionError(13, "denied"))
    assert "log.sqlite cannot be written or read" in other.what
    assert "denied" not in other.text
