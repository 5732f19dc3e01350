"""Copies in lock step are what each would be alone."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from builder.diagnostic import Refused
from builder.graph import Graph
from engine.checkpoint import Checkpoint
from engine.config import DataRef, TrainConfig
from engine.data import load
from engine.events import Event
from engine.lanes.lane import Wanted
from engine.lanes.native import build
from engine.loop import Training
from engine.pace import Budget, EveryN
from engine.replicas.copies import Local
from engine.replicas.group import BATCHED, Group, training_of
from engine.replicas.merge import merged
from engine.replicas.variants import variants
from tests.engine.drawn import CNN, LSTM, MLP, Patient, chain, same

KNOBS = {
    "seeds": {},
    "learning rate": {"lr": [0.1, 0.01, 0.001]},
    "penalties": {"l1": [0.0, 0.001, 0.01], "l2": [0.01, 0.0, 0.1]},
    "dropout": {"dropout": [0.0, 0.3, 0.6]},
    "noise and clipping": {"input_noise": [0.0, 0.1, 0.5], "clip_norm": [0.1, 1.0, 0.0]},
    "batch size": {"batch_size": [10, 32, 100]},
    "order": {"order": [1, 2, 3]},
}


def config(data: str, **settings: Any) -> TrainConfig:
    return TrainConfig(DataRef(data), **{"steps": 200, "copies": 3, "seed": 5, **settings})


def group(graph: Graph, settings: TrainConfig, lane: Wanted = "eager", resume: Checkpoint | None = None) -> Group:
    made = training_of(graph, settings, load(settings.data), pace=EveryN(50), lane=lane, resume=resume)
    assert isinstance(made, Group)
    made.stride.seconds = 0.01
    return made


def advance(training: Group | Training, until: int) -> list[Event]:
    run: Iterator[tuple[Event, ...]] = training.run()
    found: list[Event] = []
    while training.step < until:
        training.stride.most = until - training.step
        found += next(run)
    return found


def weights(training: Group) -> list[dict[str, Tensor]]:
    """Of each copy, as a checkpoint holds them."""
    state = training.checkpoint()
    return [dict(state.weights), *(dict(copy.weights) for copy in state.copies)]


def alone(graph: Graph, settings: TrainConfig, lane: Wanted = "eager") -> list[dict[str, Tensor]]:
    """Each copy trained on its own, one after another."""
    found = []
    for own in variants(settings):
        training = Training(graph, own, load(settings.data), pace=EveryN(1000), lane=lane)
        for _ in training.run():
            pass
        found.append(dict(training.checkpoint().weights))
    return found


@pytest.mark.parametrize("vary", KNOBS.values(), ids=KNOBS)
@pytest.mark.parametrize("lane", ["native", "eager"])
def test_copy_k_is_a_separate_run_with_its_settings_to_the_bit(vary: dict[str, list[float]], lane: Wanted) -> None:
    settings = config("spiral", vary=vary)
    training = group(MLP, settings, lane)
    assert training.how == ("batched" if lane == "native" else "parallel")
    advance(training, 200)
    each = weights(training)
    training.close()
    for ours, theirs in zip(each, alone(MLP, settings, lane), strict=True):
        assert same(ours, theirs)
    assert not same(each[0], each[1])


def test_what_a_clock_asks_for_is_seen_of_all_copies_in_the_last_batch_of_their_strides_as_it_is_there() -> None:
    settings, data = config("spiral", vary={"dropout": [0.0, 0.3, 0.6]}), load(DataRef("spiral"))
    alone = []
    for own in variants(settings):
        training = Training(MLP, own, data, pace=EveryN(1), lane="native")
        alone.append({(e.kind, e.step): e.body for events in training.run() for e in events})
    together = Group(MLP, settings, data, pace=Patient(2), lane="native")
    together.stride.seconds = 10.0  # so that strides double
    seen, ends = [], [0]
    for events in together.run():
        seen += [e for e in events if e.kind in ("layers", "hist")]
        ends.append(together.step)
    assert seen == [merged(e.kind, e.step, [bodies[e.kind, e.step] for bodies in alone]) for e in seen]
    assert len({e.step for e in seen}) == len(ends) // 2
    assert max(after - before for before, after in pairwise(ends) if after in {e.step for e in seen}) > 10


@pytest.mark.parametrize(("graph", "data"), [(CNN, "digits"), (LSTM, "sunspots")], ids=["cnn", "lstm"])
def test_what_the_batched_program_cannot_do_trains_beside_each_other_and_says_so(graph: Graph, data: str) -> None:
    settings = config(data, steps=20)
    training = group(graph, settings)
    told = training.started().body["copies"]
    assert (told["count"], told["how"]) == (3, "parallel")
    assert told["reason"].startswith("Each copy trains in a process of its own:")
    advance(training, 20)
    each = weights(training)
    training.close()
    assert all(same(ours, theirs) for ours, theirs in zip(each, alone(graph, settings), strict=True))


@pytest.mark.parametrize(("graph", "data"), [(CNN, "digits"), (MLP, "spiral")], ids=["cnn", "mlp"])
def test_where_nothing_can_be_forked_the_copies_take_turns_with_the_same_bits(
    graph: Graph, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.replicas.parallel.sys.platform", "darwin")
    settings = config(data, steps=20, vary={"input_noise": [0.0, 0.1, 0.5]})
    training = group(graph, settings)
    told = training.started().body["copies"]
    assert (told["how"], told["reason"]) == (
        "turns",
        "The copies take turns, one after another: processes cannot be forked safely on this system.",
    )
    advance(training, 20)
    each = weights(training)
    training.close()
    assert all(same(ours, theirs) for ours, theirs in zip(each, alone(graph, settings), strict=True))


def test_copies_that_wait_for_the_kernel_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "library", lambda: None)
    training = group(MLP, config("spiral"), "auto")
    assert training.first.training.lane.name == "eager"
    assert (training.how, training.why) == ("batched", f"{BATCHED} Until it is compiled, PyTorch trains them in turn.")


@pytest.mark.parametrize("lane", ["native", "eager"])
def test_a_group_that_goes_on_from_a_checkpoint_ends_with_the_same_bits(lane: Wanted) -> None:
    settings = config("spiral", vary={"dropout": [0.1, 0.2, 0.3]})
    straight, first = group(MLP, settings, lane), group(MLP, settings, lane)
    advance(straight, 200)
    advance(first, 120)
    second = group(MLP, settings, lane, resume=first.checkpoint())
    assert (second.step, second.resumed_from) == (120, 120)
    advance(second, 200)
    assert all(same(a, b) for a, b in zip(weights(straight), weights(second), strict=True))
    for training in (straight, first, second):
        training.close()


def test_a_checkpoint_of_all_copies_survives_the_disk(tmp_path: Any) -> None:
    training = group(MLP, config("spiral"), "native")
    advance(training, 50)
    state = training.checkpoint()
    state.save(tmp_path, "last")
    found = Checkpoint.load(tmp_path, "last")
    assert same(dict(state.weights), dict(found.weights))
    assert len(found.copies) == 2
    for ours, theirs in zip(state.copies, found.copies, strict=True):
        assert same(dict(ours.weights), dict(theirs.weights))
        assert same(dict(ours.optimizer), dict(theirs.optimizer))
        assert ours.meta["random"] == theirs.meta["random"]


def test_points_carry_every_copy_and_their_median() -> None:
    settings = config("spiral", copies=5, steps=100)
    training = group(MLP, settings, "native")
    points = [e for e in advance(training, 100) if e.kind == "point"]
    each = []
    for own in variants(settings):
        run = Training(MLP, own, load(settings.data), pace=EveryN(50), lane="native").run()
        each.append([e for events in run for e in events if e.kind == "point"])
    for k, point in enumerate(points):
        for name in ("train_loss", "val_loss", "train_metric", "gap"):
            values = [found[k].body[name] for found in each]
            assert point.body["copies"][name] == values
            assert point.body[name] == pytest.approx(statistics.median(values), rel=1e-6)


def test_layers_and_histograms_carry_every_copy() -> None:
    training = group(MLP, config("spiral", steps=50), "native")
    events = {e.kind: e for e in advance(training, 50)}
    layers = events["layers"].body
    for k in range(len(layers["grad_norm"])):
        column = [copy[k] for copy in layers["copies"]["grad_norm"]]
        assert layers["grad_norm"][k] == pytest.approx(statistics.median(column), rel=1e-6)
    for body in events["hist"].body.values():
        assert len(body["copies"]) == 3
        assert {key: body[key] for key in ("lo", "hi", "counts")} == body["copies"][0]


@pytest.mark.parametrize("lane", ["native", "eager"])
def test_a_copy_that_diverges_leaves_the_others_going(lane: Wanted) -> None:
    graph = chain(
        ("Input", {"shape": (2,)}),
        ("Linear", {"out_features": 8}),
        ("ReLU", {}),
        ("Linear", {"out_features": 2}),
        ("Output", {}),
    )
    settings = config("spiral", optimizer="sgd", loss="mse", steps=300, vary={"lr": [0.01, 10.0, 0.02]})
    training = group(graph, settings, lane)
    assert training.measuring
    for name in ("rank", "gain"):
        training.measuring.ask(name)
    training.measuring.for_readings = training.measuring.for_studies = Budget(math.inf, math.inf)
    events = advance(training, 300)
    told = [e.body for e in events if e.kind == "diagnostic"]
    assert [t["code"] for t in told] == ["copies/fault"]
    assert told[0]["what"].startswith("Copy 2 (learning rate 10) ended: Training stopped at step")
    last = next(e for e in reversed(events) if e.kind == "point")
    assert last.step == 300
    assert last.body["copies"]["val_loss"][1] is None
    assert last.body["copies"]["val_loss"][0] is not None
    for name, field in (("rank", "rank"), ("gain", "gain")):
        each = next(e for e in reversed(events) if e.kind == name).body["copies"][field]
        assert [found is None for found in each] == [False, True, False]
    assert events[-1].body["state"] == "finished"
    assert len(training.checkpoint().copies) == 2
    training.close()


def test_a_knob_turns_in_all_copies() -> None:
    training = group(MLP, config("spiral"), "native")
    found = training.set("lr", 0.002)
    assert isinstance(found, Event)
    assert all(copy.checkpoint().meta["knobs"]["lr"] == 0.002 for copy in training.copies)


def test_early_stopping_ends_each_copy_by_itself() -> None:
    settings = config("spiral", steps=5000, early_stopping=True, patience=25, vary={"lr": [0.1, 0.03, 1e-6]})
    training = group(MLP, settings, "native")
    run = training.run()
    events = [e for some in run for e in some]
    ended = [e for e in events if e.kind == "diagnostic"]
    assert training.over
    assert len({e.step for e in ended} | {training.step}) > 1
    assert all(e.body["code"] == "copies/ended" for e in ended)


@pytest.mark.parametrize("lane", ["eager", "native"])
def test_a_copy_that_has_ended_stays_ended_where_the_others_go_on_from_a_checkpoint(lane: Wanted, tmp_path: Path):
    """In each way to train copies: in one program, and each in a process of its own."""
    settings = config("spiral", steps=400, early_stopping=True, patience=8, vary={"lr": [0.01, 1e-6, 0.003]})
    whole = group(MLP, settings, lane)
    while not any(copy.over for copy in whole.copies):
        advance(whole, whole.step + 1)
    assert not whole.over
    advance(whole, whole.step + 3)
    whole.checkpoint().save(tmp_path, "last")
    resumed = group(MLP, settings, lane, resume=Checkpoint.load(tmp_path, "last"))
    assert [copy.over for copy in resumed.copies] == [copy.over for copy in whole.copies]
    for training in (whole, resumed):
        for _ in training.run():
            pass
    assert resumed.step == whole.step
    assert all(same(a, b) for a, b in zip(weights(resumed), weights(whole), strict=True))
    whole.close()
    resumed.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"copies": 65}, "A run has 1 to 64 copies of its network, and 65 are asked for. Use 64 or fewer."),
        ({"vary": {"lr": [0.1]}}, "3 copies need 3 values of 'lr', and there are 1. Give each copy its value."),
        ({"vary": {"lrr": [1, 2, 3]}}, "'lrr' cannot differ between the copies of a run. Did you mean 'lr'?"),
        ({"vary": {"speed": [1, 2, 3]}}, "'speed' cannot differ between the copies of a run. Did you mean 'seed'?"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_do(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as refused:
        variants(config("spiral", **settings))
    assert refused.value.diagnostics[0].text == said


def test_a_value_out_of_range_is_refused_before_a_copy_begins() -> None:
    with pytest.raises(Refused) as refused:
        group(MLP, config("spiral", vary={"lr": [0.1, 100.0, 0.2]}))
    assert "100" in refused.value.diagnostics[0].text


def test_one_copy_is_an_ordinary_training() -> None:
    settings = replace(config("spiral"), copies=1)
    assert isinstance(training_of(MLP, settings, load(settings.data)), Training)


def test_copies_that_were_forgotten_do_not_disturb_those_that_come_after() -> None:
    settings = config("spiral", steps=10)
    for _ in range(3):  # never closed: the numbers of their sockets are given away again
        advance(group(MLP, settings), 5)
    training = group(MLP, settings)
    advance(training, 10)
    assert len(training.checkpoint().copies) == 2
    training.close()


def test_copies_that_wait_for_the_kernel_compile_it_once_and_all_change_over(monkeypatch: pytest.MonkeyPatch) -> None:
    library, begun = build.made(), []

    class Compiling:
        running = True

        def __init__(self, compiler: str) -> None:
            begun.append(self)

    monkeypatch.setattr(build, "_going", {})
    monkeypatch.setattr(build, "Build", Compiling)
    monkeypatch.setattr(build, "library", lambda: None if Compiling.running else library)
    training = group(MLP, config("spiral"), "auto")
    assert len(begun) == 1
    assert not [e for e in advance(training, 3) if e.kind == "lane"]
    Compiling.running = False
    assert [e.body["lane"] for e in advance(training, 10) if e.kind == "lane"] == ["native"]
    lanes = [copy.training.lane.name for copy in training.copies if isinstance(copy, Local)]
    assert lanes == ["native"] * 3
