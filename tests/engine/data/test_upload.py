"""Uploads: kept once, read by a process of their own, and the same data set as in the app's process to the bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from builder.diagnostic import Refused
from engine.config import DataRef
from engine.data import importing, load, preview, stored, upload
from engine.data.csv import CsvReport, csv_dataset, inspect
from engine.data.importer import KEPT_BYTES, _tidy
from engine.data.importing import Import
from engine.data.spec import Dataset, Options
from engine.data.upload import Upload, keep
from tests.engine.data.test_csv import FLOWERS, HOSTILE, table

ROOT = Path(__file__).parents[3]
KIND = {"target": "kind", "task": "auto", "test_share": 0.2}
SIZE = {"target": "size", "task": "regression", "test_share": 0.3}


def uploaded(home: Path, data: bytes) -> Upload:
    return Upload(home, keep(data, home))


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Upload:
    return uploaded(tmp_path_factory.mktemp("home"), FLOWERS)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests of the children started, in order."""
    begun: list[str] = []
    run = Import._run

    def counted(self: Import) -> int | None:
        begun.append(self.request)
        return run(self)

    monkeypatch.setattr(Import, "_run", counted)
    return begun


def same(a: Dataset, b: Dataset) -> None:
    """Equal to the bit, in every field."""
    for ours, theirs in zip((*a.inputs, *a.targets), (*b.inputs, *b.targets), strict=True):
        for one, other in ((ours.train, theirs.train), (ours.val, theirs.val)):
            assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes()), ours.name
        assert (ours.scaler is None) == (theirs.scaler is None)
        if ours.scaler and theirs.scaler:
            assert ours.scaler.mean.shape == theirs.scaler.mean.shape
            for one, other in ((ours.scaler.mean, theirs.scaler.mean), (ours.scaler.std, theirs.scaler.std)):
                assert (one.dtype, one.tobytes()) == (other.dtype, other.tobytes())
        for name in (*stored.OF_FIELD, "spec"):
            assert getattr(ours, name) == getattr(theirs, name), name
    for name in stored.PLAIN:
        assert getattr(a, name) == getattr(b, name), name
        assert type(getattr(a, name)) is type(getattr(b, name)), name


@pytest.mark.parametrize(("options", "seed"), [(KIND, 0), (SIZE, 7)], ids=["classes", "values"])
def test_the_child_makes_what_the_same_process_would_to_the_bit(flowers: Upload, options: Options, seed: int) -> None:
    same(flowers.dataset(options, seed), csv_dataset(FLOWERS, seed=seed, **options))


def test_the_report_is_the_same_and_brings_the_default_data_set_along(tmp_path: Path, starts: list[str]) -> None:
    mine = uploaded(tmp_path, FLOWERS)
    report = mine.report({"task": "auto", "test_share": 0.2})
    assert report == inspect(FLOWERS)
    assert isinstance(report, CsvReport)
    mine.dataset({**KIND, "target": report.target})
    assert len(starts) == 1


@pytest.mark.parametrize(
    "data",
    [
        table(x=lambda i: i * i, y=lambda i: i / 7, rows=10),
        table(a=lambda i: i % 3 or "", b=lambda i: "ü€"[i % 2], c=lambda i: 10.0 ** (i % 90), y=lambda i: i % 2),
    ],
    ids=["ten rows", "missing and large"],
)
def test_any_data_set_survives_the_disk_to_the_bit(tmp_path: Path, data: bytes) -> None:
    before = csv_dataset(data, "y")
    stored.write_dataset(tmp_path, before)
    after = stored.read_dataset(tmp_path)
    assert after is not None
    same(before, after)
    assert preview(before).rows == preview(after).rows


