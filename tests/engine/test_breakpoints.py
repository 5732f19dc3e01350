"""Where a run stops by itself: at that very step, in every lane, with the batch that did it."""

from __future__ import annotations

import contextlib
import math
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.diagnostic import Refused
from builder.graph import Node
from engine import data
from engine.breakpoints import BY_LAYER, EVALUATED, Breakpoint, parse, parse_all, without_layer
from engine.config import DataRef, TrainConfig
from engine.control import Inbox, check
from engine.cures import Growth, cures, healthy
from engine.fork import fork
from engine.kept import Moment
from engine.lanes.native import build
from engine.loop import Training
from engine.pace import EveryN
from engine.report import Reporter
from engine.store import RunFolder
from engine.worker import work
from tests.engine.running import all_of, chain, make, state, wait

LANES = ["eager", *(["auto"] if build.compiler() else [])]
NAMES = ["step", "batch_loss", *BY_LAYER, *EVALUATED]
KNOBS = {"lr": 0.05, "clip_norm": 0.1, "l1": 1e-3}


@pytest.fixture(params=LANES)
def lane(request, monkeypatch):
    monkeypatch.setattr("engine.worker.WANTED", request.param)
    if request.param == "auto":
        build.made()
    return request.param


def watched(run, steps, wanted):
    """A slow but obvious reference: one batch at a time, everything measured in each; (batch loss, layers) by step."""
    config = run.config
    loaded = data.load(config.data, config.seed)
    training = Training(run.graph, config, loaded, pace=EveryN(1), lane=wanted)
    found, orders = [], []
    for events in training.run():
        by_kind = {e.kind: e.body for e in events}
        found.append((by_kind["point"]["batch_loss"], by_kind["layers"]))
        orders.append(training.batches.given[0].tolist())
        if len(found) == steps:
            return training.flat.layers, found, orders
    raise AssertionError("too few steps")


def stopped(run, commands=()):
    """Runs until it has paused, then what ``commands`` say; the log tells the rest."""
    inbox = Inbox()
    thread = threading.Thread(target=work, args=(run, inbox))
    thread.start()
    wait(lambda: state(run) in ("paused", "finished", "failed"))
    for command in commands:
        inbox.put(command)
    inbox.put({"do": "stop"})
    thread.join(30)
    return all_of(run, "hit")


@given(
    st.builds(
        Breakpoint,
        st.sampled_from(NAMES[1:]),
        st.sampled_from("<>"),
        st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda v: float(f"{v:.12g}")),
    )
    | st.builds(Breakpoint, st.just("step"), st.just("="), st.integers(1, 10**9).map(float))
    | st.builds(
        Breakpoint, st.sampled_from(list(BY_LAYER)), st.just(">"), st.just(0.5), st.sampled_from(["a", "b_1.c"])
    )
)
def test_a_breakpoint_is_read_as_it_is_written(breakpoint):
    assert parse(str(breakpoint)) == breakpoint
    assert parse(str(breakpoint).replace(breakpoint.sign, f" {breakpoint.sign} ")) == breakpoint


@given(st.text(max_size=30))
def test_any_other_text_is_refused_in_words_and_never_breaks(text):
    with contextlib.suppress(Refused):  # anything else breaks the test
        assert str(parse(text)).startswith(tuple(NAMES))


MESSAGES = {
    "gap": "A breakpoint is a quantity, a sign and a number; this is 'gap'. "
    "Write for example gap>0.5, val_loss<0.1, grad_norm:linear_1>100 or step=500.",
    "gap>1e999": "A breakpoint is a quantity, a sign and a number; this is 'gap>1e999'. "
    "Write for example gap>0.5, val_loss<0.1, grad_norm:linear_1>100 or step=500.",
    "gaps>1": "There is no quantity 'gaps' to stop at. Did you mean 'gap'?",
    "gap:linear_1>1": "gap is a number of the whole network, not of the layer 'linear_1'. Write gap>1.",
    "gap=1": "A step is stopped at when it is reached, every other quantity when it comes above or below a value. "
    "Write for example gap>0.5, val_loss<0.1, grad_norm:linear_1>100 or step=500.",
    "step=1.5": "Steps are counted 1, 2, 3; 1.5 is none of them. "
    "Write for example gap>0.5, val_loss<0.1, grad_norm:linear_1>100 or step=500.",
}


@pytest.mark.parametrize("text", MESSAGES)
def test_what_is_no_breakpoint_is_told_with_its_cure(text):
    with pytest.raises(Refused) as refused:
        parse(text)
    assert str(refused.value) == MESSAGES[text]


