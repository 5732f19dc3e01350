"""A copy in a process of its own, for networks that the batched program does not have."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakSet

import torch

from builder.diagnostic import Diagnostic
from engine.checkpoint import Checkpoint
from engine.events import Event, Kind
from engine.faults import RunFault
from engine.replicas.copies import Local, Start

Message = dict[str, Any]
LOST = "The process of this copy ended unexpectedly: the system may have run out of memory."
# Our ends, which a child must not hold open: by their closing its siblings learn of our end. Who forgets one closes it.
_ours: WeakSet[socket.socket] = WeakSet()


def parallel(device: torch.device) -> tuple[bool, str]:
    """Whether copies can have processes of their own here, and if not, why."""
    if device.type != "cpu":
        return False, "an accelerator serves one process best."
    if sys.platform != "linux":
        return False, "processes cannot be forked safely on this system."
    return True, ""


class Remote:
    """Forks a process that makes the training and does what it is told; it ends when this end of the line closes."""

    apart = True

    def __init__(self, start: Start) -> None:
        ours, theirs = socket.socketpair()
        self._child = os.fork()
        if not self._child:
            ours.close()
            _serve(theirs, start)
        theirs.close()
        _ours.add(ours)
        self._socket, self._line = ours, ours.makefile("rwb")
        self.step, self.over = 0, False
        self.fault: RunFault | None = None
        self._free = 1
        self._values: Mapping[str, Sequence[float]] = {}
        self.used, self.spent = 0.0, (0.0, 0.0)
        self.entries: Mapping[str, Sequence[float]] = {}

    def begin(self, step: int, looks: frozenset[str], readings: Sequence[Kind] = ()) -> None:
        self._say({"do": "train", "step": step, "looks": sorted(looks), "readings": list(readings)})

    def begin_piece(self, kind: Kind, anew: bool) -> None:
        self._say({"do": "piece", "kind": kind, "anew": anew})

    def end(self) -> tuple[Event, ...]:
        said = self._hear()
        if said is None:
            self.over, self.fault = True, RunFault(LOST)
            return ()
        self.step, self.over, self._free = said["step"], said["over"], said["free"]
        self.fault = RunFault(*said["fault"]) if said["fault"] else None
        self._values = said.get("values", self._values)
        self.used, self.spent, self.entries = said["used"], tuple(said["spent"]), said["entries"] or self.entries
        return tuple(Event(**event) for event in said["events"])

    def watch(self, layers: bool) -> None:
        if not self.over:
            self._ask({"do": "watch", "layers": layers})

    def values(self) -> Mapping[str, Sequence[float]]:
        return self._values

    def rows(self, batch: int) -> list[int]:
        found: list[int] = self._ask({"do": "rows", "batch": batch})["rows"]
        return found

    def free(self) -> int:
        return self._free

    def set(self, name: str, value: object) -> Event | Diagnostic:
        said = self._ask({"do": "set", "name": name, "value": value})
        return Event(**said["event"]) if "event" in said else Diagnostic(**said["problem"])

    def started(self) -> Event:
        return Event(**self._ask({"do": "started"}))

    def checkpoint(self) -> Checkpoint:
        return self._fetch("checkpoint")

    def best(self) -> Checkpoint | None:
        return self._fetch("best") if self._ask({"do": "has_best"})["has"] else None

    def restore(self, checkpoint: Checkpoint) -> None:
        with tempfile.TemporaryDirectory() as folder:
            checkpoint.save(Path(folder), "copy")
            said = self._ask({"do": "restore", "folder": folder})
        self.step, self.over = said["step"], said["over"]

    def close(self) -> None:
        """Ends the process, and waits until it has."""
        if self._socket in _ours:
            _ours.remove(self._socket)
            self._line.close()
            self._socket.close()
            os.waitpid(self._child, 0)

    def _fetch(self, what: str) -> Checkpoint:
        with tempfile.TemporaryDirectory() as folder:
            self._ask({"do": what, "folder": folder})
            return Checkpoint.load(Path(folder), "copy")

    def _ask(self, message: Message) -> Message:
        self._say(message)
        said = self._hear()
        if said is None:
            raise RunFault(LOST)
        if fault := said.get("fault"):
            raise RunFault(*fault)
        return said

    def _say(self, message: Message) -> None:
        try:
            self._line.write(json.dumps(message).encode() + b"\n")
            self._line.flush()
        except OSError:
            self.over = True  # ``_hear`` tells why

    def _hear(self) -> Message | None:
        try:
            line = self._line.readline()
        except OSError:
            return None
        return json.loads(line) if line else None


def _serve(line: socket.socket, start: Start) -> None:
    """The child, from its first line to its end. It leaves nothing to clean up, least of all what is its parent's."""
    code = 1
    try:
        for end in _ours:
            os.close(end.fileno())  # closing the object would wait for the file that was made of it
        copy, file = Local(start), line.makefile("rwb")
        for message in file:
            file.write(json.dumps(_obey(copy, json.loads(message))).encode() + b"\n")
            file.flush()
        code = 0
    except Exception:  # the parent learns that it is over, whoever looks into the log why
        traceback.print_exc()
    finally:
        os._exit(code)


def _obey(copy: Local, message: Message) -> Message:
    try:
        return _ORDERS[message["do"]](copy, message)
    except RunFault as fault:
        return {"fault": [fault.reason, fault.node]}


def _train(copy: Local, message: Message) -> Message:
    copy.begin(message["step"], frozenset(message["looks"]), message["readings"])
    return {**_ended(copy), "values": copy.values()}


def _piece(copy: Local, message: Message) -> Message:
    copy.begin_piece(message["kind"], message["anew"])
    return _ended(copy)


def _ended(copy: Local) -> Message:
    events = [_event(e) for e in copy.end()]
    fault = [copy.fault.reason, copy.fault.node] if copy.fault else None
    paid = {"used": copy.used, "spent": copy.spent, "entries": copy.entries if events else None}
    return {"events": events, "step": copy.step, "over": copy.over, "fault": fault, "free": copy.free(), **paid}


def _watch(copy: Local, message: Message) -> Message:
    copy.watch(message["layers"])
    return {}


def _set(copy: Local, message: Message) -> Message:
    found = copy.set(message["name"], message["value"])
    if isinstance(found, Event):
        return {"event": _event(found)}
    return {"problem": {key: value for key, value in found.to_json().items() if key != "fix"}}


def _save(copy: Local, message: Message) -> Message:
    found = copy.best() if message["do"] == "best" else copy.checkpoint()
    if found:
        found.save(Path(message["folder"]), "copy")
    return {}


def _restore(copy: Local, message: Message) -> Message:
    copy.restore(Checkpoint.load(Path(message["folder"]), "copy"))
    return {"step": copy.step, "over": copy.over}


def _event(event: Event) -> Message:
    return {"kind": event.kind, "step": event.step, "body": event.body}


_ORDERS: dict[str, Callable[[Local, Message], Message]] = {
    "train": _train,
    "piece": _piece,
    "set": _set,
    "watch": _watch,
    "rows": lambda copy, message: {"rows": copy.rows(message["batch"])},
    "started": lambda copy, _message: _event(copy.started()),
    "has_best": lambda copy, _message: {"has": copy.best() is not None},
    "best": _save,
    "checkpoint": _save,
    "restore": _restore,
}
