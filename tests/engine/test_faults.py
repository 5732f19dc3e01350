"""What goes wrong in the world: killed workers, apps and runners, no memory, no disk. Nothing recorded is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import psutil
import pytest
import torch

from engine.aftermath import how_it_ended, what_remains
from engine.checkpoint import Checkpoint
from engine.control import Inbox
from engine.executor import LocalExecutor
from engine.store import RunFolder, alive, runs
from engine.worker import work
from tests.engine.running import all_of, make, mlp, state, states, trained, wait


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    executor = LocalExecutor(tmp_path_factory.mktemp("home"), slots=4)
    executor.prewarm()
    yield executor
    executor.close()


def begin(executor, **more):
    run = make(executor.home, **more)
    executor.start(run)
    wait(lambda: trained(run))
    return run


def pid_of(executor, run):
    return next(live.pid for live in executor._live.values() if live.run.id == run.id)


def saved(executor, run):
    """Makes the worker save, by a pause, and go on; gives the step."""
    executor.send(run.id, {"do": "pause"})
    wait(lambda: state(run) == "paused")
    step = run.checkpoint_step
    executor.send(run.id, {"do": "resume"})
    wait(lambda: run.step > step)
    return step


def test_a_killed_worker_fails_its_run_in_plain_words_loses_nothing_and_can_go_on(executor):
    run = begin(executor)
    checkpoint = saved(executor, run)
    before = all_of(run, "point")
    os.kill(pid_of(executor, run), signal.SIGKILL)
    wait(lambda: executor.status(run.id).state == "failed")
    status = executor.status(run.id)
    assert "killed (signal 9)" in status.reason
    assert f"The last checkpoint is from step {checkpoint}; press Continue" in status.reason
    after = all_of(run, "point")
    assert after[: len(before)] == before
    assert executor.continue_(run.id) is None
    wait(lambda: len(all_of(run, "started")) == 2)
    assert all_of(run, "started")[1].body["resumed_from"] == checkpoint
    assert all_of(run, "point")[: len(after)] == after
    executor.send(run.id, {"do": "stop"})
    wait(lambda: state(run) == "stopped")


def test_a_run_killed_and_continued_ends_with_the_weights_of_an_undisturbed_one(executor):
    whole = make(executor.home, steps=1500)
    work(whole, Inbox())
    run = begin(executor, steps=1500, knobs={"speed": 1000.0})  # or it could be over before it is killed
    executor.send(run.id, {"do": "pause"})
    wait(lambda: state(run) in ("paused", "finished"))
    executor.send(run.id, {"do": "resume"})
    os.kill(pid_of(executor, run), signal.SIGKILL)
    wait(lambda: state(run) in ("failed", "finished"))
    assert executor.continue_(run.id) is None
    wait(lambda: states(run)[-1] == "finished")
    one, two = (Checkpoint.load(r.path, "last") for r in (whole, run))
    assert one.step == two.step == 1500
    assert all(torch.equal(one.weights[k], two.weights[k]) for k in one.weights)


def test_of_two_runs_beside_each_other_one_dies_and_the_other_does_not_notice(executor):
    one, two = begin(executor), begin(executor)
    os.kill(pid_of(executor, one), signal.SIGSEGV)
    wait(lambda: state(one) == "failed")
    assert "crashed" in executor.status(one.id).reason
    step = two.step
    wait(lambda: two.step > step)
    assert executor.status(two.id).state == "running"
    executor.send(two.id, {"do": "stop"})
    wait(lambda: state(two) == "stopped")
    assert states(two) == ["starting", "running", "stopped"]


def test_a_run_that_needs_too_much_memory_ends_alone_and_says_so(executor, monkeypatch):
    other = begin(executor)
    monkeypatch.setenv("LAYERLOOM_MEMORY_MB", "64")
    small = LocalExecutor(executor.home, slots=4)  # its runner inherits the limit
    try:
        run = make(executor.home, graph=mlp(1_000_000))
        small.start(run)
        wait(lambda: state(run) == "failed")
        reason = small.status(run.id).reason
        assert "memory" in reason
        assert "Use a smaller" in reason
        assert not {"Allocator", "enforce", "RuntimeError"} & set(reason.replace(":", " ").split())
        fits = begin(small, steps=50)
        wait(lambda: state(fits) == "finished")
    finally:
        small.close()
    assert executor.status(other.id).state == "running"
    executor.send(other.id, {"do": "stop"})
    wait(lambda: state(other) == "stopped")


def test_a_training_that_diverges_names_the_layer_and_the_runner_lives_on(executor):
    run = begin(executor, optimizer="sgd")
    executor.send(run.id, {"do": "set", "name": "l2", "value": 1.0})
    executor.send(run.id, {"do": "set", "name": "lr", "value": 10.0})
    wait(lambda: executor.status(run.id).state == "failed")
    status = executor.status(run.id)
    assert status.node in run.graph.by_id
    assert status.node in status.reason
    again = begin(executor, steps=20)
    wait(lambda: state(again) == "finished")


def test_a_dead_runner_is_replaced_and_its_workers_live_on_and_are_still_steered(executor):
    run = begin(executor)
    runner = executor.runner_pid
    os.kill(runner, signal.SIGKILL)
    wait(lambda: not executor._link.alive)
    step = run.step
    wait(lambda: run.step > step)
    fresh = begin(executor)
    assert executor.runner_pid != runner
    for each in (run, fresh):
        executor.send(each.id, {"do": "stop"})
        wait(lambda each=each: state(each) == "stopped")
    wait(lambda: not [live for live in executor._live.values() if live.run.id in (run.id, fresh.id)])


def test_a_worker_that_dies_after_its_runner_is_noticed_too(executor):
    run = begin(executor)
    worker = pid_of(executor, run)
    os.kill(executor.runner_pid, signal.SIGKILL)
    wait(lambda: not executor._link.alive)
    os.kill(worker, signal.SIGKILL)
    wait(lambda: executor.status(run.id).state == "failed")
    assert "Continue" in executor.status(run.id).reason


def test_a_worker_that_hangs_does_not_hang_the_app_and_can_be_cancelled(executor, monkeypatch):
    monkeypatch.setattr("engine.executor.GRACE_SECONDS", 0.2)
    run = begin(executor)
    os.kill(pid_of(executor, run), signal.SIGSTOP)
    told = [executor.send(run.id, {"do": "set", "name": "lr", "value": 0.1})]
    while told[-1] is None and len(told) < 10_000:
        told.append(executor.send(run.id, {"do": "set", "name": "lr", "value": 0.1}))
    assert told[-1].code == "run/hangs"
    assert executor.cancel(run.id) is None
    wait(lambda: executor.status(run.id).state == "stopped")
    assert "did not answer" in executor.status(run.id).reason


APP = """
import sys, time
from pathlib import Path
from engine.executor import LocalExecutor
from engine.store import RunFolder
home = Path(sys.argv[1])
executor = LocalExecutor(home, slots=1)
for run_id in sys.argv[2:]:
    executor.start(RunFolder.open(home, run_id))
