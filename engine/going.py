"""A worker that is going, as the executor sees it. No torch."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from builder.diagnostic import Diagnostic, Refused
from engine.control import Command, encode
from engine.link import RunnerLink
from engine.store import RunFolder

SETTLED_SECONDS = 5.0  # after a command, until the log surely says what came of it


@dataclass
class Live:
    """A worker that has been asked for and has not ended."""

    run: RunFolder
    control: socket.socket
    link: RunnerLink
    slot: bool = True
    pid: int | None = None
    cancelled: bool = False
    told: float = 0.0  # when it was last sent a command, in monotonic seconds


def stands(live: Live) -> bool:
    """Whether a breakpoint has paused it, so that it needs no slot. What it was just told it may not have done yet."""
    if time.monotonic() - live.told < SETTLED_SECONDS:
        return False
    last = live.run.log.last("state")
    return last is not None and last.body["state"] == "paused"


def deliver(control: socket.socket, command: Command) -> Diagnostic | None:
    """Sends ``command`` to a worker; one that hangs must not make the app hang."""
    try:
        control.sendall(encode(command))
    except TimeoutError:
        return Diagnostic("run/hangs", "The worker of this run does not answer.", "Wait for it, or cancel the run.")
    except OSError:
        return None  # it has just ended, which the runner reports
    return None


def returned(act: Callable[[], Diagnostic | None]) -> Diagnostic | None:
    """What ``act`` returns, or the first Diagnostic of what it raises."""
    try:
        return act()
    except Refused as refused:
        return refused.diagnostics[0]