def test_arrays_are_mapped_and_cannot_be_written_to(flowers: Upload) -> None:
    data = flowers.dataset(KIND)
    assert isinstance(data.x_train.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        data.x_train[0] = 0


def test_a_preview_of_an_upload_takes_what_was_imported(flowers: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = flowers.dataset(KIND)
    monkeypatch.setattr("engine.data.csv.csv_dataset", None)
    theirs = load(DataRef("csv", {"target": "kind"}), 0, flowers.folder)
    same(ours, theirs)
    before = ours.x_train.tobytes()
    theirs.x_train[:] = 0
    assert flowers.dataset(KIND).x_train.tobytes() == before


@pytest.mark.parametrize("case", sorted(set(HOSTILE) - {"large", "long", "wide", "endless cell"}))
def test_a_refusal_is_kept_and_raised_as_it_was(tmp_path: Path, case: str) -> None:
    data = HOSTILE[case][0]
    with pytest.raises(Refused) as here:
        inspect(data)
    stored.write_report(tmp_path, here.value)
    with pytest.raises(Refused) as there:
        stored.read_report(tmp_path)
    assert there.value.diagnostics == here.value.diagnostics


@pytest.mark.parametrize("case", ["text", "endless cell"])
def test_a_hostile_file_gets_the_same_message_from_the_child(tmp_path: Path, case: str, starts: list[str]) -> None:
    data, code, words = HOSTILE[case]
    mine = uploaded(tmp_path, data)
    for attempt in (mine.report, mine.dataset, mine.report):
        with pytest.raises(Refused) as refused:
            attempt(KIND)
        assert refused.value.diagnostics[0].code == code
        assert words in refused.value.diagnostics[0].what
    assert len(starts) == 1, "a refusal is an answer, and is not asked for twice"


def test_a_target_that_cannot_be_predicted_is_refused_by_name(flowers: Upload) -> None:
    with pytest.raises(Refused, match="The column 'day' cannot be predicted: it is a date"):
        flowers.dataset({**KIND, "target": "day"})


def test_a_file_over_the_limit_is_refused_before_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="The file has 51 MB; at most 50 MB are taken"):
        keep(HOSTILE["large"][0], tmp_path)
    assert not list(tmp_path.rglob("*"))


def test_two_who_ask_at_once_share_one_import(tmp_path: Path, starts: list[str]) -> None:
    twins = [uploaded(tmp_path, FLOWERS) for _ in range(2)]
    found: list[Dataset] = []
    threads = [threading.Thread(target=lambda u=u: found.append(u.dataset(KIND))) for u in twins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(*found)
    assert len(starts) == 1
    assert len(list((tmp_path / upload.UPLOADS).iterdir())) == 1


# ---- what can happen to a child


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[Upload]:
    """An upload whose import waits for a file that nobody writes to, as a slow disk would make it wait."""
    mine = uploaded(tmp_path, b"soon replaced")
    mine.file.unlink()
    os.mkfifo(mine.folder / "data.csv")
    yield mine
    if (running := importing._newest.get(mine.folder)) and not running.over and running.pid:
        os.kill(running.pid, signal.SIGKILL)


def kill_when_seen(running: Import) -> None:
    if running.pid:
        os.kill(running.pid, signal.SIGKILL)


def test_a_killed_child_is_told_in_plain_words_and_tried_again_after_another_upload(
    stuck: Upload, starts: list[str]
) -> None:
    for _ in range(2):
        with pytest.raises(Refused, match="was killed, by somebody or because the machine's memory ran out"):
            stuck.dataset(KIND, tick=kill_when_seen)
    assert len(starts) == 1, "what brings a process down is not tried again at every look"
    stuck.file.unlink()
    assert keep(b"soon replaced", stuck.home) == stuck.sha
    with pytest.raises(Refused, match="one column only"):
        stuck.dataset(KIND)


def test_a_table_that_takes_too_long_is_given_up(stuck: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "PATIENCE", 0.1)
    with pytest.raises(Refused, match="took longer than 0 minutes and was ended"):
        stuck.dataset(KIND)


def test_who_stops_waiting_leaves_the_import_going(stuck: Upload) -> None:
    def gone(_import: Import) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stuck.dataset(KIND, tick=gone)
    running = importing.begin(stuck.folder, KIND, 0)
    assert not running.over
    with open(stuck.folder / "data.csv", "wb") as pipe:
        pipe.write(FLOWERS)
    assert running.wait(60)
    same(stuck.dataset(KIND), csv_dataset(FLOWERS, "kind"))


def test_a_child_that_gets_no_memory_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERLOOM_MEMORY_MB", "4")
    mine = uploaded(tmp_path, table(x=lambda i: i / 7, y=lambda i: i % 2, rows=200_000))
    with pytest.raises(Refused, match="needs more memory than is free"):
        mine.report(KIND)


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    mine = uploaded(tmp_path, FLOWERS)
    (mine.folder / stored.SETS).write_text("a file where a folder belongs")
    with pytest.raises(Refused, match="The disk is full or the folder of uploads cannot be written"):
        mine.dataset(KIND)


def test_two_imports_run_at_once_and_the_third_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, going = threading.Event(), []

    def held(self: Import) -> int:
        going.append(self)
        gate.wait()
        return 0

    monkeypatch.setattr(Import, "_run", held)
    three = [Import(tmp_path / str(i), "") for i in range(3)]
    deadline = time.monotonic() + 30
    while len(going) < importing.AT_ONCE and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(i.waiting for i in three) == [False, False, True]
    gate.set()
    assert all(i.wait(30) for i in three)
    assert not any(i.waiting or i.problem for i in three)


def test_a_child_ends_with_the_app(stuck: Upload) -> None:
    command = [sys.executable, "-m", "engine.data.importer", str(stuck.folder)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT)
    child.communicate(importing.wanted(KIND, 0).encode() + b"\n", timeout=60)
    assert child.returncode == 1


# ---- what is kept


def old(folder: Path, seconds: float) -> None:
    os.utime(folder, (time.time() - seconds,) * 2)


def test_the_oldest_uploads_go_and_fresh_ones_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MAX_KEPT", 2)
    kept = [uploaded(tmp_path, b"%d" % i) for i in range(5)]
    assert all(u.folder.exists() for u in kept), "all were used within the hour"
    for age, mine in enumerate(kept):
        old(mine.folder, upload.FRESH + 10 * (age + 1))
    kept[4].touch()
    upload.prune(tmp_path)
    assert [u.folder.exists() for u in kept] == [True, False, False, False, True]
    with pytest.raises(Refused, match="no longer kept here"):
        kept[1].dataset(KIND)


def test_many_bytes_of_uploads_go_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MAX_BYTES", 250)
    kept = [uploaded(tmp_path, bytes([65 + i]) * 100) for i in range(4)]
    for age, mine in enumerate(kept):
        old(mine.folder, upload.FRESH + 10 * (age + 1))
    upload.prune(tmp_path)
    assert [u.folder.exists() for u in kept] == [True, True, False, False]


def test_data_sets_of_one_table_do_not_pile_up(tmp_path: Path) -> None:
    for age in range(4):
        (tmp_path / str(age)).mkdir()
        with open(tmp_path / str(age) / "x_train.npy", "wb") as file:
            file.truncate(KEPT_BYTES // 2)
        old(tmp_path / str(age), 10 * age)
    _tidy(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1"]


def test_files_of_another_version_are_made_again(flowers: Upload) -> None:
    flowers.dataset(KIND)
    place = flowers.folder / stored.REPORT
    body = json.loads(place.read_bytes())
    place.write_text(json.dumps({**body, "version": 0, "unknown": 1}))
    assert flowers.report(KIND) == inspect(FLOWERS)


def test_the_app_reads_a_table_without_pandas(flowers: Upload) -> None:
    flowers.dataset(KIND)
    script = (
        "import sys; from pathlib import Path; from engine.data import preview; from engine.data.upload import Upload;"
        f"u = Upload(Path({str(flowers.home)!r}), {flowers.sha!r}); preview(u.dataset({KIND!r}));"
        "print(u.report({}).rows, {'pandas', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "40 set()\n"
