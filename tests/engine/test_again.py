"""Repeating a run from the command line, stopping one at a breakpoint, and the program of a run that left another."""

from __future__ import annotations

import json
import signal
from dataclasses import replace

import pytest

from builder import document
from builder.diagnostic import Refused
from engine import kept
from engine.__main__ import main
from engine.control import Inbox
from engine.export.recipe import of_run
from engine.fork import fork
from engine.worker import work
from tests.engine.running import make, mlp


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERLOOM_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def ctrl_c():
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def run(home):
    run = make(home, steps=60)
    work(run, Inbox())
    return run


def test_a_run_is_repeated_by_its_id_by_its_folder_and_from_its_document(run, tmp_path, capsys):
    paper = tmp_path / "run.layerloom.json"
    assert main(["replay", run.id, "--check", "--document", str(paper)]) == 0
    assert main(["replay", str(run.path), "--check"]) == 0
    assert main(["replay", str(paper), "--check", "--out", str(tmp_path / "again")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3
    assert len(set(said)) == 1
    assert said[0].startswith("The same to the bit after 60 steps: the SHA-256 of all weights is ")
    assert (tmp_path / "again" / "last.safetensors").is_file()


def test_other_weights_end_with_1_only_where_a_check_was_asked_for(run, tmp_path, capsys):
    paper = tmp_path / "run.json"
    main(["replay", run.id, "--document", str(paper)])
    body = json.loads(paper.read_text())
    body["segments"][0]["turns"] = [{"step": 30, "name": "lr", "value": 0.5}]
    paper.write_text(json.dumps(body))
    assert main(["replay", str(paper)]) == 0
    assert main(["replay", str(paper), "--check", "--json"]) == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["same"], last["steps"]) == (False, 60)
    assert "Different after 60 steps" in last["says"]


def test_a_table_that_is_missing_or_another_one_is_refused(run, tmp_path, capsys):
    paper = tmp_path / "run.json"
    main(["replay", run.id, "--document", str(paper)])
    body = json.loads(paper.read_text()) | {"table": "0" * 64}
    paper.write_text(json.dumps(body))
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    assert main(["replay", str(paper)]) == 1
    assert "The run was trained on a table that is not in its document. Give the same file" in capsys.readouterr().err
    assert main(["replay", str(paper), "--csv", str(other)]) == 1
    assert "The run was trained on another table than other.csv" in capsys.readouterr().err


def test_what_is_no_document_is_refused(tmp_path, capsys):
    path = tmp_path / "x.json"
    path.write_text("{}")
    assert main(["replay", str(path)]) == 1
    assert "[replay/unreadable]" in capsys.readouterr().err
    assert main(["replay", str(tmp_path / "none")]) == 2


def test_train_stops_at_a_breakpoint_and_says_why(home, tmp_path, capsys):
    net = tmp_path / "net.json"
    net.write_text(document.dumps(mlp()))
    train = ["train", str(net), "--data", "circle", "--steps", "100000", "--json"]
    assert main([*train, "--break", "step=25", "--break", "gap>1e6"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["steps"], body["state"], body["reason"]) == (25, "stopped", "Stopped at step 25, as was asked for.")
    assert main([*train, "--break", "nose>1"]) == 1
    assert "There is no quantity 'nose' to stop at." in capsys.readouterr().err


def test_the_program_of_a_fork_has_the_turns_of_its_parent_too(home, run):
    step = kept.steps(run)[-1]
    other = fork(home, run, step, {"lr": 0.5})
    work(other, Inbox())
    made = of_run(other, 120)
    assert made.steps == 120
    assert made.knobs["lr"] == 0.01
    assert made.changes == {60: {"lr": 0.5, "horizon": 120}}


def test_a_program_is_refused_where_a_fork_changed_the_settings(home, run):
    other = fork(home, run, 0, config=replace(run.config, loss="bce"))
    assert of_run(other, 0).config.loss == "bce"  # nothing was trained before
    other = fork(home, run, 60, config=replace(run.config, optimizer="sgd"))
    with pytest.raises(Refused, match=r"This run had other settings before step 60 \(optimizer\)"):
        of_run(other, 60)
