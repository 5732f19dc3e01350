"""Run folders: made, found again, listed, binned; and what a hostile id or a full disk gets."""

from __future__ import annotations

import json
import os
import time

import pytest

from builder.diagnostic import Refused
from builder.graph import Edge, Graph, Node
from engine import store
from engine.config import DataRef, TrainConfig
from engine.events import Event
from engine.home import home, is_run_id, new_run_id
from engine.store import RunFolder, alive, restore, runs, trash, write_beside

NET = Graph(
    (Node("input_1", "Input"), Node("linear_1", "Linear", {"out_features": 2}), Node("output_1", "Output")),
    (Edge("input_1", "linear_1"), Edge("linear_1", "output_1")),
)
CONFIG = TrainConfig(DataRef("circle", {"noise": 0.1}), steps=50, knobs={"lr": 0.1})
HOSTILE = ["", ".", "..", "../../etc/passwd", "/etc/passwd", "a" * 15, "a" * 17, "a" * 15 + "/", "..............//",
           "a" * 15 + "\n", "a" * 15 + "é", "a" * 15 + "\0", "%2e%2e%2f%2e%2e%2fab", None, 7, b"a" * 16]  # fmt: skip


def make(tmp_path, **more) -> RunFolder:
    return RunFolder.create(tmp_path, NET, CONFIG, **more)


def test_a_run_is_found_again_as_it_was_made(tmp_path):
    made = make(tmp_path, owner="ann", title="first", csv=b"a,b\n1,2\n")
    found = RunFolder.open(tmp_path, made.id)
    assert (found.graph, found.config) == (NET, CONFIG)
    assert (found.meta.owner, found.meta.title, found.meta.id) == ("ann", "first", made.id)
    assert abs(found.meta.created - time.time()) < 10
    assert (found.path / "data.csv").read_bytes() == b"a,b\n1,2\n"


def test_an_upload_is_linked_into_its_runs_and_outlives_its_folder(tmp_path, monkeypatch):
    table = tmp_path / "uploaded.csv"
    table.write_bytes(b"a,b\n1,2\n")
    linked = make(tmp_path, csv=table).path / "data.csv"
    assert linked.samefile(table)
    monkeypatch.setattr("engine.store.os.link", broken_link)
    copied = make(tmp_path, csv=table).path / "data.csv"
    assert not copied.samefile(table)
    table.unlink()
    assert linked.read_bytes() == copied.read_bytes() == b"a,b\n1,2\n"


def broken_link(*_args):
    raise OSError("a disk without links")


