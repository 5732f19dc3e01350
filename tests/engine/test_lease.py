"""One tab leads; another one cannot write until it takes over; a tab that has gone does not block the next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.lease import HEARTBEAT, SILENCE, Lease, Tab


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(tmp_path: Path, clock: Clock) -> Callable[..., Lease]:
    def lease(session: str, alive: bool = True) -> Lease:
        return Lease(tmp_path, Tab(session, who=session), lambda _session: alive, clock)

    return lease


def test_the_first_tab_leads_and_the_second_sees_who_and_since_when(make: Callable[..., Lease], clock: Clock) -> None:
    first, second = make("first"), make("second")
    assert first.leads(first.claim())
    clock.at += 60
    holder = second.claim()
    assert not second.leads(holder)
    assert (holder.tab.who, holder.since) == ("first", 1000.0)


def test_taking_over_is_one_act_and_the_first_sees_it_and_can_take_back(make: Callable[..., Lease]) -> None:
    first, second = make("first"), make("second")
    first.claim()
    assert second.leads(second.take())
    assert not first.leads(first.claim())
    assert first.leads(first.take())
    assert not second.leads(second.claim())


def test_taking_what_one_has_changes_nothing(make: Callable[..., Lease], clock: Clock) -> None:
    first = make("first")
    before = first.claim()
    clock.at += 1
    assert first.take() == before


def test_a_tab_that_has_gone_does_not_block_the_next(make: Callable[..., Lease]) -> None:
    make("first").claim()
    second = make("second", alive=False)  # as the server says of the first
    assert second.leads(second.claim())


def test_a_lead_that_was_given_away_is_free(make: Callable[..., Lease]) -> None:
    first, second = make("first"), make("second")
    first.claim()
    second.release()  # not its own: nothing happens
    assert first.leads(first.claim())
    first.release()
    assert second.leads(second.claim())


def test_a_sign_of_life_is_written_now_and_then(make: Callable[..., Lease], clock: Clock) -> None:
    first = make("first")
    first.claim()
    clock.at += HEARTBEAT / 2
    assert first.claim().seen == 1000.0
    clock.at += HEARTBEAT
    assert first.claim().seen == clock.at
    assert first.claim().since == 1000.0


def of_process(lease: Lease, pid: int) -> None:
    """Makes the holder on disk one of another process."""
    body = json.loads(lease.path.read_text())
    lease.path.write_text(json.dumps({**body, "pid": pid, "process": "another"}))


def test_a_tab_of_another_process_leads_until_it_falls_silent(make: Callable[..., Lease], clock: Clock) -> None:
    first, second = make("first"), make("second", alive=False)  # this server does not know the other's tabs
    first.claim()
    of_process(first, os.getppid())
    clock.at += SILENCE - 1
    assert not second.leads(second.claim())
    clock.at += 2
    assert second.leads(second.claim())


def test_a_process_that_ended_leads_no_more(make: Callable[..., Lease]) -> None:
    first, second = make("first"), make("second")
    first.claim()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    of_process(first, ended.pid)
    assert second.leads(second.claim())


def test_an_earlier_process_with_our_number_leads_no_more(make: Callable[..., Lease]) -> None:
    first, second = make("first"), make("second")
    first.claim()
    of_process(first, os.getpid())
    assert second.leads(second.claim())


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tab": {}}', '{"tab": 3, "since": "x"}'])
def test_a_broken_lease_is_as_none(make: Callable[..., Lease], text: str) -> None:
    first = make("first")
    first.path.write_text(text)
    assert first.leads(first.claim())


def test_nobody_takes_over_while_the_leader_writes(make: Callable[..., Lease]) -> None:
    first, second = make("first"), make("second")
    taken = threading.Event()

    def take() -> None:
        second.take()
        taken.set()

    with first.held() as holder:
        assert first.leads(holder)
        thread = threading.Thread(target=take)
        thread.start()
        assert not taken.wait(0.2)
    assert taken.wait(10)
    thread.join()
    assert not first.leads(first.claim())


def test_of_many_that_take_over_at_once_one_leads(make: Callable[..., Lease]) -> None:
    tabs = [make(f"tab {i}") for i in range(8)]
    threads = [threading.Thread(target=t.take) for t in tabs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(t.leads(t.claim()) for t in tabs) == 1
