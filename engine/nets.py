"""A network on disk, with what must not be lost beside it: earlier documents, named versions, settings.

``nets/<id>.json`` is the document. ``nets/<id>/`` has history.json (what undo and redo of a replaced document lead
to), config.json (data and settings), versions/ and bin/ (one file each). Everything is written beside and renamed;
what cannot be read is set aside under a new name and told.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from builder import document
from builder.diagnostic import Diagnostic, Refused
from builder.graph import Graph
from builder.history import History
from engine import share
from engine.config import TrainConfig
from engine.log import told

NET_ID = re.compile(r"[A-Za-z0-9_-]{8,32}")
VERSION_ID = re.compile(r"[0-9]{14}-[0-9a-f]{6}")
MAX_VERSIONS = 300
MAX_NAME = 80
MAX_EARLIER = 8_000_000  # bytes of earlier documents on disk: the oldest give way
T = TypeVar("T")


@dataclass(frozen=True)
class Version:
    """A drawing that was kept under a name; ``saved`` in seconds since 1970."""

    id: str
    name: str
    saved: float
    graph: Graph


class NetFolder:
    """The files of network ``id`` under ``home``. Writing raises Refused where the disk does not take it."""

    def __init__(self, home: Path, id: str) -> None:
        if not NET_ID.fullmatch(id):
            raise ValueError(f"not the id of a network: {id!r}")
        self.file = home / "nets" / f"{id}.json"
        self.folder = home / "nets" / id

    @property
    def begun(self) -> bool:
        """Whether anything was ever written: a visitor who only looks leaves no trace."""
        return self.file.exists() or self.folder.exists()

    def read(self) -> Graph | None:
        """The document; None where there is none yet. Raises Refused after setting an unreadable one aside."""
        return _read(self.file, document.loads)

    def write(self, graph: Graph) -> None:
        _write(self.file, document.dumps(graph))

    def state(self) -> tuple[int, int] | None:
        """Something that is different after every ``write``; None where there is no document."""
        try:
            found = self.file.stat()
            return found.st_mtime_ns, found.st_ino
        except OSError:
            return None

    def read_config(self) -> TrainConfig | None:
        return _read(self.folder / "config.json", lambda text: share.config_from_json(document.parse(text)))

    def write_config(self, config: TrainConfig) -> None:
        _write(self.folder / "config.json", json.dumps(share.config_to_json(config), ensure_ascii=False))

    def read_history(self, present: Graph) -> History[Graph]:
        """What undo and redo of ``present`` lead to. Raises Refused after setting an unreadable file aside."""
        found = _read(self.folder / "history.json", _history)
        return History.of(found[0], present, found[1]) if found else History(present)

    def write_history(self, history: History[Graph]) -> None:
        past, future = (_newest(graphs) for graphs in (history.past(), history.future()))
        _write(self.folder / "history.json", json.dumps({"past": past, "future": future}, ensure_ascii=False))

    def versions(self) -> tuple[list[Version], int]:
        """The versions, newest first, and how many files could not be read and were left as they are."""
        ids = self._version_ids("versions")
        found = [v for v in map(self._version, ids) if v]
        return found, len(ids) - len(found)

    def keep(self, name: str, graph: Graph) -> Version:
        """Keeps ``graph`` as a version. Raises Refused without a name, or when there are too many."""
        name = " ".join(name.split())[:MAX_NAME]
        if not name or not name.isprintable():
            raise _refused("name", "A version needs a name.", "Write one line, for example what you changed.")
        others = self._version_ids("versions")
        if len(others) >= MAX_VERSIONS:
            what = f"This network has {MAX_VERSIONS} versions, which is as many as are kept."
            raise _refused("too-many-versions", what, "Delete some that you no longer need.")
        now = time.time()
        place = max(int(now * 1000), *(int(id.partition("-")[0]) + 1 for id in others[:1]), 0)  # two in one ms
        version = Version(f"{place:014d}-{secrets.token_hex(3)}", name, now, graph)
        body = {"name": name, "saved": now, "network": document.to_json(graph)}
        _write(self._version_file("versions", version.id), json.dumps(body, ensure_ascii=False))
        return version

    def delete(self, id: str) -> None:
        """Puts version ``id`` into the bin, from where ``restore`` takes it back."""
        self._move(id, "versions", "bin")

    def restore(self, id: str) -> None:
        self._move(id, "bin", "versions")

    def _move(self, id: str, source: str, target: str) -> None:
        if id not in self._version_ids(source):
            raise _refused("no-version", "This version is not there any more.", "Pick one from the list.")
        to = self._version_file(target, id)
        with told(to):
            to.parent.mkdir(parents=True, exist_ok=True)
            os.rename(self._version_file(source, id), to)

    def _version(self, id: str) -> Version | None:
        try:
            return _load_version(self._version_file("versions", id))
        except (OSError, Refused, KeyError, TypeError, ValueError):
            return None

    def _version_ids(self, folder: str) -> list[str]:
        paths = (self.folder / folder).glob("*.json")
        return sorted((p.stem for p in paths if VERSION_ID.fullmatch(p.stem)), reverse=True)

    def _version_file(self, folder: str, id: str) -> Path:
        return self.folder / folder / f"{id}.json"


@lru_cache(maxsize=2 * MAX_VERSIONS)  # a version never changes
def _load_version(path: Path) -> Version:
    body = document.parse(path.read_bytes())
    return Version(path.stem, str(body["name"]), float(body["saved"]), document.from_json(body["network"]))


def _history(text: bytes) -> tuple[list[Graph], list[Graph]]:
    try:
        body = json.loads(text)
        past, future = ([document.from_json(g) for g in body[key]] for key in ("past", "future"))
    except (ValueError, KeyError, TypeError):
        raise _refused("history", "The earlier networks cannot be read.", "") from None
    return past, future


def _newest(graphs: Iterable[Graph]) -> list[Any]:
    """As many of ``graphs``, nearest first, as MAX_EARLIER has room for."""
    kept, room = [], MAX_EARLIER
    for graph in graphs:
        body = document.to_json(graph)
        room -= len(json.dumps(body))
        if room < 0:
            break
        kept.append(body)
    return kept


def _read(path: Path, parse: Callable[[bytes], T]) -> T | None:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise _refused("unreadable", f"{path.name} cannot be read ({fault.strerror}).", "Check the disk.") from fault
    try:
        return parse(text)
    except Refused as refused:
        aside = _set_aside(path)
        what = f"{path.name} on the server cannot be read: {refused.diagnostics[0].what}"
        cure = f"Nothing was deleted: it is kept as {aside.name}, for whoever looks after this server."
        raise Refused(Diagnostic("net/unreadable", what, cure)) from refused


def _set_aside(path: Path) -> Path:
    """Renames, to a name that no other file has."""
    aside = path.with_name(f"{path.stem}.unreadable-{time.time_ns()}{path.suffix}")
    with told(path):
        os.rename(path, aside)
    return aside


def _write(path: Path, text: str) -> None:
    """Onto the disk and then into place, so that a crash leaves the old file or the new one, whole."""
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)


def _refused(problem: str, what: str, cure: str) -> Refused:
    return Refused(Diagnostic(f"net/{problem}", what, cure))
