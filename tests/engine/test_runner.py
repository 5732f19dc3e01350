"""The runner and its workers as processes: what they are, what they report, when they end."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

import psutil
import pytest

from engine.link import RunnerLink
from engine.runner import FORKS, spawn
from tests.engine.running import make, state, states, trained, wait


class Heard:
    """A link with everything it has said."""

    def __init__(self, home):
        self.messages, self.gone = [], threading.Event()
        self.link = RunnerLink(home, self.messages.append, self.gone.set)

    def start(self, key, run, resume=False):
        ours, theirs = socket.socketpair()
        with theirs:
            self.link.start(key, run.path, resume, theirs)
        return ours

    def said(self, key, what):
        return next((m[what] for m in list(self.messages) if m["key"] == key and what in m), None)


def files(pid: int) -> list[str]:
    """What the open file descriptors of a process stand for."""
    folder = f"/proc/{pid}/fd"
    return [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)]


@pytest.fixture
def runner(tmp_path):
    heard = Heard(tmp_path)
    yield heard
    heard.link.close()
    assert heard.gone.wait(10)


def test_a_worker_trains_in_its_own_process_and_its_exit_is_reported(runner, tmp_path):
    run = make(tmp_path)
    control = runner.start(1, run)
    wait(lambda: trained(run))
    worker = psutil.Process(wait(lambda: runner.said(1, "pid")))
    assert worker.pid != os.getpid()
    assert os.getsid(worker.pid) == worker.pid
    assert worker.nice() == 5
    assert worker.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert 0 < worker.rlimit(psutil.RLIMIT_DATA)[0] < 2**40
    control.close()
    assert wait(lambda: runner.said(1, "exit") is not None)
    assert runner.said(1, "exit") == 0
    assert state(run) == "interrupted"


@pytest.mark.skipif(not FORKS, reason="workers are not forked on this system")
def test_the_runner_has_one_thread_and_touches_no_accelerator_so_that_it_may_fork(runner, tmp_path):
    run = make(tmp_path, steps=1)
    runner.start(1, run)
    wait(lambda: runner.said(1, "exit") is not None)
    process = psutil.Process(runner.link.pid)
    assert process.num_threads() == 1
    assert not [
        f for f in os.listdir(f"/proc/{process.pid}/fd") if "nvidia" in os.readlink(f"/proc/{process.pid}/fd/{f}")
    ]


def test_a_kill_is_reported_with_its_signal_and_leaves_the_others_alone(runner, tmp_path):
    one, two = make(tmp_path), make(tmp_path)
    sockets = [runner.start(1, one), runner.start(2, two)]
    wait(lambda: trained(one) and trained(two))
    runner.link.kill(1)
    assert wait(lambda: runner.said(1, "exit")) == -signal.SIGKILL
    assert psutil.Process(runner.said(2, "pid")).is_running()
    before = two.step
    wait(lambda: two.step > before)
    for each in sockets:
        each.close()
    wait(lambda: runner.said(2, "exit") is not None)


def test_sigterm_is_like_stop(runner, tmp_path):
    run = make(tmp_path)
    control = runner.start(1, run)
    wait(lambda: trained(run))
    os.kill(runner.said(1, "pid"), signal.SIGTERM)
    wait(lambda: runner.said(1, "exit") is not None)
    assert states(run)[-1] == "stopped"
    assert run.checkpoint_step == run.step
    control.close()


def test_a_worker_keeps_no_file_of_the_runner_or_of_another_worker(runner, tmp_path):
    one, two = make(tmp_path), make(tmp_path)
    sockets = [runner.start(1, one), runner.start(2, two)]
    wait(lambda: trained(one) and trained(two))
    counts = [sum(n.startswith("socket") for n in files(runner.said(k, "pid"))) for k in (1, 2)]
    assert counts == [1, 1]
    for each in sockets:
        each.close()
    wait(lambda: runner.said(1, "exit") is not None and runner.said(2, "exit") is not None)


def test_a_warm_runner_gives_the_first_event_in_a_fraction_of_a_second(runner, tmp_path):
    runner.start(0, make(tmp_path, steps=1))
    wait(lambda: runner.said(0, "exit") is not None)
    waits = []
    for key in range(1, 6):
        run = make(tmp_path)
        began = time.perf_counter()
        control = runner.start(key, run)
        wait(lambda run=run: trained(run))
        waits.append(time.perf_counter() - began)
        control.close()
        wait(lambda key=key: runner.said(key, "exit") is not None)
    assert sorted(waits)[2] < 0.5  # 0.04 on a quiet machine


def test_commands_reach_a_worker_as_lines_and_rubbish_is_passed_over(runner, tmp_path):
    run = make(tmp_path)
    control = runner.start(1, run)
    wait(lambda: trained(run))
    control.sendall(b'not json\n[]\n{"do": "explode"}\n{"do": "set", "name": "lr"}\n' + b"x" * 10_000 + b"\n")
    control.sendall(b'{"do": "set", "name": "lr", "value": 0.5}\n{"do": "stop"}\n')
    wait(lambda: state(run) == "stopped")
    assert run.log.last("knob").body["new"] == 0.5
    control.close()


def test_where_forking_is_not_possible_a_worker_is_a_new_python_that_does_the_same(tmp_path):
    run = make(tmp_path)
    ours, theirs = socket.socketpair()
    with theirs:
        pid = spawn({"path": str(run.path), "resume": False}, theirs.fileno())
    wait(lambda: trained(run))
    assert os.getsid(pid) == pid
    ours.close()
    assert os.waitpid(pid, 0)[1] == 0
    assert state(run) == "interrupted"
    assert run.checkpoint_step == run.step


def test_a_runner_that_cannot_start_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.link.ROOT", tmp_path)  # no engine there
    heard = Heard(tmp_path)
    assert heard.gone.wait(30)
    assert not heard.link.alive
    assert "engine" in (tmp_path / "runner.log").read_text()
