"""Measurements asked for from outside: of a run that trains, that stands still, and that is over."""

from __future__ import annotations

import pytest

from engine.afterwards import measure
from engine.control import Inbox, check
from engine.events import MEASUREMENTS
from engine.executor import LocalExecutor
from engine.link import RunnerLink
from engine.store import RunFolder
from engine.worker import work
from tests.engine.running import all_of, make, state, trained, wait


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    executor = LocalExecutor(tmp_path_factory.mktemp("home"))
    executor.prewarm()
    yield executor
    executor.close()


def begun(executor: LocalExecutor) -> RunFolder:
    run = make(executor.home)
    executor.start(run)
    wait(lambda: trained(run))
    return run


def ask(executor: LocalExecutor, run: RunFolder, name: str, value: int = 1):
    return executor.send(run.id, {"do": "measure", "name": name, "value": value})


def test_a_running_run_measures_what_it_is_asked_for_and_says_what_that_is(executor):
    run = begun(executor)
    for name in ("sharpness", "rank"):
        assert ask(executor, run, name) is None
    for name in ("sharpness", "rank"):
        wait(lambda name=name: all_of(run, name))
    assert run.log.last("costs").body["asked"] == ["rank", "sharpness"]
    assert ask(executor, run, "rank", 0) is None
    wait(lambda: run.log.last("costs").body["asked"] == ["sharpness"])
    executor.send(run.id, {"do": "stop"})
    wait(lambda: state(run) == "stopped")


def test_a_paused_run_is_studied_where_it_stands_and_stays_paused(executor):
    run = begun(executor)
    executor.send(run.id, {"do": "pause"})
    wait(lambda: state(run) == "paused")
    assert ask(executor, run, "gain") is None
    record = wait(lambda: run.log.last("gain"))
    assert record.step == run.log.last("state").step
    assert state(run) == "paused"
    executor.send(run.id, {"do": "stop"})
    wait(lambda: state(run) == "stopped")


def test_a_run_that_is_over_is_measured_at_its_last_checkpoint_and_stays_over(executor):
    run = make(executor.home, steps=40)
    executor.start(run)
    wait(lambda: state(run) == "finished")
    weights = (run.path / "last.safetensors").read_bytes()
    for name in ("noise", "cosine", "grad_hist"):
        assert ask(executor, run, name) is None
    for name in ("noise", "cosine", "grad_hist"):
        assert wait(lambda name=name: run.log.last(name)).step == 40
    assert (run.path / "last.safetensors").read_bytes() == weights
    assert executor.status(run.id).state == "finished"
    assert ask(executor, run, "noise", 0) is None  # there is nothing to be measured no more


def test_no_more_processes_measure_than_there_are_slots(tmp_path, monkeypatch):
    executor = LocalExecutor(tmp_path / "home", slots=2)
    asked = []
    monkeypatch.setattr(executor, "_runner", lambda: Heard(asked))
    run = make(executor.home, steps=5)
    run.say("finished")
    assert [ask(executor, run, name) for name in ("noise", "noise", "rank")] == [None, None, None]
    assert asked == ["noise", "rank"]  # what is under way already is not begun again
    assert ask(executor, run, "gain").code == "measure/busy"
    executor._heard({"key": 1, "exit": 0})
    assert ask(executor, run, "gain") is None


class Heard(RunnerLink):
    """A runner that takes down what it is to measure."""

    def __init__(self, asked: list[str]) -> None:
        self.asked = asked

    def measure(self, key, path, name) -> None:
        self.asked.append(name)


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_every_measurement_can_be_made_of_a_run_that_is_over(tmp_path, name):
    run = make(tmp_path, steps=5)
    assert [(e.kind, e.step) for e in measure(run, name)] == [(name, 0)]


@pytest.mark.parametrize("name", ["sharpness", "cosine", "update_hist", "examples"])
def test_every_copy_of_a_run_that_is_over_is_measured_as_a_run_of_its_own_would_be(trained_copies, name):
    together, *singles = trained_copies
    (event,) = measure(together, name)
    assert event.step == 20
    for k, single in enumerate(singles):
        (own,) = measure(single, name)
        if name == "update_hist":
            assert own.body == {node: found["copies"][k] for node, found in event.body.items()}
        else:
            assert own.body == {field: found[k] for field, found in event.body["copies"].items()}


def test_a_copy_that_broke_is_measured_no_more_when_the_run_is_over(tmp_path):
    settings = {"copies": 3, "vary": {"lr": [0.01, 10.0, 0.02]}, "optimizer": "sgd", "loss": "mse"}
    run = make(tmp_path, steps=300, **settings)
    assert work(run, Inbox()) == "finished"
    assert "Copy 2 (learning rate 10) ended" in run.log.last("diagnostic").body["what"]
    (event,) = measure(run, "gain")
    assert [gain is None for gain in event.body["copies"]["gain"]] == [False, True, False]


@pytest.fixture(scope="module")
def trained_copies(tmp_path_factory):
    """A run of two copies that is over, and for each a run of its own with its settings."""
    made = []
    for k, settings in enumerate(
        ({"copies": 2, "vary": {"lr": [0.1, 0.001]}}, {"knobs": {"lr": 0.1}}, {"knobs": {"lr": 0.001}})
    ):
        run = make(tmp_path_factory.mktemp(f"home{k}"), steps=20, **settings)
        assert work(run, Inbox()) == "finished"
        made.append(run)
    return made


def test_a_measurement_that_does_not_exist_is_refused_by_name_before_it_travels():
    assert check({"do": "measure", "name": "entropy"}).code == "command/measure"
    assert check({"do": "measure", "name": "rank", "value": "yes"}).code == "command/measure"
    assert check({"do": "measure", "name": "rank"}) is None
    assert check({"do": "measure", "name": "rank", "value": 0}) is None