def test_all_faults_are_told_at_once_and_doubles_count_once():
    with pytest.raises(Refused) as refused:
        parse_all(["gap", "nose>1", "gap>1"])
    assert [d.code for d in refused.value.diagnostics] == ["breakpoint/form", "breakpoint/quantity"]
    assert len(parse_all(["gap>1", "gap > 1.0"])) == 1
    with pytest.raises(Refused, match="A run can have 20 breakpoints, and these are 21"):
        parse_all([f"step={n}" for n in range(1, 22)])


def test_a_layer_that_is_not_there_is_told():
    (found,) = without_layer(parse_all(["grad_norm:nose>1", "grad_norm>1"]), ["linear_1"])
    assert found.text == (
        "The breakpoint grad_norm:nose>1 needs a layer with weights called 'nose', and this network has none. "
        "Name one of linear_1."
    )


@pytest.mark.parametrize("when", [None, "gap>1", [1], ["gap"], {}])
def test_a_command_with_bad_breakpoints_is_refused(when):
    assert check({"do": "break", "when": when}).code.partition("/")[0] in ("command", "breakpoint")
    assert check({"do": "break", "when": ["gap>1"]}) is None


def test_a_run_stops_at_the_exact_step_that_was_asked_for(lane, tmp_path):
    run = make(tmp_path, breakpoints=("step=412", "step=3"))
    hits = stopped(run)
    assert [(h.step, h.body["says"]) for h in hits] == [(3, "Stopped at step 3, as was asked for.")]
    assert all_of(run, "state")[-2].body["reason"] == "Stopped at step 3, as was asked for."
    other = make(tmp_path, breakpoints=("step=412",))
    assert [h.step for h in stopped(other)] == [412]
    assert other.checkpoint_step == 412


def test_a_batch_loss_stops_at_the_first_step_that_crosses_with_its_batch(lane, tmp_path):
    run = make(tmp_path, knobs=KNOBS)
    _, reference, orders = watched(run, 60, lane)
    bound = sum(sorted(loss for loss, _ in reference)[3:5]) / 2  # between two that were met
    first = next(k for k, (loss, _) in enumerate(reference) if loss < bound)
    (hit,) = stopped(make(tmp_path, knobs=KNOBS, breakpoints=(f"batch_loss<{bound!r}",)))
    assert hit.step == first + 1
    assert hit.body["value"] == pytest.approx(reference[first][0], rel=1e-6)
    assert hit.body["rows"] == orders[first]


@pytest.mark.parametrize("name", list(BY_LAYER))
@pytest.mark.parametrize("node", ["", "linear_2"])
def test_a_quantity_of_a_layer_stops_at_the_first_step_that_crosses(name, node, lane, tmp_path):
    run = make(tmp_path, knobs=KNOBS)
    layers, reference, orders = watched(run, 60, lane)
    places = [layers.index(node)] if node else range(len(layers))
    values = np.array([[layer[name][p] for p in places] for _, layer in reference])
    bound = float(np.sort(values.max(axis=1))[-5:-3].mean())  # between two that were met
    first = int(np.argmax(values.max(axis=1) > bound))
    text = f"{name}{':' if node else ''}{node}>{bound!r}"
    (hit,) = stopped(make(tmp_path, knobs=KNOBS, breakpoints=(text,)))
    assert hit.step == first + 1
    assert hit.body["value"] == pytest.approx(values[first].max(), rel=1e-4)
    assert hit.body["node"] in ({node} if node else set(layers))
    assert hit.body["rows"] == orders[first]


def test_a_validation_loss_stops_at_an_evaluation_and_says_so(tmp_path):
    run = make(tmp_path, breakpoints=("val_loss<0.5",))
    (hit,) = stopped(run)
    point = next(p for p in all_of(run, "point") if (p.body["val_loss"] or 1) < 0.5)
    assert point.step == hit.step
    assert hit.body["says"].startswith(f"Stopped at the evaluation after step {hit.step:,}: the validation loss is 0.")
    assert hit.body["says"].endswith(", below 0.5.")


