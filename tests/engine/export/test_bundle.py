"""What a run gives away: its weights under the keys of the network, its story as a recipe, all of it in a zip."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, load_file, save_file
from torch import Tensor

from builder import document
from builder.compile import compile_graph
from builder.diagnostic import Refused
from builder.graph import Graph
from builder.source import source
from engine import data
from engine.config import DataRef, TrainConfig
from engine.control import Inbox
from engine.events import Event
from engine.export import weights
from engine.export.arrays import arrays
from engine.export.bundle import bundle, bundle_of, folder
from engine.export.recipe import HORIZON, of_run, planned
from engine.export.script import train_script
from engine.preflight import preflight
from engine.store import RunFolder
from engine.worker import prepare, work
from tests.engine.export.programs import in_a_clean_process, recipe
from tests.engine.running import make, mlp

CIRCLE = {"size": 200}
TURNS: dict[int, dict[str, float]] = {10: {"lr": 0.002, "dropout": 0.4}, 30: {"batch_size": 9}}


def trained(home: Path, steps: int = 40, graph: Graph | None = None, **settings: Any) -> RunFolder:
    run = make(home, steps, graph=graph, device="cpu", **settings)
    assert work(run, Inbox()) == "finished"
    return run


def driven(run: RunFolder, until: int, turns: dict[int, dict[str, float]] | None = None) -> RunFolder:
    """Trains ``run`` from its checkpoint, if it has one, to step ``until``, turning knobs as a worker would."""
    training = prepare(run, resume=run.checkpoint_step is not None)
    run.log.append([training.started()])
    for events in training.run():
        run.log.append(events)
        for name, value in (turns or {}).get(training.step, {}).items():
            event = training.set(name, value)
            assert isinstance(event, Event)
            run.log.append([event])
        if training.step == until:
            break
    assert training.step == until
    training.checkpoint().save(run.path, "last")
    return run


def unpacked(content: bytes, target: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        file.extractall(target)
    (found,) = target.iterdir()
    return found


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def stories(home: Path) -> dict[str, RunFolder]:
    """Runs of every kind that there is something to repeat in."""
    beyond = driven(driven(make(home, 20, device="cpu", schedule="cosine"), 20), 40)
    stopped = driven(make(home, 100, device="cpu", schedule="cosine"), 45, TURNS)
    continued = driven(driven(make(home, 100, device="cpu", schedule="warmup"), 25, TURNS), 60, {40: {"l2": 0.1}})
    early = trained(home, 400, early_stopping=True, patience=20, optimizer="sgd", knobs={"lr": 3.0})
    csv = "a,b,kind\n" + "".join(f"{i % 7},{i % 5},{'yes' if i % 2 else 'no'}\n" for i in range(100))
    config = TrainConfig(DataRef("csv", {"target": "kind"}), steps=10, device="cpu")
    table = RunFolder.create(home, mlp(), config, csv=csv.encode())
    work(table, Inbox())
    plain = trained(home, schedule="cosine", optimizer="rmsprop", knobs={"lr": 0.001})
    return {
        "plain": plain,
        "stopped": stopped,
        "continued": continued,
        "beyond": beyond,
        "early": early,
        "table": table,
    }


@pytest.mark.parametrize("which", ["last", "best"])
def test_the_weights_are_those_of_the_checkpoint_under_the_keys_of_the_network(tmp_path: Path, which: Any) -> None:
    run = trained(tmp_path, optimizer="adam")
    whole = load_file(run.path / f"{which}.safetensors")
    found = load(weights.read(run, which).content)
    assert equal(found, {k: t for k, t in whole.items() if "/" not in k})
    assert which == "best" or any("/" in k for k in whole), "nothing had to be left out"
    compile_graph(run.graph).load_state_dict(found)


def test_weights_of_all_kinds_of_tensors_survive(tmp_path: Path) -> None:
    run = make(tmp_path)
    meta = {"meta": json.dumps({"step": 7})}
    tensors = {"a.n": torch.tensor(5), "b": torch.randn(3, 2), "optimizer/b": torch.randn(3, 2), "c": torch.zeros(0)}
    save_file(tensors, run.path / "last.safetensors", meta)
    found = weights.read(run)
    assert found.step == 7
    assert equal(load(found.content), {k: t for k, t in tensors.items() if "/" not in k})


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 8, b"\x02" + b"\0" * 7 + b"{}", b"\x09" + b"\0" * 7 + b"{"])
def test_a_run_without_readable_weights_says_so(tmp_path: Path, content: bytes | None) -> None:
    run = make(tmp_path)
    if content is not None:
        (run.path / "last.safetensors").write_bytes(content)
    with pytest.raises(Refused) as refused:
        bundle_of(run)
    assert refused.value.diagnostics[0].code == "export/no-weights"


def test_the_program_in_the_bundle_of_a_run_ends_at_the_weights_of_the_run(tmp_path: Path) -> None:
    runs = stories(tmp_path / "home")
    places = {name: unpacked(bundle_of(run), tmp_path / name) for name, run in runs.items()}
    in_a_clean_process(*places.values())
    for name, place in places.items():
        ours, theirs = load_file(place / "ours.safetensors"), load_file(place / "weights.safetensors")
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():  # a fast lane of the engine adds up in another order
            torch.testing.assert_close(value, theirs[key], rtol=1e-4, atol=1e-5, msg=f"{name}: {key}")


def test_the_bundle_of_a_run_holds_all_of_it(tmp_path: Path) -> None:
    run = trained(tmp_path / "home")
    place = unpacked(bundle_of(run), tmp_path / "zip")
    assert sorted(p.name for p in place.iterdir()) == [
        "README.md", "best.safetensors", "data.npz", "model.py", "network.json", "train.ipynb", "train.py",
        "weights.safetensors", "words.json",
    ]  # fmt: skip
    assert document.loads((place / "network.json").read_bytes()) == run.graph
    said = (place / "README.md").read_text()
    assert f"torch=={torch.__version__.split('+')[0]}" in said
    assert "python train.py" in said
    assert "the weights after 40 steps" in said


def test_the_data_of_the_bundle_is_that_of_the_engine(tmp_path: Path) -> None:
    each = recipe("regression_mlp", 5)
    place = unpacked(bundle(each, "curve"), tmp_path)
    found = np.load(place / "data.npz")
    assert sorted(found) == ["x_train", "x_val", "y_train", "y_val"]
    assert all(np.array_equal(found[k], a) and found[k].dtype == a.dtype for k, a in arrays(each).items())
    assert np.array_equal(found["x_train"], each.data.x_train)
    assert not (place / "weights.safetensors").exists()


def test_whole_numbers_keep_their_words_and_data_its_source(tmp_path: Path) -> None:
    text = unpacked(bundle(recipe("gpt", 5), "gpt"), tmp_path / "gpt")
    held, words = np.load(text / "data.npz"), json.loads((text / "words.json").read_text(encoding="utf-8"))
    assert words.keys() == {name.rpartition("_")[0] for name in held}
    said = {name: "".join(letters[i] for i in held[f"{name}_train"][0]) for name, letters in words.items()}
    assert all("\nby William Shakespeare\n" in line for line in said.values())
    assert "The examples: William Shakespeare" in (text / "README.md").read_text(encoding="utf-8")
    curve = unpacked(bundle(recipe("regression_mlp", 5), "curve"), tmp_path / "curve")
    assert not (curve / "words.json").exists()
    assert "words.json" not in (curve / "README.md").read_text(encoding="utf-8")


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    run = trained(tmp_path, 10)
    assert bundle_of(run) == bundle_of(RunFolder(run.path))


@pytest.mark.parametrize(
    ("title", "name"),
    [("../../etc", "etc"), ("Le Net 5", "le-net-5"), ("", "network"), ("Über/uns\0", "uber-uns"), ("x" * 99, "x" * 40)],
)
def test_a_title_becomes_one_plain_folder(title: str, name: str) -> None:
    assert folder(title) == name
    content = bundle(recipe("iris_mlp", 5), title)
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert {entry.filename.split("/")[0] for entry in file.infolist()} == {name}
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_what_was_turned_is_in_the_recipe(tmp_path: Path) -> None:
    each = of_run(driven(make(tmp_path, 100, device="cpu"), 35, TURNS), 35)
    assert each.changes == {10: {"lr": 0.002, "dropout:dropout_1": 0.4}, 30: {"batch_size": 9}}
    assert of_run(make(tmp_path, 100), 30).changes == {}


def test_a_run_that_went_on_beyond_its_end_has_a_later_horizon_from_there(tmp_path: Path) -> None:
    each = of_run(driven(driven(make(tmp_path, 20, device="cpu", schedule="cosine"), 20), 40), 40)
    assert (each.steps, each.knobs[HORIZON], each.changes) == (40, 20, {20: {HORIZON: 40}})
    assert "int(knobs" in train_script(each)


def test_what_a_killed_worker_did_twice_counts_once(tmp_path: Path) -> None:
    run = make(tmp_path, 100)
    start = dict(of_run(run, 0).knobs)
    del start[HORIZON]
    told = lambda step, value: Event("knob", step, {"name": "lr", "old": 0, "new": value})  # noqa: E731
    began = lambda step, knobs: Event("started", step, {"resumed_from": step or None, "knobs": knobs, "device": "cpu"})  # noqa: E731
    run.log.append([began(0, start), told(10, 0.1), told(30, 0.2), began(20, start | {"lr": 0.1}), told(50, 0.3)])
    assert of_run(run, 90).changes == {10: {"lr": 0.1}, 50: {"lr": 0.3}}
    assert of_run(run, 50).changes == {10: {"lr": 0.1}}
    run.log.append([told(60, 0.4), told(60, 0.3), told(0, 0.5)])
    assert of_run(run, 90).device == "cpu"


def test_an_early_stopped_run_is_left_to_stop_early_again(tmp_path: Path) -> None:
    run = trained(tmp_path, 400, early_stopping=True, patience=20, optimizer="sgd", knobs={"lr": 3.0})
    assert run.checkpoint_step is not None
    assert run.checkpoint_step < 400
    assert of_run(run, run.checkpoint_step).steps == 400


def test_a_training_that_must_not_start_has_no_program() -> None:
    config = TrainConfig(DataRef("iris"))
    with pytest.raises(Refused) as refused:
        planned(mlp(), config)
    assert refused.value.diagnostics[0].code == "data/wrong-input"
    with pytest.raises(Refused):
        planned(Graph(), config)


def test_the_memory_of_this_machine_does_not_stop_an_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERLOOM_MEMORY_MB", "1")  # room for the data, not for the training
    config, wide = TrainConfig(DataRef("circle"), steps=5), mlp(hidden=100_000)
    assert "config/memory" in {d.code for d in preflight(wide, config, data.load(config.data))}
    assert source(planned(wide, config).graph) == source(wide)
    assert planned(wide, replace(config, seed=1)).config.seed == 1
