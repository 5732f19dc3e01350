"""Previews from the app's side: of each session the newest edit, and whatever becomes of the process is told."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import probing
from engine.config import DataRef, TrainConfig
from engine.executor import LocalExecutor
from engine.probing import Answer, Prober
from tests.engine.running import mlp, wait

CONFIG = TrainConfig(DataRef("circle", {"size": 200}))
FOUND = {"nodes": {"linear_1": {"c": 0.5}}, "layers": ["linear_1"], "norms": [0.1], "loss": 0.7, "input_square": 1.0}
FOUND["looks"] = {"attention_1": {"most": 0.5}}


class Fake:
    """A probe process that is a thread: answers with ``reply(request)``, or hangs up on None."""

    def __init__(self, reply: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
        self.reply, self.requests, self.started, self.killed = reply, [], 0, 0
        self.go = threading.Event()
        self.go.set()

    def start(self, control: socket.socket) -> Callable[[], None]:
        self.started += 1
        threading.Thread(target=self.serve, args=(socket.socket(fileno=os.dup(control.fileno())),), daemon=True).start()
        return self.kill

    def kill(self) -> None:
        self.killed += 1

    def serve(self, control: socket.socket) -> None:
        with control, contextlib.suppress(OSError):
            for line in control.makefile("rb"):
                self.requests.append(json.loads(line))
                self.go.wait(20)
                found = self.reply(self.requests[-1])
                if found is None:
                    return
                control.sendall(json.dumps(found).encode() + b"\n")


@pytest.fixture
def fake() -> Fake:
    return Fake(lambda _request: FOUND)


@pytest.fixture
def prober(fake: Fake) -> Iterator[Prober]:
    made = Prober(fake.start, spacing=0.0)
    yield made
    fake.go.set()
    made.close()


def got(prober: Prober, feed: str, ticket: int) -> Answer:
    def answer() -> Answer | None:
        found = prober.answer(feed)
        return found if found and found.ticket >= ticket else None

    return wait(answer)  # type: ignore[no-any-return]


def steps(n: int) -> TrainConfig:
    """Configs that can be told apart."""
    return TrainConfig(CONFIG.data, steps=n)


def test_an_ask_is_answered_under_its_number(prober: Prober, fake: Fake) -> None:
    ticket = prober.ask("mine", mlp(), CONFIG)
    answer = got(prober, "mine", ticket)
    assert answer == Answer(ticket, None, FOUND["nodes"], ("linear_1",), (0.1,), 0.7, 1.0, FOUND["looks"])
    assert (fake.requests[0]["config"]["data"]["name"], fake.requests[0]["csv"]) == ("circle", None)
    assert prober.answer("somebody else's") is None


def test_of_many_edits_the_newest_wins(prober: Prober, fake: Fake) -> None:
    fake.go.clear()
    prober.ask("mine", mlp(), steps(1))
    wait(lambda: fake.requests)  # it is busy now
    tickets = [prober.ask("mine", mlp(), steps(n)) for n in range(2, 9)]
    fake.go.set()
    got(prober, "mine", tickets[-1])
    assert [r["config"]["steps"] for r in fake.requests] == [1, 8]


def test_sessions_take_turns(prober: Prober, fake: Fake) -> None:
    fake.go.clear()
    prober.ask("eager", mlp(), steps(1))
    wait(lambda: fake.requests)
    prober.ask("eager", mlp(), steps(2))
    last = prober.ask("patient", mlp(), steps(3))
    newest = prober.ask("eager", mlp(), steps(4))
    fake.go.set()
    got(prober, "patient", last)
    got(prober, "eager", newest)
    assert [r["config"]["steps"] for r in fake.requests] == [1, 4, 3]


def test_one_process_serves_all(prober: Prober, fake: Fake) -> None:
    for feed in ("a", "b", "a"):
        got(prober, feed, prober.ask(feed, mlp(), CONFIG))
    assert fake.started == 1


def test_a_burst_of_edits_is_spaced_out() -> None:
    fake = Fake(lambda _request: FOUND)
    prober = Prober(fake.start, spacing=0.2)
    for n in range(1, 30):
        last = prober.ask("mine", mlp(), steps(n))
        time.sleep(0.005)
    got(prober, "mine", last)
    prober.close()
    assert len(fake.requests) < 10
    assert fake.requests[-1]["config"]["steps"] == 29


def test_a_process_that_dies_is_told_and_the_next_ask_gets_a_new_one(prober: Prober, fake: Fake) -> None:
    fake.reply = lambda _request: None
    answer = got(prober, "mine", prober.ask("mine", mlp(), CONFIG))
    assert answer.problem == probing.DIED
    fake.reply = lambda _request: FOUND
    assert got(prober, "mine", prober.ask("mine", mlp(), CONFIG)).problem is None
    assert fake.started == 2


def test_one_that_takes_too_long_is_killed(prober: Prober, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "PATIENCE", 0.05)
    monkeypatch.setattr(probing, "STARTING", 0.05)
    fake.go.clear()
    answer = got(prober, "mine", prober.ask("mine", mlp(), CONFIG))
    assert answer.problem == probing.SLOW
    assert fake.killed == 1


def test_what_is_forgotten_is_known_no_more(prober: Prober) -> None:
    got(prober, "mine", prober.ask("mine", mlp(), CONFIG))
    assert prober.knows("mine")
    prober.forget("mine")
    assert not prober.knows("mine")
    assert prober.answer("mine") is None


def test_only_so_many_answers_are_kept(prober: Prober) -> None:
    feeds = [f"feed {i}" for i in range(probing.MAX_ANSWERS + 3)]
    for feed in feeds:
        got(prober, feed, prober.ask(feed, mlp(), CONFIG))
    assert [prober.answer(f) is None for f in feeds[:4]] == [True, True, True, False]


def test_an_uploaded_table_is_read_where_it_lies(prober: Prober, fake: Fake, tmp_path: Path) -> None:
    got(prober, "mine", prober.ask("mine", mlp(), CONFIG, tmp_path))
    assert fake.requests[0]["csv"] == str(tmp_path)


def test_an_idle_process_is_let_go_and_comes_back(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> None:
    monkeypatch.setattr(probing, "IDLE", 0.05)
    prober = Prober(fake.start, spacing=0.0)
    got(prober, "mine", prober.ask("mine", mlp(), CONFIG))
    wait(lambda: fake.killed == 1)
    assert got(prober, "mine", prober.ask("mine", mlp(), CONFIG)).problem is None
    assert fake.started == 2
    prober.close()


# ---- the real process


def test_a_real_process_previews_survives_bad_news_and_is_replaced_when_killed(tmp_path: Path) -> None:
    executor, pids = LocalExecutor(tmp_path / "home"), []

    def start(control: socket.socket) -> Callable[[], None]:
        stop = executor.start_probe(control)
        pids.append(control)
        return stop

    prober = Prober(start, spacing=0.0)
    try:
        good = got(prober, "mine", prober.ask("mine", mlp(), CONFIG))
        assert good.problem is None
        assert good.layers == ("linear_1", "linear_2")
        assert set(good.nodes) == {n.id for n in mlp().nodes}
        bad = got(prober, "mine", prober.ask("mine", mlp(), TrainConfig(DataRef("digits"))))
        assert bad.problem is not None
        assert bad.problem.code == "data/wrong-input"
        (tmp_path / "data.csv").write_bytes(b"x,y\n" + b"".join(b"%d,%d\n" % (i, 2 * i) for i in range(60)))
        config = TrainConfig(DataRef("csv", {"target": "y"}))
        said = got(prober, "mine", prober.ask("mine", mlp(), config, tmp_path))
        assert said.problem is not None
        assert said.problem.code == "data/wrong-input", said.problem
        assert len(pids) == 1
        for pid in children(executor.runner_pid):
            os.kill(pid, signal.SIGKILL)
        assert got(prober, "mine", prober.ask("mine", mlp(), CONFIG)).problem == probing.DIED
        again = got(prober, "mine", prober.ask("mine", mlp(), CONFIG))
        assert again.norms == good.norms
    finally:
        prober.close()
        executor.close()


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(p) for p in found.read_text().split()]


def test_where_forking_is_not_possible_the_process_is_a_new_python() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        from engine.runner import spawn

        pid = spawn({"do": "probe", "key": 1}, theirs.fileno())
        theirs.close()
        ours.settimeout(60)
        ours.sendall(json.dumps({"graph": {}, "config": CONFIG.to_json(), "csv": None}).encode() + b"\n")
        said = json.loads(ours.makefile("rb").readline())
    os.waitpid(pid, 0)
    assert said["problem"]["code"].startswith("document/")


def test_the_app_asks_without_torch() -> None:
    script = "import sys, engine.probing, engine.verdict, engine.pictures; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
