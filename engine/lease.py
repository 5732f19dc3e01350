"""Who edits a network: one browser tab at a time leads, the others look on and may take over.

A lease is a file beside the network. It is dead, and free to take, when its tab has gone: in this process the server
knows its tabs; of another process, its end or silence tells. Every look and change is made under a file lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from engine.log import told
from engine.store import write_beside

PROCESS = secrets.token_hex(8)  # tells this process from an earlier one with the same number
HEARTBEAT = 5.0  # s between two signs of life on disk
SILENCE = 90.0  # s without a sign of life after which a tab of another process is gone; browsers slow hidden tabs


@dataclass(frozen=True)
class Tab:
    """One browser tab: ``token`` is its secret, ``session`` the server's name for it, ``who`` what others read."""

    session: str
    who: str = ""
    token: str = field(default_factory=lambda: secrets.token_hex(16))


@dataclass(frozen=True)
class Holder:
    """The tab that leads, ``since`` when and last ``seen`` when (s since 1970), in which process."""

    tab: Tab
    since: float
    seen: float
    pid: int
    process: str


class Lease:
    """The lease in ``folder`` as ``tab`` sees it; ``active`` says whether a session of this process is still there."""

    def __init__(self, folder: Path, tab: Tab, active: Callable[[str], bool], now: Callable[[], float] = time.time):
        self.path = folder / "lease.json"
        self.tab, self.active, self.now = tab, active, now

    def claim(self) -> Holder:
        """Takes the lead if it is free, gives a sign of life if it is ours; returns who leads now."""
        with self.held() as holder:
            return holder

    @contextmanager
    def held(self) -> Iterator[Holder]:
        """As ``claim``, and nobody can take over until the block ends."""
        with self._lock():
            holder = self._read()
            if holder is None or not self._alive(holder):
                holder = self._write(self._mine())
            elif self.leads(holder) and self.now() - holder.seen > HEARTBEAT:
                holder = self._write(replace(holder, seen=self.now()))
            yield holder

    def take(self) -> Holder:
        """Takes the lead, whoever has it."""
        with self._lock():
            holder = self._read()
            return holder if holder and self.leads(holder) else self._write(self._mine())

    def release(self) -> None:
        """Gives the lead away, if it is ours."""
        with self._lock():
            holder = self._read()
            if holder and self.leads(holder):
                self.path.unlink(missing_ok=True)

    def leads(self, holder: Holder) -> bool:
        return secrets.compare_digest(holder.tab.token, self.tab.token)

    def _mine(self) -> Holder:
        return Holder(self.tab, self.now(), self.now(), os.getpid(), PROCESS)

    def _alive(self, holder: Holder) -> bool:
        if self.leads(holder):
            return True
        if holder.process == PROCESS:
            return self.active(holder.tab.session)
        return self.now() - holder.seen < SILENCE and _runs(holder.pid)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with told(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path.with_name("lock"), "ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield

    def _read(self) -> Holder | None:
        """The holder on disk; None where there is none, or nothing that can be read."""
        try:
            body = json.loads(self.path.read_bytes())
            tab = Tab(**{name: str(body["tab"][name]) for name in ("session", "who", "token")})
            return Holder(tab, float(body["since"]), float(body["seen"]), int(body["pid"]), str(body["process"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write(self, holder: Holder) -> Holder:
        write_beside(self.path, json.dumps(asdict(holder)).encode())
        return holder


def _runs(pid: int) -> bool:
    """Whether another process with that number is there; one with our own number was an earlier one."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
