"""The runner: a process that has torch loaded and forks a worker per run, so that a run starts in milliseconds.

``python -m engine.runner FD`` serves the socket FD, JSON lines:
  app → runner  {"do": "start", "key", "path", "resume"} with the worker's control socket attached;
                {"do": "probe", "key"} likewise, for a process that previews drawings (probe.py);
                {"do": "measure", "key", "path", "name"}, for one that measures a run that is over (afterwards.py);
                {"do": "kill", "key"}
  runner → app  {"key", "pid"} when the worker lives;
                {"key", "exit"} when it has ended, minus the signal that killed it
It stays single-threaded, never touches an accelerator (neither survives a fork) and ends when the app's socket closes;
its workers then find their own sockets closed and end with a checkpoint.
On macOS a process that has loaded Apple's frameworks must not fork, so there a worker is a new Python (about 2 s).
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

FORKS = hasattr(os, "fork") and sys.platform != "darwin"
# OpenMP and BLAS would start threads at import, and a forked child cannot use them.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def main(fd: int) -> None:
    app = socket.socket(fileno=fd)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the app
    if FORKS:
        preload()
    with Children(app) as children:
        for message, fds in messages(app, children):
            if message["do"] in ("start", "probe", "measure"):
                children.start(message, fds.pop(0))
            elif message["do"] == "kill":
                children.kill(message["key"])


def preload() -> None:
    """Imports all that a worker needs and trains a few batches: forks inherit warm code and share its memory."""
    from engine.worker import rehearse

    for module in ("engine.probe", "engine.afterwards"):
        importlib.import_module(module)
    rehearse()
    gc.collect()
    gc.freeze()  # the collector would otherwise write to, and so copy, every shared page


def messages(app: socket.socket, children: Children) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """The app's messages with the file descriptors received so far, until it closes. Reaps children in between."""
    buffer, fds = b"", list[int]()
    while True:
        ready, _, _ = select.select([app, children.bell], [], [])
        if children.bell in ready:
            children.reap()
        if app not in ready:
            continue
        content, received, _, _ = socket.recv_fds(app, 4096, 8)
        if not content:
            return
        fds += received
        *lines, buffer = (buffer + content).split(b"\n")
        for line in lines:
            yield json.loads(line), fds


class Children:
    """The workers of this runner by key. ``bell`` is readable when one may have ended."""

    def __init__(self, app: socket.socket) -> None:
        self.app = app
        self.pids: dict[int, int] = {}
        self.bell, self._ringer = socket.socketpair()
        self.bell.setblocking(False)
        self._ringer.setblocking(False)

    def __enter__(self) -> Children:
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only the wake-up byte matters
        signal.set_wakeup_fd(self._ringer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)

    def start(self, order: dict[str, Any], control: int) -> None:
        pid = self._fork(order, control) if FORKS else spawn(order, control)
        os.close(control)
        self.pids[order["key"]] = pid
        self._tell({"key": order["key"], "pid": pid})

    def kill(self, key: int) -> None:
        if pid := self.pids.get(key):  # not yet reaped, so the number is still this worker's
            os.kill(pid, signal.SIGKILL)

    def reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.bell.recv(4096)
        for key, pid in list(self.pids.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self.pids[key]
                self._tell({"key": key, "exit": os.waitstatus_to_exitcode(status)})

    def _fork(self, order: dict[str, Any], control: int) -> int:
        if pid := os.fork():
            return pid
        code = 1
        try:
            self.__exit__()
            for mine in (self.app, self.bell, self._ringer):
                mine.close()
            os.setsid()
            code = begin(order, control)
        finally:
            os._exit(code)  # never back into the runner's loop

    def _tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the app is gone; the next read says so
            self.app.sendall(json.dumps(message).encode() + b"\n")


def begin(order: dict[str, Any], control: int) -> int:
    """What a forked process does, to its exit code."""
    if order["do"] == "probe":
        from engine.probe import main as serve

        return serve(control)
    if order["do"] == "measure":
        from engine.afterwards import main as measure

        return measure(order["path"], order["name"], control)
    from engine.worker import main as work

    return work(order["path"], control, order["resume"])


def spawn(order: dict[str, Any], control: int) -> int:
    """A worker as a new process, where forking is not possible."""
    command = [sys.executable, "-m", "engine.probe", str(control)]
    if "name" in order:
        command[2:] = ["engine.afterwards", order["path"], order["name"], str(control)]
    elif "path" in order:
        command[2:] = ["engine.worker", order["path"], str(control), str(int(order["resume"]))]
    return subprocess.Popen(command, pass_fds=[control], start_new_session=True, stdin=subprocess.DEVNULL).pid


if __name__ == "__main__":
    main(int(sys.argv[1]))
