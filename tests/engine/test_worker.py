"""One run from its first event to its last, in this process: obeying, saving, ending with the truth."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from itertools import pairwise

import pytest
import torch

from builder.graph import Graph, Node
from engine import data, worker
from engine.checkpoint import Checkpoint
from engine.control import Inbox
from engine.events import Event
from engine.loop import Training
from engine.worker import work
from tests.engine.running import all_of, chain, make, state, states, trained, wait


@contextmanager
def working(run, **more):
    """``work`` in a thread; ends with a stop if the test has not ended it."""
    inbox = Inbox()
    thread = threading.Thread(target=work, args=(run, inbox), kwargs=more)
    thread.start()
    try:
        wait(lambda: trained(run) or not thread.is_alive())
        yield inbox
    finally:
        inbox.put({"do": "stop"})
        thread.join(30)
        assert not thread.is_alive()


def step_of(run) -> int:
    return max(r.step for r in run.log.after(0, 1_000_000))


def test_a_run_starts_trains_and_finishes_with_checkpoints_before_it_says_so(tmp_path):
    run = make(tmp_path, steps=300)
    assert work(run, Inbox()) == "finished"
    records = run.log.after(0, 10_000)
    assert [r.kind for r in records[:3]] == ["started", "state", "point"]
    assert records[2].step == 1
    assert [r.kind for r in records if r.kind != "kept"][-3:] == ["checkpoint", "checkpoint", "state"]
    assert states(run) == ["running", "finished"]
    assert all_of(run, "point")[-1].step == run.checkpoint_step == records[-1].step == 300
    assert (run.path / "best.safetensors").exists()


def test_the_same_run_gives_the_same_weights(tmp_path):
    weights = []
    for _ in range(2):
        run = make(tmp_path, steps=200)
        work(run, Inbox())
        weights.append(Checkpoint.load(run.path, "last").weights)
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])


def test_pause_holds_step_does_one_batch_and_resume_goes_on(tmp_path):
    run = make(tmp_path)
    with working(run) as inbox:
        inbox.put({"do": "pause"})
        wait(lambda: state(run) == "paused")
        held = step_of(run)
        assert run.checkpoint_step == held
        time.sleep(0.1)
        assert step_of(run) == held
        for k in (1, 2, 3):
            inbox.put({"do": "step"})
            wait(lambda k=k: step_of(run) == held + k)
        time.sleep(0.05)
        assert step_of(run) == held + 3
        assert state(run) == "paused"
        inbox.put({"do": "resume"})
        wait(lambda: step_of(run) > held + 3)
        assert state(run) == "running"


def test_a_paused_run_uses_no_processor(tmp_path):
    run = make(tmp_path)
    with working(run) as inbox:
        inbox.put({"do": "pause"})
        wait(lambda: state(run) == "paused")
        time.sleep(0.05)
        began = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - began < 0.1


def test_step_on_a_running_training_pauses_it_after_one_batch(tmp_path):
    run = make(tmp_path)
    with working(run) as inbox:
        inbox.put({"do": "step"})
        wait(lambda: state(run) == "paused")


def test_stop_ends_with_a_checkpoint_of_that_very_step(tmp_path):
    run = make(tmp_path)
    with working(run):
        pass
    assert state(run) == "stopped"
    assert run.checkpoint_step == all_of(run, "state")[-1].step


def test_stop_ends_a_paused_run_too(tmp_path):
    run = make(tmp_path)
    with working(run) as inbox:
        inbox.put({"do": "pause"})
        wait(lambda: state(run) == "paused")
    assert states(run)[-2:] == ["paused", "stopped"]


def test_a_knob_is_turned_between_two_batches_and_recorded_with_its_old_value(tmp_path):
    run = make(tmp_path)
    with working(run) as inbox:
        inbox.put({"do": "set", "name": "lr", "value": 0.5})
        wait(lambda: run.log.last("knob"))
        wait(lambda: all_of(run, "point")[-1].body["lr"] == 0.5)
    assert run.log.last("knob").body == {"name": "lr", "old": 0.01, "new": 0.5}


def test_a_knob_out_of_range_becomes_a_diagnostic_and_changes_nothing(tmp_path):
    run = make(tmp_path)
    with working(run) as inbox:
        inbox.put({"do": "set", "name": "lr", "value": 1e9})
        wait(lambda: run.log.last("diagnostic"))
        inbox.put({"do": "set", "name": "nonsense", "value": 1})
        wait(lambda: len(all_of(run, "diagnostic")) == 2)
    assert [r.body["code"] for r in all_of(run, "diagnostic")] == ["param/range", "knob/unknown"]
    assert run.log.last("knob") is None
    assert state(run) == "stopped"


def test_a_knob_can_be_turned_while_paused_and_is_in_the_checkpoint_of_the_end(tmp_path):
    run = make(tmp_path)
    with working(run) as inbox:
        inbox.put({"do": "pause"})
        inbox.put({"do": "set", "name": "l2", "value": 0.01})
        wait(lambda: run.log.last("knob"))
        inbox.put({"do": "step"})
        wait(lambda: states(run).count("paused") == 2)
    assert json.loads((run.path / "last.json").read_text())["knobs"]["l2"] == 0.01


def test_when_the_app_is_gone_the_run_saves_itself_and_says_interrupted(tmp_path):
    run = make(tmp_path)
    with working(run) as inbox:
        inbox.put({"do": "gone"})
        wait(lambda: state(run) == "interrupted")
    assert run.checkpoint_step == all_of(run, "state")[-1].step


def test_the_time_limit_stops_and_pauses_do_not_count(tmp_path):
    run = make(tmp_path, max_seconds=1)
    with working(run) as inbox:
        inbox.put({"do": "pause"})
        wait(lambda: state(run) == "paused")
        time.sleep(1.2)
        inbox.put({"do": "resume"})
        wait(lambda: states(run)[-1] == "running")
        assert wait(lambda: state(run) == "stopped", 10)
    assert run.log.last("state").body["reason"] == "The time limit of 1 s was reached."


def test_facts_are_written_many_times_a_second_and_in_few_transactions(tmp_path):
    run = make(tmp_path)
    with working(run):
        time.sleep(1.5)
    times = [r.time for r in all_of(run, "point")]
    gaps = sorted(b - a for a, b in pairwise(times))
    assert gaps[len(gaps) // 2] < 0.2  # 0.08 on a quiet machine
    written = sorted({r.time for r in run.log.after(0, 1_000_000)})
    assert len(written) < 3 + (written[-1] - written[0]) / worker.FLUSH_SECONDS


def test_checkpoints_come_by_the_clock(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "CHECKPOINT_SECONDS", 0.2)
    monkeypatch.setattr(worker, "CHECKPOINT_SHARE", 1.0)
    run = make(tmp_path)
    with working(run):
        wait(lambda: len([r for r in all_of(run, "checkpoint") if r.body["which"] == "last"]) >= 3)
        saved = run.checkpoint_step
        wait(lambda: run.checkpoint_step > saved)


def test_continuing_gives_bit_for_bit_the_uninterrupted_run(tmp_path):
    whole, parts = make(tmp_path, steps=400), make(tmp_path, steps=400)
    work(whole, Inbox())
    inbox = Inbox()
    inbox.put({"do": "stop"})
    assert work(parts, inbox) == "stopped"
    assert parts.checkpoint_step == 1
    assert work(parts, Inbox(), resume=True) == "finished"
    assert all_of(parts, "started")[1].body["resumed_from"] == 1
    one, two = (Checkpoint.load(r.path, "last").weights for r in (whole, parts))
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_a_finished_run_is_continued_for_as_many_steps_again(tmp_path):
    run = make(tmp_path, steps=50)
    assert [work(run, Inbox(), resume=resume) for resume in (False, True, True)] == ["finished"] * 3
    assert [r.body["resumed_from"] for r in all_of(run, "started")] == [None, 50, 100]
    assert run.checkpoint_step == 150


def test_a_diverging_run_names_the_layer_and_keeps_the_last_good_checkpoint(tmp_path):
    run = make(tmp_path, optimizer="sgd", knobs={"lr": 0.01})
    with working(run) as inbox:
        inbox.put({"do": "pause"})
        wait(lambda: state(run) == "paused")
        inbox.put({"do": "set", "name": "lr", "value": 10.0})
        inbox.put({"do": "set", "name": "l2", "value": 1.0})
        inbox.put({"do": "resume"})
        wait(lambda: state(run) == "failed")
    body = run.log.last("state").body
    assert body["node"] in run.graph.by_id
    assert body["node"] in body["reason"]
    assert "learning rate" in body["reason"].lower()
    saved = Checkpoint.load(run.path, "last")
    assert all(bool(t.isfinite().all()) for t in saved.weights.values())


def test_a_network_that_does_not_fit_is_told_without_a_traceback(tmp_path):
    run = make(tmp_path, graph=chain(Node("input_1", "Input")))
    assert work(run, Inbox()) == "failed"
    reason = run.log.last("state").body["reason"]
    assert reason
    assert not {"Traceback", "Error", "torch"} & set(reason.replace(":", " ").split())


def test_a_mistake_of_ours_is_told_in_plain_words_and_its_traceback_goes_to_worker_log(tmp_path, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(worker.data, "load", broken)
    run = make(tmp_path)
    assert work(run, Inbox()) == "failed"
    assert "Layerloom made a mistake" in run.log.last("state").body["reason"]
    assert "ZeroDivisionError" not in run.log.last("state").body["reason"]
    assert "ZeroDivisionError" in (run.path / "worker.log").read_text()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_no_memory_while_building_is_told_as_such(tmp_path, monkeypatch, error):
    def hungry(*_):
        raise error

    monkeypatch.setattr(worker.data, "load", hungry)
    run = make(tmp_path)
    assert work(run, Inbox()) == "failed"
    assert "memory" in run.log.last("state").body["reason"]
    assert "Allocator" not in run.log.last("state").body["reason"]


def test_an_empty_network_fails_and_does_not_hang(tmp_path):
    run = make(tmp_path, graph=Graph((Node("input_1", "Input"), Node("output_1", "Output"))))
    assert work(run, Inbox()) == "failed"


def lost_after_a_turn(home, lane):
    """A run of 60 steps whose worker was lost: its checkpoint is from step 20, a knob was turned at step 35."""
    run = make(home, steps=60)
    training = Training(run.graph, run.config, data.load(run.config.data, run.config.seed), lane=lane)
    training.stride.seconds = 0.0
    for _ in training.run():
        if training.step == 20:
            training.checkpoint().save(run.path, "last")
            run.log.append([Event("checkpoint", 20, {"which": "last", "val_loss": None})])
        if training.step == 35:
            run.log.append([training.set("l2", 0.3)])
    return run, training.checkpoint()


def test_what_was_turned_after_the_checkpoint_is_turned_again_at_the_same_step(tmp_path):
    run, whole = lost_after_a_turn(tmp_path, "auto")
    assert work(run, Inbox(), resume=True) == "finished"
    after = Checkpoint.load(run.path, "last")
    assert all_of(run, "started")[-1].body["resumed_from"] == 20
    assert [(r.step, r.body["new"]) for r in all_of(run, "knob")] == [(35, 0.3), (35, 0.3)]
    assert after.meta["knobs"]["l2"] == 0.3
    assert all(torch.equal(after.weights[k], whole.weights[k]) for k in whole.weights)


def test_a_new_turn_of_a_knob_takes_the_place_of_what_was_turned_before_the_loss(tmp_path):
    run, _ = lost_after_a_turn(tmp_path, "auto")
    inbox = Inbox()
    inbox.put({"do": "set", "name": "l2", "value": 0.1})
    assert work(run, inbox, resume=True) == "finished"
    assert Checkpoint.load(run.path, "last").meta["knobs"]["l2"] == 0.1
