"""Starting, steering and queueing runs as the app does it, with real workers."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from builder.diagnostic import Diagnostic, Refused
from engine.config import DataRef, TrainConfig
from engine.executor import LocalExecutor, Status, default_slots
from engine.queue import Waiting, fair_order
from engine.store import RunFolder, alive, trash
from tests.engine.running import all_of, make, mlp, state, states, trained, wait


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    """Two slots. Tests end the runs they start."""
    executor = LocalExecutor(tmp_path_factory.mktemp("home"), slots=2)
    executor.prewarm()
    yield executor
    executor.close()


def begin(executor, **more):
    run = make(executor.home, **more)
    executor.start(run)
    return run


def ended(executor, *runs):
    for run in runs:
        executor.cancel(run.id)
        wait(lambda run=run: executor.status(run.id).state in ("stopped", "failed") and not alive(run))


def test_start_pause_step_resume_and_stop(executor):
    run = begin(executor)
    wait(lambda: trained(run))
    assert executor.status(run.id).state == "running"
    assert executor.send(run.id, {"do": "pause"}) is None
    wait(lambda: executor.status(run.id).state == "paused")
    held = run.step
    executor.send(run.id, {"do": "step"})
    wait(lambda: run.step == held + 1)
    executor.send(run.id, {"do": "resume"})
    wait(lambda: run.step > held + 1)
    assert executor.send(run.id, {"do": "stop"}) is None
    wait(lambda: executor.status(run.id).state == "stopped")
    assert states(run)[:2] == ["starting", "running"]


def test_every_turn_of_a_knob_is_in_effect_and_in_the_log(executor):
    run = begin(executor)
    wait(lambda: trained(run))
    for k in range(9):
        assert executor.send(run.id, {"do": "set", "name": "lr", "value": 0.01 + k / 1000}) is None
        wait(lambda k=k: len(all_of(run, "knob")) == k + 1)
    ended(executor, run)
    assert [e.body["new"] for e in all_of(run, "knob")] == [0.01 + k / 1000 for k in range(9)]


def test_a_run_that_a_breakpoint_stopped_gives_its_slot_away(executor, monkeypatch):
    monkeypatch.setattr("engine.going.SETTLED_SECONDS", 0.0)
    held = [begin(executor, breakpoints=("step=5",)) for _ in range(2)]
    for run in held:
        wait(lambda run=run: state(run) == "paused")
    other = begin(executor)
    wait(lambda: trained(other))
    executor.send(held[0].id, {"do": "resume"})
    wait(lambda: state(held[0]) == "running")
    ended(executor, *held, other)


NO_COMMANDS = [
    *(None, "stop", 7, [], {}),
    *({"do": None}, {"do": "explode"}, {"do": "set", "name": "lr"}),
    *({"do": "set", "name": 1, "value": 1}, {"do": "set", "name": "lr", "value": "1"}),
]


@pytest.mark.parametrize("command", NO_COMMANDS)
def test_what_is_no_command_is_refused_with_a_reason(executor, command):
    run = make(executor.home)
    assert executor.send(run.id, command).code.startswith("command/")


@pytest.mark.parametrize("run_id", ["", "../../../../tmp", "a" * 16, "..", "/etc", "a" * 15 + "/", None, 5])
def test_a_hostile_or_unknown_id_is_refused_by_every_door(executor, run_id):
    assert executor.continue_(run_id).code == "run/unknown"
    assert executor.send(run_id, {"do": "continue"}).code == "run/unknown"
    assert executor.send(run_id, {"do": "stop"}).code == "run/not-running"
    assert executor.cancel(run_id).code == "run/not-running"
    with pytest.raises(Refused):
        executor.status(run_id)


def test_runs_beyond_the_slots_wait_with_their_place_and_start_by_themselves(executor):
    first, second = begin(executor), begin(executor)
    third, fourth = begin(executor, steps=20), begin(executor, steps=20)
    assert [executor.status(r.id).queue for r in (first, second, third, fourth)] == [None, None, 1, 2]
    assert third.log.last("state").body["queue"] == 1
    assert executor.send(third.id, {"do": "pause"}).code == "run/queued"
    wait(lambda: trained(first) and trained(second))
    ended(executor, first)
    wait(lambda: state(third) == state(fourth) == "finished")
    assert states(third) == ["queued", "starting", "running", "finished"]
    assert states(fourth)[:3] == ["queued", "queued", "starting"]
    ended(executor, second)


def test_a_waiting_run_whose_folder_cannot_be_written_holds_nobody_up(executor, monkeypatch):
    going = [begin(executor, owner="a") for _ in range(executor.slots)]
    wait(lambda: all(trained(run) for run in going))
    broken, behind = begin(executor, owner="b"), begin(executor, owner="c")
    full = Refused(Diagnostic("run/disk-full", "The disk is full.", "Free some space."))

    def say(run, *args, **more):
        if run.id == broken.id:
            raise full
        return real(run, *args, **more)

    real = RunFolder.say
    monkeypatch.setattr(RunFolder, "say", say)
    ended(executor, going[0])
    ended(executor, *going[1:])
    wait(lambda: trained(behind))
    assert executor.status(broken.id) == Status("failed", reason=full.diagnostics[0].text)
    ended(executor, behind)


def test_a_waiting_run_can_be_stopped_and_those_behind_it_move_up(executor):
    going = [begin(executor), begin(executor)]
    waiting = [begin(executor, steps=5), begin(executor, steps=5)]
    assert executor.send(waiting[0].id, {"do": "stop"}) is None
    assert state(waiting[0]) == "stopped"
    assert executor.status(waiting[1].id).queue == 1
    ended(executor, *going)
    wait(lambda: state(waiting[1]) == "finished")
    assert not trained(waiting[0])


def test_a_paused_run_gives_its_slot_away_and_waits_to_get_one_back(executor):
    first, second = begin(executor), begin(executor)
    wait(lambda: trained(first) and trained(second))
    executor.send(first.id, {"do": "pause"})
    third = begin(executor)
    wait(lambda: trained(third))
    executor.send(first.id, {"do": "resume"})
    assert (executor.status(first.id).state, executor.status(first.id).queue) == ("queued", 1)
    executor.send(first.id, {"do": "set", "name": "lr", "value": 0.5})
    assert executor.status(first.id).queue == 1
    executor.send(second.id, {"do": "stop"})
    wait(lambda: executor.status(first.id).state == "running")
    ended(executor, first, third)


def test_pausing_a_run_that_waits_to_resume_takes_it_out_of_the_queue(executor):
    first, second = begin(executor), begin(executor)
    wait(lambda: trained(first) and trained(second))
    executor.send(first.id, {"do": "pause"})
    third = begin(executor)
    executor.send(first.id, {"do": "resume"})
    executor.send(first.id, {"do": "pause"})
    wait(lambda: executor.status(first.id).state == "paused")
    assert executor.status(first.id).queue is None
    ended(executor, second, first, third)


def test_continue_goes_on_in_the_same_log(executor):
    run = begin(executor)
    wait(lambda: trained(run))
    ended(executor, run)
    stopped = run.checkpoint_step
    assert executor.send(run.id, {"do": "continue"}) is None
    wait(lambda: len(all_of(run, "started")) == 2)
    assert all_of(run, "started")[1].body["resumed_from"] == stopped
    assert executor.continue_(run.id).code == "run/busy"
    wait(lambda: run.step > stopped)
    ended(executor, run)


def test_a_run_that_is_over_takes_no_commands_and_says_how_to_go_on(executor):
    run = begin(executor, steps=3)
    wait(lambda: executor.status(run.id).state == "finished")
    wait(lambda: not alive(run))
    problem = wait(lambda: executor.send(run.id, {"do": "pause"}))
    assert problem.code == "run/not-running"
    assert "Continue" in problem.cure


def test_a_binned_run_is_unknown(executor):
    run = begin(executor, steps=3)
    wait(lambda: executor.status(run.id).state == "finished" and not alive(run))
    trash(executor.home, run.id)
    with pytest.raises(Refused):
        executor.status(run.id)


def test_two_threads_of_the_app_may_start_and_stop_at_once(executor):
    made = []

    def one():
        run = begin(executor, steps=20)
        made.append(run)
        executor.send(run.id, {"do": "set", "name": "lr", "value": 0.1})

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait(lambda: all(state(r) == "finished" for r in made))
    assert len(made) == 8


def test_the_queue_is_fair_between_owners(tmp_path):
    def waiting(owner):
        return Waiting(RunFolder.create(tmp_path, mlp(), TrainConfig(DataRef("circle")), owner=owner), "start")

    arrived = [waiting(o) for o in ("ann", "ann", "ann", "bob", "cyd", "bob")]
    assert [w.owner for w in fair_order(arrived, [])] == ["ann", "bob", "cyd", "ann", "bob", "ann"]
    order = fair_order(arrived, ["ann", "ann", "bob"])
    assert order[0].owner == "cyd"
    assert order.index(arrived[3]) < order.index(arrived[0]) < order.index(arrived[1]) < order.index(arrived[2])


def test_the_slots_come_from_the_environment_or_the_cores(monkeypatch):
    monkeypatch.setenv("LAYERLOOM_SLOTS", "3")
    assert default_slots() == 3
    monkeypatch.delenv("LAYERLOOM_SLOTS")
    assert default_slots() % 8 == 0


def test_the_executor_does_not_import_torch():
    code = "import sys, engine.executor, engine.tail; assert not {'torch', 'streamlit'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
