"""The app's end of the runner: starts the process, hands it work, hears of its workers."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.log import told
from engine.runner import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[1]


class RunnerLink:
    """One runner process. A thread calls ``heard(message)`` for each of its messages and ``lost()`` when it is gone."""

    def __init__(self, home: Path, heard: Callable[[dict[str, Any]], None], lost: Callable[[], None]) -> None:
        self._heard, self._lost = heard, lost
        self._socket, theirs = socket.socketpair()
        with told(home), theirs:
            home.mkdir(parents=True, exist_ok=True)
            with open(home / "runner.log", "ab") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "engine.runner", str(theirs.fileno())],
                    cwd=ROOT,
                    env={**os.environ, **ENVIRONMENT},
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
        threading.Thread(target=self._listen, name="runner", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def start(self, key: int, path: Path, resume: bool, control: socket.socket) -> None:
        """Asks for a worker on the run in ``path``. A runner that has died meanwhile is told by ``lost``."""
        order = json.dumps({"do": "start", "key": key, "path": str(path), "resume": resume}).encode() + b"\n"
        self._send(lambda: socket.send_fds(self._socket, [order], [control.fileno()]))

    def probe(self, key: int, control: socket.socket) -> None:
        """Asks for a process that previews drawings (see probe.py)."""
        order = json.dumps({"do": "probe", "key": key}).encode() + b"\n"
        self._send(lambda: socket.send_fds(self._socket, [order], [control.fileno()]))

    def measure(self, key: int, path: Path, name: str) -> None:
        """Asks for a process that measures the run in ``path``, which is over (see afterwards.py). It takes no orders:
        nobody holds the other end of its socket."""
        order = json.dumps({"do": "measure", "key": key, "path": str(path), "name": name}).encode() + b"\n"
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._send(lambda: socket.send_fds(self._socket, [order], [theirs.fileno()]))

    def kill(self, key: int) -> None:
        self._send(lambda: self._socket.sendall(json.dumps({"do": "kill", "key": key}).encode() + b"\n"))

    def close(self) -> None:
        """Ends the runner; its workers end by themselves when their own sockets close."""
        with contextlib.suppress(OSError):  # it has died before
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, send: Callable[[], object]) -> None:
        with contextlib.suppress(OSError):  # it has just died, which ``lost`` tells
            send()

    def _listen(self) -> None:
        try:
            with self._socket.makefile("rb") as lines:
                for line in lines:
                    try:
                        self._heard(json.loads(line))
                    except Exception:  # whatever is wrong with one run, the ends of the others must be heard
                        logging.getLogger("layerloom").exception("A report of the runner could not be dealt with")
        except OSError:
            pass  # a broken socket is a closed one
        self._process.wait()
        self._lost()
