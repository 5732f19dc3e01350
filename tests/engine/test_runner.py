"""The runner and its workers as processes: what they are, what they report, when they end."""

from __future__ import annotations

import os
import signal
import socket
import threading

import psutil
import pytest

from engine.link import RunnerLink
from engine.runner import FORKS, spawn
from tests.engine.running import make, state, states, trained, wait


class Heard:
    """A link with everything it has said."""

    def __init__(self, home):
        self.messages, self.gone, self.jobs = [], threading.Event(), 0
        self.link = RunnerLink(home, self.messages.append, self.gone.set)

    def start(self, run):
        self.jobs += 1
        return Job(self, self.jobs, run)


class Job:
    """A worker that has been asked for."""

    def __init__(self, heard, key, run):
        self.heard, self.key, self.run = heard, key, run
        self.control, theirs = socket.socketpair()
        with theirs:
            heard.link.start(key, run.path, False, theirs)

    def _said(self, what):
        return [m[what] for m in list(self.heard.messages) if m["key"] == self.key and what in m]

    @property
    def pid(self):
        return wait(lambda: self._said("pid"))[0]

    @property
    def code(self):
        """The exit code, once there is one."""
        return wait(lambda: self._said("exit"))[0]

    def end(self):
        self.control.close()
        return self.code


def files(pid: int) -> list[str]:
    """What the open file descriptors of a process stand for."""
    folder = f"/proc/{pid}/fd"
    return [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)]


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    heard = Heard(tmp_path_factory.mktemp("home"))
    yield heard
    heard.link.close()
    assert heard.gone.wait(10)


def test_a_worker_trains_in_its_own_process_and_its_exit_is_reported(runner, tmp_path):
    run = make(tmp_path)
    job = runner.start(run)
    wait(lambda: trained(run))
    worker = psutil.Process(job.pid)
    assert worker.pid != os.getpid()
    assert os.getsid(worker.pid) == worker.pid
    assert worker.nice() == min(19, os.nice(0) + 5)
    assert worker.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert 0 < worker.rlimit(psutil.RLIMIT_DATA)[0] < 2**40
    assert job.end() == 0
    assert state(run) == "interrupted"


@pytest.mark.skipif(not FORKS, reason="workers are not forked on this system")
def test_the_runner_has_one_thread_and_touches_no_accelerator_so_that_it_may_fork(runner, tmp_path):
    assert runner.start(make(tmp_path, steps=1)).code == 0
    assert psutil.Process(runner.link.pid).num_threads() == 1
    assert not [name for name in files(runner.link.pid) if "nvidia" in name]


def test_a_kill_is_reported_with_its_signal_and_leaves_the_others_alone(runner, tmp_path):
    one, two = (runner.start(make(tmp_path)) for _ in range(2))
    wait(lambda: trained(one.run) and trained(two.run))
    runner.link.kill(one.key)
    assert one.code == -signal.SIGKILL
    before = two.run.step
    wait(lambda: two.run.step > before)
    assert two.end() == 0


def test_sigterm_is_like_stop(runner, tmp_path):
    job = runner.start(make(tmp_path))
    wait(lambda: trained(job.run))
    os.kill(job.pid, signal.SIGTERM)
    assert job.code == 0
    assert states(job.run)[-1] == "stopped"
    assert job.run.checkpoint_step == job.run.step


def test_a_worker_keeps_no_socket_of_the_runner_or_of_another_worker(runner, tmp_path):
    jobs = [runner.start(make(tmp_path)) for _ in range(2)]
    wait(lambda: all(trained(job.run) for job in jobs))
    assert [sum(name.startswith("socket") for name in files(job.pid)) for job in jobs] == [1, 1]
    assert [job.end() for job in jobs] == [0, 0]


def test_one_runner_starts_run_after_run(runner, tmp_path):
    assert runner.start(make(tmp_path, steps=1)).code == 0
    for _ in range(5):
        job = runner.start(make(tmp_path))
        wait(lambda job=job: trained(job.run))
        assert job.end() == 0


def test_commands_reach_a_worker_as_lines_and_rubbish_is_passed_over(runner, tmp_path):
    job = runner.start(make(tmp_path))
    wait(lambda: trained(job.run))
    job.control.sendall(b'not json\n[]\n{"do": "explode"}\n{"do": "set", "name": "lr"}\n' + b"x" * 10_000 + b"\n")
    job.control.sendall(b'{"do": "set", "name": "lr", "value": 0.5}\n{"do": "stop"}\n')
    assert job.code == 0
    assert state(job.run) == "stopped"
    assert job.run.log.last("knob").body["new"] == 0.5


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
