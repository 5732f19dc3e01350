from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from builder.diagnostic import Refused
from engine.checkpoint import Checkpoint
from engine.config import SETTINGS
from engine.faults import RunFault
from engine.loop import Training
from tests.engine.drawn import CASES, CNN, MLP, advance, finish, make, same, trained, weights

OPTIMIZERS = next(p.choices for p in SETTINGS if p.name == "optimizer")
KNOBS = {"input_noise": 0.1, "l1": 1e-4, "weight_decay": 0.01, "batch_size": 24}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_hundred_steps_and_a_hundred_more_are_two_hundred_to_the_bit(optimizer: str, tmp_path: Path):
    settings = {"optimizer": optimizer, "schedule": "cosine", "knobs": KNOBS}
    first = make(**settings)
    advance(first, 100)
    first.checkpoint().save(tmp_path, "last")
    torch.manual_seed(99)
    second = make(**settings, resume=Checkpoint.load(tmp_path, "last"))
    assert second.started().body["resumed_from"] == second.step == 100
    advance(second, 100)
    assert same(weights(second), trained(200, **settings))


@pytest.mark.parametrize("case", list(CASES))
def test_every_kind_of_network_goes_on_to_the_bit(case: str, tmp_path: Path):
    graph, data = CASES[case]
    first = make(graph, data)
    advance(first, 30)
    first.checkpoint().save(tmp_path, "last")
    second = make(graph, data, resume=Checkpoint.load(tmp_path, "last"))
    advance(second, 30)
    assert same(weights(second), trained(60, graph, data))


def test_turned_knobs_and_early_stopping_go_on_as_they_were(tmp_path: Path):
    settings = {"early_stopping": True, "patience": 50, "steps": 400, "knobs": {"lr": 0.1}}

    def turn(training: Training) -> None:
        advance(training, 20)
        training.set("lr", 0.05)
        training.set("dropout", 0.4)
        training.set("batch_size", 100)

    whole = make(**settings)
    turn(whole)
    ending = finish(whole)[-1]
    first = make(**settings)
    turn(first)
    first.checkpoint().save(tmp_path, "last")
    second = make(**settings, resume=Checkpoint.load(tmp_path, "last"))
    assert second.started().body["knobs"]["dropout:dropout_1"] == 0.4
    assert finish(second)[-1] == ending
    assert same(weights(second), weights(whole))


def test_the_file_holds_the_keys_of_the_module_and_readable_json(tmp_path: Path):
    training = make(CNN, "digits")
    advance(training, 3)
    training.checkpoint().save(tmp_path, "last")
    with safe_open(tmp_path / "last.safetensors", "pt") as file:
        keys = set(file.keys())
    state = set(training.model.state_dict())
    assert {k for k in keys if "/" not in k} == state
    assert {k for k in keys if k.startswith("best/")} == {f"best/{k}" for k in state}
    assert {k for k in keys if k.startswith("optimizer/")} == {"optimizer/mean", "optimizer/square"}
    meta = json.loads((tmp_path / "last.json").read_text())
    assert meta["step"] == 3
    assert meta["knobs"]["batch_size"] == 32
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last.json", "last.safetensors"]


def test_a_write_that_breaks_off_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    training = make()
    advance(training, 1)
    training.checkpoint().save(tmp_path, "last")
    advance(training, 1)
    newer = training.checkpoint()

    def broken(_source: object, _target: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="no space"):
        newer.save(tmp_path, "last")
    assert Checkpoint.load(tmp_path, "last").step == 1


def test_tensors_and_the_rest_change_in_one_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A run that is killed between the two files must not go on with the numbers of one and the weights of another."""
    training = make()
    advance(training, 1)
    training.checkpoint().save(tmp_path, "last")
    old_json = (tmp_path / "last.json").read_bytes()
    advance(training, 1)
    training.checkpoint().save(tmp_path, "last")
    (tmp_path / "last.json").write_bytes(old_json)
    assert Checkpoint.load(tmp_path, "last").step == 2


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 64, None])
def test_a_broken_or_missing_file_is_refused_in_plain_words(content: bytes | None, tmp_path: Path):
    if content is not None:
        (tmp_path / "last.safetensors").write_bytes(content)
    with pytest.raises(Refused) as refused:
        Checkpoint.load(tmp_path, "last")
    assert str(refused.value) == (
        "The run has no 'last' checkpoint that can be read. Start a new run with the same network and settings."
    )


def test_a_checkpoint_of_another_network_is_refused_in_plain_words():
    other = make(CNN, "digits")
    advance(other, 1)
    with pytest.raises(Refused, match="belongs to another network") as refused:
        make(MLP, resume=other.checkpoint())
    assert refused.value.diagnostics[0].code == "checkpoint/other"


def test_a_checkpoint_is_a_copy_that_training_does_not_touch():
    training = make()
    advance(training, 1)
    checkpoint = training.checkpoint()
    before = {k: t.clone() for k, t in checkpoint.weights.items()}
    advance(training, 5)
    assert same(before, dict(checkpoint.weights))


def test_the_best_checkpoint_has_the_weights_and_loss_of_the_best_validation():
    training = make(every=1, steps=60, knobs={"lr": 0.3})
    seen = {}
    for events in training.run():
        point = next(e for e in events if e.kind == "point")
        seen[training.step] = (point.body["val_loss"], weights(training))
    step = min(seen, key=lambda s: seen[s][0])
    assert step < 60
    best = training.best
    assert best is not None
    assert (best.step, best.meta["val_loss"]) == (step, seen[step][0])
    assert same(dict(best.weights), seen[step][1])


def test_weights_that_are_not_finite_are_never_given_out():
    training = make()
    advance(training, 1)
    training.flat.weights[3] = float("inf")
    with pytest.raises(RunFault, match="weights became infinite"):
        training.checkpoint()
