"""``python -m engine`` as a script would use it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys

import pytest

from builder import document
from builder.graph import Node
from engine.__main__ import main
from engine.data import DATASETS
from engine.store import RunFolder, runs
from tests.engine.running import chain, mlp, states, trained, wait


@pytest.fixture
def net(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERLOOM_HOME", str(tmp_path / "home"))
    path = tmp_path / "net.json"
    path.write_text(document.dumps(mlp()))
    return str(path)


@pytest.fixture(autouse=True)
def ctrl_c():
    """``train`` takes over Ctrl-C; the tests that follow get it back."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_train_prints_the_final_metrics_and_leaves_a_run_that_the_app_lists(net, tmp_path, capsys):
    assert main(["train", net, "--data", "circle", "--steps", "100", "--seed", "3", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert sorted(body) == [
        "reason",
        "run",
        "seconds",
        "state",
        "steps",
        "train_loss",
        "train_metric",
        "val_loss",
        "val_metric",
    ]
    assert (body["steps"], body["state"]) == (100, "finished")
    assert 0 < body["val_loss"] < 2
    assert 0 <= body["val_metric"] <= 1
    (listed,) = runs(tmp_path / "home")
    assert body["run"].endswith(listed.id)
    assert (listed.state, listed.step, listed.title, listed.dataset) == ("finished", 100, "net", "circle")


def test_the_same_seed_gives_the_same_numbers_and_another_does_not(net, capsys):
    losses = []
    for seed in ("3", "3", "4"):
        main(["train", net, "--data", "circle", "--steps", "60", "--seed", seed, "--json"])
        losses.append(json.loads(capsys.readouterr().out)["val_loss"])
    assert losses[0] == losses[1] != losses[2]


def test_set_takes_settings_knobs_and_options_of_the_data(net, tmp_path, capsys):
    out = tmp_path / "out"
    sets = ["optimizer=momentum", "lr=0.05", "dropout=0.1", "noise=0.2", "early_stopping=true", "steps=20"]
    flags = [word for each in sets for word in ("--set", each)]
    assert main(["train", net, "--data", "circle", *flags, "--out", str(out)]) == 0
    config = RunFolder(out).config
    assert (config.optimizer, config.early_stopping, config.steps) == ("momentum", True, 20)
    assert config.knobs == {"lr": 0.05, "dropout": 0.1}
    assert config.data.options == {"noise": 0.2}
    text = capsys.readouterr().out
    assert "val_loss:" in text
    assert str(out) in text


def test_several_copies_train_at_once_each_with_its_value(net, tmp_path, capsys):
    out = tmp_path / "out"
    flags = ["--steps", "60", "--vary", "lr=0.1,0.01,0.001", "--out", str(out), "--json"]
    assert main(["train", net, "--data", "circle", *flags]) == 0
    median = json.loads(capsys.readouterr().out)["val_loss"]
    point = RunFolder(out).log.last("point").body
    assert sorted(point["copies"]["val_loss"])[1] == pytest.approx(median, rel=1e-6)
    alone = []
    for lr in ("0.1", "0.01", "0.001"):
        main(["train", net, "--data", "circle", "--steps", "60", "--set", f"lr={lr}", "--json"])
        alone.append(json.loads(capsys.readouterr().out)["val_loss"])
    assert point["copies"]["val_loss"] == alone
    assert main(["train", net, "--data", "circle", "--vary", "lr=many"]) == 1
    assert "Write for example --vary lr=0.001,0.01,0.1." in capsys.readouterr().err


def test_a_table_of_ones_own(net, tmp_path, capsys):
    table = tmp_path / "mine.csv"
    table.write_text("a,b,kind\n" + "".join(f"{i % 7},{i % 5},{'yes' if i % 2 else 'no'}\n" for i in range(100)))
    assert main(["train", net, "--csv", str(table), "--target", "kind", "--steps", "20", "--json"]) == 0
    run = RunFolder((tmp_path / json.loads(capsys.readouterr().out)["run"]).resolve())
    assert (run.path / "data.csv").read_text() == table.read_text()
    assert main(["train", net, "--csv", str(table), "--target", "nix", "--steps", "20"]) == 1
    assert "no column 'nix'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "export", "replay"])
def test_a_table_of_30_gb_is_refused_with_its_size_and_not_read(command, net, tmp_path, capsys):
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(30 * 2**30)
    what = net
    if command == "replay":
        main(["train", net, "--data", "circle", "--steps", "2", "--out", str(tmp_path / "run")])
        what = str(tmp_path / "run")
    capsys.readouterr()
    assert main([command, what, "--csv", str(tmp_path / "large.csv")]) == 1
    assert "The file has 30,720 MB; at most 50 MB are taken." in capsys.readouterr().err


WRONG = [
    (["--data", "iris"], "data/wrong-input"),
    (["--data", "nix"], "data/unknown"),
    ([], "data/missing"),
    (["--data", "circle", "--set", "lr=99"], "param/range"),
    (["--data", "circle", "--set", "lr=nan"], "param/"),
    (["--data", "circle", "--set", "lr=NaN"], "param/"),
    (["--data", "circle", "--set", "lr"], "config/set"),
    (["--data", "circle", "--set", "warp=1"], "config/unknown"),
    (["--data", "circle", "--steps", "0"], "param/range"),
    (["--data", "circle", "--seed", "-1"], "param/range"),
    (["--data", "circle", "--device", "abacus"], "param/choice"),
    (["--data", "circle", "--set", "noise=77"], "param/range"),
    (["--data", "circle", "--set", "optimizer=magic"], "param/choice"),
]


@pytest.mark.parametrize(("flags", "code"), WRONG)
def test_what_cannot_work_is_told_with_its_cure_and_nothing_is_made(net, tmp_path, capsys, flags, code):
    assert main(["train", net, *flags]) == 1
    told = capsys.readouterr()
    assert f"[{code}" in told.err
    assert "Traceback" not in told.err
    assert told.out == ""
    assert runs(tmp_path / "home") == []


def test_a_missing_file_and_a_broken_one_are_told(net, tmp_path, capsys):
    assert main(["train", str(tmp_path / "nix.json"), "--data", "circle"]) == 2
    assert "nix.json: No such file" in capsys.readouterr().err
    (tmp_path / "broken.json").write_text('{"format": "layerloom"')
    assert main(["train", str(tmp_path / "broken.json"), "--data", "circle"]) == 1
    assert "[document/" in capsys.readouterr().err
    (tmp_path / "half.json").write_text(document.dumps(chain(Node("input_1", "Input"))))
    assert main(["train", str(tmp_path / "half.json"), "--data", "circle"]) == 1
    assert "error:" in capsys.readouterr().err


def test_a_folder_that_holds_a_run_is_refused(net, tmp_path, capsys):
    flags = ["train", net, "--data", "circle", "--steps", "5", "--out", str(tmp_path / "out")]
    assert [main(flags), main(flags)] == [0, 1]
    assert "[run/exists]" in capsys.readouterr().err


def test_a_run_that_fails_says_why_and_where(net, capsys):
    assert (
        main(["train", net, "--data", "circle", "--json", "--set", "optimizer=sgd", "--set", "lr=10", "--set", "l2=1"])
        == 1
    )
    body = json.loads(capsys.readouterr().out)
    assert body["state"] == "failed"
    assert "learning rate" in body["reason"].lower()


def test_the_time_limit_is_no_failure(net, capsys):
    assert main(["train", net, "--data", "circle", "--steps", "10000000", "--set", "max_seconds=1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "stopped"


def test_ctrl_c_stops_with_a_checkpoint_and_a_terminal_shows_progress(net, tmp_path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "engine", "train", net, "--data", "circle", "--steps", "10000000", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=os.environ)
    os.close(theirs)
    (listed,) = wait(lambda: runs(tmp_path / "home"))
    run = RunFolder.open(tmp_path / "home", listed.id)
    wait(lambda: trained(run))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    shown = os.read(ours, 1_000_000).decode()
    os.close(ours)
    assert process.returncode == 130
    assert json.loads(output)["state"] == "stopped"
    assert states(run) == ["running", "stopped"]
    assert run.checkpoint_step == run.step
    assert "/10000000  loss: train" in shown
    assert "steps/s" in shown


def test_data_lists_every_data_set(capsys):
    assert main(["data"]) == 0
    told = capsys.readouterr().out
    assert all(f"\n{d.name} " in told for d in DATASETS)