print("started", flush=True)
time.sleep(1000)
"""


def test_a_killed_app_leaves_runs_that_save_themselves_and_the_next_app_goes_on(tmp_path):
    going, waiting = make(tmp_path), make(tmp_path, steps=30)
    app = subprocess.Popen([sys.executable, "-c", APP, tmp_path, going.id, waiting.id], stdout=subprocess.PIPE)
    wait(lambda: trained(going))
    family = psutil.Process(app.pid).children(recursive=True)
    before = all_of(going, "point")
    app.kill()
    app.wait()
    app.stdout.close()
    _, living = psutil.wait_procs(family, timeout=20)
    assert living == []
    assert states(going)[-1] == "interrupted"
    assert going.checkpoint_step == going.step
    assert all_of(going, "point")[: len(before)] == before
    assert state(waiting) == "queued"

    executor = LocalExecutor(tmp_path, slots=2)
    try:
        assert {s.id: s.state for s in runs(tmp_path)} == {going.id: "interrupted", waiting.id: "interrupted"}
        assert states(waiting)[-1] == "interrupted"
        assert [executor.continue_(r.id) for r in (going, waiting)] == [None, None]
        wait(lambda: state(waiting) == "finished")
        wait(lambda: len(all_of(going, "started")) == 2)
    finally:
        executor.close()
    assert state(going) == "interrupted"


def test_closing_the_app_saves_what_runs_and_what_waits_and_leaves_no_process(tmp_path):
    executor = LocalExecutor(tmp_path, slots=1)
    going, waiting = begin(executor), make(tmp_path)
    executor.start(waiting)
    family = [psutil.Process(executor.runner_pid), psutil.Process(pid_of(executor, going))]
    executor.close()
    assert [state(r) for r in (going, waiting)] == ["interrupted", "interrupted"]
    assert going.checkpoint_step == going.step
    assert psutil.wait_procs(family, timeout=5)[1] == []


def test_closing_twice_or_after_the_runner_has_died_is_no_fault(tmp_path):
    executor = LocalExecutor(tmp_path, slots=1)
    os.kill(executor.runner_pid, signal.SIGKILL)
    executor.close()
    executor.close()
    again = LocalExecutor(tmp_path, slots=1)  # the home is free again
    assert again.home == tmp_path
    again.close()


def test_a_second_app_on_the_same_home_does_not_call_the_runs_of_the_first_interrupted(tmp_path):
    first = LocalExecutor(tmp_path, slots=1)
    going, waiting = begin(first), make(tmp_path)
    first.start(waiting)
    second = LocalExecutor(tmp_path, slots=1)
    assert state(waiting) == "queued"
    assert second.status(going.id).state == "running"
    assert second.continue_(going.id).code == "run/busy"
    assert alive(going)
    for each in (second, first):
        each.close()


def test_a_run_whose_folder_cannot_be_written_any_more_fails_in_words_and_alone(executor):
    run = begin(executor)
    other = begin(executor)
    log = run.log
    with contextlib.closing(log._db.cursor()) as cursor:
        cursor.execute("DROP TABLE record")  # as good as a disk that takes nothing, also for root
    wait(lambda: not alive(run))
    status = wait(lambda: executor._unwritten.get(run.id))
    assert status.state == "failed"
    assert "cannot be written" in status.reason
    assert executor.status(other.id).state == "running"
    executor.send(other.id, {"do": "stop"})
    wait(lambda: state(other) == "stopped")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9, "The worker was killed (signal 9), by somebody or because the machine's memory ran out."),
        (-11, "The worker crashed (Segmentation fault, signal 11); worker.log in the run folder may say more."),
        (3, "The disk is full or the run folder cannot be written, so the training ended."),
        (1, "The worker ended unexpectedly (code 1); worker.log in the run folder says more."),
        (None, "The process that trained this run is gone, together with the runner that started it."),
    ],
)
def test_how_a_worker_ended_is_said_in_plain_words(code, words):
    assert how_it_ended(code) == words


def test_a_run_without_checkpoint_says_that_continue_starts_again(tmp_path):
    assert what_remains(make(tmp_path)) == "There was no checkpoint yet; press Continue to start again."
    assert RunFolder(tmp_path).checkpoint_step is None
