"""Commands to a running training: their form, their way over a socket, and the inbox that the worker reads."""

from __future__ import annotations

import json
import socket
import threading
from queue import SimpleQueue
from typing import Any

from builder.diagnostic import Diagnostic, Refused
from engine.breakpoints import parse_all
from engine.events import MEASUREMENTS

Command = dict[str, Any]
COMMANDS = ("pause", "resume", "step", "stop", "set", "break", "measure")
GONE: Command = {"do": "gone"}  # what the inbox says when the other end of the socket has closed
MAX_LINE = 8192


def check(command: object) -> Diagnostic | None:
    """None for a command of a known form. Whether a knob exists and its value is in range, the worker says."""
    if not isinstance(command, dict) or command.get("do") not in COMMANDS:
        cure = f"Use one of {', '.join(COMMANDS)}."
        return Diagnostic("command/unknown", "This is not a command to a training.", cure)
    name, value = command.get("name"), command.get("value")
    if command["do"] == "set" and not (isinstance(name, str) and isinstance(value, int | float)):
        return Diagnostic("command/set", "Setting a knob needs its name and a number.", "Send both.")
    if command["do"] == "break":
        return _breakpoints(command.get("when"))
    if command["do"] == "measure" and not (name in MEASUREMENTS and value in (None, 0, 1)):
        cure = f"Use one of {', '.join(MEASUREMENTS)}, with value 0 to measure it no more."
        return Diagnostic("command/measure", "There is no measurement of this name.", cure)
    return None


def _breakpoints(when: object) -> Diagnostic | None:
    if not isinstance(when, list) or not all(isinstance(text, str) for text in when):
        return Diagnostic("command/break", "Breakpoints are a list of texts.", "Send for example ['gap>0.5'].")
    try:
        parse_all(when)
    except Refused as refused:
        return refused.diagnostics[0]
    return None


def encode(command: Command) -> bytes:
    """One line of JSON."""
    only = {key: command[key] for key in ("do", "name", "value", "when") if key in command}
    return json.dumps(only).encode() + b"\n"


class Inbox:
    """Commands that have arrived. ``empty`` costs nanoseconds, so the training loop can ask before every batch."""

    def __init__(self, control: socket.socket | None = None) -> None:
        self._arrived: SimpleQueue[Command] = SimpleQueue()  # may be put into by a signal handler
        self.empty, self.put = self._arrived.empty, self._arrived.put
        if control:
            threading.Thread(target=self._listen, args=(control,), name="commands", daemon=True).start()

    def get(self) -> Command:
        """The oldest command; waits for one without using the processor."""
        return self._arrived.get()

    def _listen(self, control: socket.socket) -> None:
        try:
            with control.makefile("rb") as lines:
                while line := lines.readline(MAX_LINE):
                    self._accept(line)
        except OSError:
            pass  # a broken socket is a closed one
        self.put(GONE)

    def _accept(self, line: bytes) -> None:
        try:
            command = json.loads(line)
        except ValueError:
            return
        if check(command) is None:
            self.put(command)
