"""``python -m engine export`` as a script would use it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from builder import document
from builder.templates import load
from engine.__main__ import main
from engine.control import Inbox
from engine.export import job
from engine.store import RunFolder
from engine.worker import work
from tests.engine.running import make, mlp

ROOT = Path(__file__).parents[3]


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LAYERLOOM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my net.json").write_text(document.dumps(mlp()))
    return "my net.json"


@pytest.fixture
def run(net: str, tmp_path: Path) -> RunFolder:
    run = make(tmp_path / "home", 20)
    work(run, Inbox())
    return run


def names(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as file:
        return {Path(name).name for name in file.namelist()}


def test_a_network_goes_into_a_zip_that_is_named_after_it(net: str, tmp_path: Path, capsys) -> None:
    assert main(["export", net, "--data", "circle", "--steps", "70", "--set", "lr=0.02", "--set", "noise=0.2"]) == 0
    assert capsys.readouterr().out == "my-net.zip\n"
    with zipfile.ZipFile(tmp_path / "my-net.zip") as file:
        text = file.read("my-net/train.py").decode()
    assert "STEPS = 70\n" in text
    assert "LR = 0.02\n" in text


def test_a_run_is_found_by_its_folder_and_by_its_id(run: RunFolder, tmp_path: Path) -> None:
    assert main(["export", str(run.path), "--out", "one.zip"]) == 0
    assert main(["export", "--out", "two.zip", "--", run.id]) == 0  # an id may begin with a hyphen
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert "weights.safetensors" in names(tmp_path / "one.zip")


def test_a_table_of_ones_own_is_read(net: str, tmp_path: Path) -> None:
    table = "a,b,kind\n" + "".join(f"{i % 7},{i % 5},{'yes' if i % 2 else 'no'}\n" for i in range(100))
    (tmp_path / "mine.csv").write_text(table)
    assert main(["export", net, "--csv", "mine.csv", "--target", "kind"]) == 0
    assert "data.npz" in names(tmp_path / "my-net.zip")


def test_onnx_alone_needs_no_data(net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("engine.__main__.OnnxJob", Pretend)
    assert main(["export", net, "--onnx", "net.onnx"]) == 0
    assert capsys.readouterr().out == "net.onnx\n"
    assert (tmp_path / "net.onnx").read_bytes() == b"network without weights"
    assert not list(tmp_path.glob("*.zip"))


def test_onnx_of_a_run_has_its_weights(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.__main__.OnnxJob", Pretend)
    assert main(["export", str(run.path), "--onnx", "net.onnx", "--out", "all.zip"]) == 0
    assert (tmp_path / "net.onnx").read_bytes() == b"network with weights"
    assert (tmp_path / "all.zip").is_file()


class Pretend:
    """An export that is done at once."""

    def __init__(self, graph: object, weights: bytes | None) -> None:
        self.weights = weights

    def wait(self) -> bytes:
        return b"network with weights" if self.weights else b"network without weights"


WRONG = [
    (["--data", "iris"], "data/wrong-input", 1),
    ([], "data/missing", 1),
    (["--data", "circle", "--set", "lr=99"], "param/range", 1),
    (["--data", "circle", "--out", "nix/out.zip"], "No such file", 2),
]


@pytest.mark.parametrize(("flags", "said", "code"), WRONG)
def test_what_cannot_work_is_told_with_its_cure(net: str, tmp_path: Path, capsys, flags, said, code) -> None:
    assert main(["export", net, *flags]) == code
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""
    assert not list(tmp_path.glob("*.zip"))


def test_an_unknown_run_a_missing_file_and_missing_packages_are_told(
    net: str, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    assert main(["export", "AAAAAAAAAAAAAAAA"]) == 1
    assert "[run/unknown]" in capsys.readouterr().err
    assert main(["export", "nix.json", "--data", "circle"]) == 2
    assert "nix.json: No such file" in capsys.readouterr().err
    monkeypatch.setattr(job, "find_spec", lambda name: None)
    assert main(["export", net, "--onnx", "net.onnx"]) == 1
    assert "pip install -r requirements-onnx.txt [export/onnx-missing]" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_fault() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "engine", "data"], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_template_is_exported_by_a_script(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(document.dumps(load("iris_mlp")))
    command = [sys.executable, "-m", "engine", "export", str(tmp_path / "net.json"), "--data", "iris"]
    subprocess.run([*command, "--out", str(tmp_path / "x.zip")], cwd=ROOT, check=True, capture_output=True)
    assert names(tmp_path / "x.zip") == {
        "README.md", "model.py", "train.py", "train.ipynb", "network.json", "data.npz",
        "words.json",
    }  # fmt: skip