def test_ids_are_random_of_the_form_that_is_accepted_and_no_option_of_a_command():
    ids = {new_run_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(is_run_id(i) for i in ids)
    assert not any(i.startswith("-") for i in ids)


@pytest.mark.parametrize("run_id", HOSTILE)
@pytest.mark.parametrize("door", [RunFolder.open, trash, restore])
def test_an_id_that_is_none_opens_nothing(tmp_path, door, run_id):
    (tmp_path / "runs").mkdir()
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(Refused) as refused:
        door(tmp_path, run_id)
    assert refused.value.diagnostics[0].code == "run/unknown"


def test_the_home_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERLOOM_HOME", str(tmp_path / "elsewhere"))
    assert home() == tmp_path / "elsewhere"
    monkeypatch.delenv("LAYERLOOM_HOME")
    monkeypatch.chdir(tmp_path)
    assert home() == tmp_path / "workspace"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": "layerloom-run", "version": 99}', "null"])
def test_a_broken_run_json_is_told_and_does_not_break_the_list(tmp_path, content):
    good, bad = make(tmp_path), make(tmp_path)
    (bad.path / "run.json").write_text(content)
    with pytest.raises(Refused) as refused:
        _ = RunFolder.open(tmp_path, bad.id).graph
    assert refused.value.diagnostics[0].code == "run/unreadable"
    assert [s.id for s in runs(tmp_path)] == [good.id]


def test_the_list_shows_newest_first_with_state_step_data_and_last_point(tmp_path):
    first, second = make(tmp_path, title="one"), make(tmp_path, title="two")
    first.say("starting")
    first.log.append([Event("point", 40, {"val_loss": 0.5}), Event("state", 41, {"state": "finished"})])
    found = {s.title: s for s in runs(tmp_path)}
    assert [s.title for s in runs(tmp_path)] == ["two", "one"]
    assert (found["one"].state, found["one"].step, found["one"].point) == ("finished", 41, {"val_loss": 0.5})
    assert (found["one"].dataset, found["one"].id, found["two"].point) == ("circle", first.id, None)
    assert second.id == found["two"].id


def test_a_run_that_goes_on_after_its_end_is_listed_with_its_new_state(tmp_path):
    run = make(tmp_path)
    run.say("stopped")
    assert runs(tmp_path)[0].state == "stopped"
    run.say("starting")
    assert runs(tmp_path)[0].state == "starting"


@pytest.mark.parametrize("said", ["running", "paused"])
def test_a_run_that_says_it_is_going_and_holds_no_lock_is_interrupted(tmp_path, said):
    run = make(tmp_path)
    run.say(said)
    assert runs(tmp_path)[0].state == "interrupted"
    with run.locked():
        assert alive(run)
        assert runs(tmp_path)[0].state == said
    assert not alive(run)


def test_two_workers_cannot_hold_one_run(tmp_path):
    run = make(tmp_path)
    with run.locked(), pytest.raises(Refused) as refused, RunFolder.open(tmp_path, run.id).locked(patience=0.05):
        pass
    assert refused.value.diagnostics[0].code == "run/busy"


def test_a_run_that_has_not_changed_is_listed_again_without_opening_its_log(tmp_path, monkeypatch):
    for _ in range(20):
        run = make(tmp_path)
        run.say("finished")
        run.log.close()
    first = runs(tmp_path)
    assert len(first) == 20
    monkeypatch.setattr("engine.store.Log", None)
    assert runs(tmp_path) == first


def test_a_deleted_run_comes_back_whole(tmp_path):
    run = make(tmp_path)
    run.say("finished")
    trash(tmp_path, run.id)
    assert runs(tmp_path) == []
    with pytest.raises(Refused):
        RunFolder.open(tmp_path, run.id)
    restore(tmp_path, run.id)
    assert [(s.id, s.state) for s in runs(tmp_path)] == [(run.id, "finished")]
    with pytest.raises(Refused):
        restore(tmp_path, run.id)


def test_a_run_in_training_is_not_deleted(tmp_path):
    run = make(tmp_path)
    with run.locked(), pytest.raises(Refused) as refused:
        trash(tmp_path, run.id)
    assert refused.value.diagnostics[0].code == "run/busy"
    assert RunFolder.open(tmp_path, run.id).graph == NET


def test_a_run_that_waits_is_not_deleted(tmp_path):
    run = make(tmp_path)
    run.say("queued", queue=1)
    with pytest.raises(Refused) as refused:
        trash(tmp_path, run.id)
    assert refused.value.diagnostics[0].code == "run/busy"


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")
    with pytest.raises(Refused) as refused:
        make(tmp_path)
    assert refused.value.diagnostics[0].code == "run/disk"


def test_a_disk_that_fills_while_a_run_is_made_is_told(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_beside", full)
    with pytest.raises(Refused) as refused:
        make(tmp_path)
    assert refused.value.diagnostics[0].code == "run/disk-full"
    assert runs(tmp_path) == []


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    write_beside(path, b"old")

    def dies(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", dies)
    with pytest.raises(OSError, match="space"):
        write_beside(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_folder_that_holds_a_run_is_not_written_over(tmp_path):
    RunFolder.create_at(tmp_path / "mine", NET, CONFIG)
    with pytest.raises(Refused) as refused:
        RunFolder.create_at(tmp_path / "mine", NET, CONFIG)
    assert refused.value.diagnostics[0].code == "run/exists"


def test_run_json_is_public_and_plain(tmp_path):
    body = json.loads((make(tmp_path, owner="ann", title="t" * 500).path / "run.json").read_text())
    assert sorted(body) == ["config", "created", "format", "id", "network", "origin", "owner", "title", "version"]
    assert (body["format"], body["version"], len(body["title"])) == ("layerloom-run", 2, 200)
    assert body["network"]["format"] == "layerloom"