def test_a_run_goes_on_after_a_stop_and_stops_again_only_after_coming_back(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.worker.WANTED", "eager")
    run = make(tmp_path, steps=400, breakpoints=("batch_loss<0.6",))
    _, reference, _ = watched(run, 300, "eager")
    losses = [loss for loss, _ in reference]
    crossed = [k + 1 for k in range(300) if losses[k] < 0.6 and (k == 0 or losses[k - 1] >= 0.6)]
    inbox = Inbox()
    thread = threading.Thread(target=work, args=(run, inbox))
    thread.start()
    for count in (1, 2, 3):
        wait(lambda count=count: len(all_of(run, "hit")) == count and state(run) == "paused")
        inbox.put({"do": "resume"})
    inbox.put({"do": "break", "when": []})
    thread.join(30)
    assert state(run) == "finished"
    assert [h.step for h in all_of(run, "hit")][:3] == crossed[:3]
    assert [b.body["when"] for b in all_of(run, "breakpoints")] == [["batch_loss<0.6"], []]


def test_breakpoints_change_nothing_in_a_run(lane, tmp_path):
    ends = []
    for when in ((), ("grad_norm>1e9", "batch_loss>1e9", "step=77777777")):
        run = make(tmp_path, steps=120, knobs=KNOBS, breakpoints=when)
        work(run, Inbox())
        ends.append(next(c.body["sha256"] for c in reversed(all_of(run, "checkpoint")) if c.body["which"] == "last"))
    assert ends[0] == ends[1]


def test_numbers_that_are_not_finite_stop_the_run_name_the_layer_and_offer_a_way_on(lane, tmp_path, monkeypatch):
    monkeypatch.setattr(Growth, "bound", math.inf)  # which would stop it before
    run = make(tmp_path, steps=400, optimizer="sgd", knobs={"lr": 10.0, "momentum": 0.0, "l2": 1.0})
    assert work(run, Inbox()) == "failed"
    (hit,), last = all_of(run, "hit"), all_of(run, "state")[-1]
    assert hit.body["says"] == last.body["reason"]
    assert f"step {hit.step + 1}" in last.body["reason"]
    assert last.body["node"] in ("linear_1", "linear_2", "relu_1", "dropout_1", "output_1")
    assert len(hit.body["rows"]) == 32
    labels = [c["label"] for c in last.body["cures"]]
    assert labels[0].endswith("with a tenth of the learning rate (1)")
    assert labels[1].endswith("with the gradient clipped to length 1")
    cure = last.body["cures"][0]
    other = fork(tmp_path, run, cure["step"], {"lr": 0.01, "l2": 0.0})
    work(other, Inbox())
    assert state(other) == "finished"


def test_a_healthy_moment_is_the_newest_before_the_loss_rose():
    losses = [(0, None), (10, 0.7), (20, 0.5), (30, 0.6), (40, 1.2), (50, 9.0), (60, math.inf)]
    moments = [Moment(step, loss=loss) for step, loss in losses]
    assert healthy(moments).step == 30
    assert healthy(moments[:1]).step == 0
    assert healthy([]) is None


@pytest.mark.parametrize(("after", "found"), [(1.9, 20), (4.9, 20), (5.1, 10), (math.inf, 10), (None, 20)])
def test_a_moment_that_leads_straight_to_where_it_broke_is_not_healthy(after, found):
    moments = [Moment(0, loss=None), Moment(10, loss=0.5, after=0.6), Moment(20, loss=0.6, after=after)]
    assert healthy(moments).step == found
    assert healthy([Moment(0, after=math.inf)]).step == 0


def test_clipping_is_no_cure_where_steps_do_not_depend_on_the_length_of_gradients():
    knobs, moments = {"lr": 0.1, "clip_norm": 0.0}, [Moment(0)]
    for adaptive, words in ((False, ["tenth", "clipped"]), (True, ["tenth"])):
        found = cures("numbers", moments, knobs, lambda _: knobs, adaptive)
        assert [any(w in c["label"] for c in found) for w in words] == [True] * len(found)


def test_copies_whose_loss_grows_past_all_bounds_end_while_it_is_still_finite(tmp_path, monkeypatch):
    losses: dict[Reporter, Iterator[float]] = defaultdict(lambda: iter([0.5, 0.7, 5e6]))
    real = Reporter._point
    monkeypatch.setattr(Reporter, "_point", lambda self, *more: real(self, *more) | {"batch_loss": next(losses[self])})
    run = make(tmp_path, copies=2)
    assert work(run, Inbox()) == "failed"
    last = all_of(run, "state")[-1].body
    assert "the loss has grown to 5e+06, from 0.5 at its lowest. It diverges. Lower the learning rate" in last["reason"]
    assert last["cures"][0]["knobs"] == {"lr": 0.001}
    assert len(all_of(run, "point")) == 3


@pytest.mark.parametrize("lr", [1.7, 10.0], ids=["slowly", "at once"])
@pytest.mark.parametrize("late", [0, 700], ids=["from the start", "after a turn"])
def test_a_loss_past_all_bounds_ends_the_run_at_that_very_step_in_its_layer(lr, late, lane, tmp_path):
    """Too large a learning rate of a linear regression: the loss grows by the same factor in each step."""
    graph = chain(Node("input_1", "Input"), Node("linear_1", "Linear", {"out_features": 1}), Node("output_1", "Output"))
    grows, stays = {"lr": lr, "momentum": 0.0}, {"lr": 0.001, "momentum": 0.0}
    config = TrainConfig(DataRef("plane"), steps=2000, optimizer="sgd", knobs=stays if late else grows)
    run = RunFolder.create(tmp_path, graph, config)
    inbox = Inbox()
    if late:
        inbox.put({"do": "break", "when": [f"step={late}"]})
        thread = threading.Thread(target=work, args=(run, inbox))
        thread.start()
        wait(lambda: state(run) == "paused")
        for command in ({"do": "set", "name": "lr", "value": lr}, {"do": "resume"}):
            inbox.put(command)
        thread.join(30)
    else:
        work(run, inbox)
    last = all_of(run, "state")[-1].body
    lowest = min(p.body["batch_loss"] for p in all_of(run, "point"))
    training = Training(graph, config, data.load(config.data, config.seed), watch=False, lane=lane)
    for _ in training.run():
        if training.step == late:
            training.set("lr", lr)
        if training.step >= late and training.report.newest > max(1e3, 1e6 * lowest):
            break
    assert all_of(run, "hit")[-1].step == training.step
    assert (
        f"Training stopped at step {training.step}: the loss has grown to {training.report.newest:.3g}, "
        in last["reason"]
    )
    assert "It diverges. It shows first in 'linear_1': its output has grown to " in last["reason"]
    assert last["node"] == "linear_1"
    assert all_of(run, "hit")[-1].body["rows"] == training.batches.given[0].tolist()
    shorter = RunFolder.create(tmp_path, graph, replace(config, steps=training.step))
    if not late:
        assert work(shorter, Inbox()) == "failed"
        assert all_of(shorter, "point")[-1].step == training.step  # what is told of the last step is not lost


def test_a_continued_run_has_the_breakpoints_set_last_and_does_not_stop_where_it_stood(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.worker.WANTED", "eager")
    run = make(tmp_path, steps=400, breakpoints=("val_loss<0", "step=2"))
    commands = [{"do": "break", "when": ["batch_loss<1000", "step=350"]}, {"do": "resume"}], [{"do": "stop"}]
    for count, told in ((1, commands[0]), (2, commands[1]), (3, commands[1])):
        if count != 2:
            inbox = Inbox()
            thread = threading.Thread(target=work, args=(run, inbox), kwargs={"resume": True})
            thread.start()
        wait(lambda count=count: len(all_of(run, "hit")) == count and state(run) == "paused")
        for command in told:
            inbox.put(command)
        if told is commands[1]:
            thread.join(30)
    assert [(h.step, h.body["when"]) for h in all_of(run, "hit")] == [
        (2, "step=2"),
        (3, "batch_loss<1000"),
        (350, "step=350"),
    ]


@pytest.mark.parametrize(
    ("loss", "lowest", "found"),
    [(2e3, 1e-4, True), (900.0, 1e-9, False), (1e5, 1.0, False), (1e7, 5.0, True), (float("inf"), 1.0, True)],
)
def test_a_loss_has_to_be_large_and_to_have_grown(loss, lowest, found):
    growth = Growth()
    for mean in (2 * lowest, lowest, 3 * lowest):
        growth.mean(mean)
    assert (loss > growth.bound) is found


def test_out_of_memory_offers_half_the_batch():
    then = {}.get
    found = cures("memory", [Moment(0), Moment(50)], {"batch_size": 64, "lr": 0.1, "clip_norm": 0.0}, then, False)
    assert found == [
        {"step": 50, "knobs": {"batch_size": 32}, "label": "Go back to step 50 with half the batch size (32)"}
    ]
    assert cures("memory", [Moment(0)], {"batch_size": 1, "lr": 0.1, "clip_norm": 0.0}, then, False) == []


@pytest.mark.parametrize(
    ("before", "labels"),
    [
        ({"lr": 1.0}, ["a tenth of the learning rate (0.1)"]),
        ({"lr": 0.5}, ["learning rate 0.5, as it was then", "a tenth of the learning rate (0.1)"]),
        ({"lr": 0.01}, ["learning rate 0.01, as it was then"]),
        ({"lr": 0.01, "l2": 0.0, "speed": 0.0}, ["learning rate 0.01, L2 penalty 0, as they were then"]),
    ],
)
def test_what_was_turned_since_can_be_undone_and_no_learning_rate_is_larger_than_then(before, labels):
    knobs = {"lr": 1.0, "clip_norm": 0.5, "batch_size": 8, "l2": 1.0, "speed": 50.0}
    moments = [Moment(0), Moment(50, loss=1.0)]
    found = cures("numbers", moments, knobs, lambda step: before if step == 50 else {}, False)
    assert [f["label"] for f in found] == [f"Go back to step 50 with {words}" for words in labels]
    assert all(f["step"] == 50 for f in found)
    assert found[0]["knobs"] == {k: v for k, v in before.items() if k != "speed"} or labels[0].startswith("a tenth")
