"""A run as a document from which it can be done again: network, settings, data, every turn of a knob.

No torch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from builder import document
from builder.diagnostic import Diagnostic, Refused
from builder.graph import Graph
from engine.config import TrainConfig
from engine.data.csv_read import check_size
from engine.origin import Segment
from engine.store import RunFolder
from engine.timeline import segments

FORMAT, VERSION = "layerloom-replay", 1
MAX_BYTES = 8_000_000
BROKEN = Diagnostic(
    "replay/unreadable",
    "This file is not the document of a run, or is damaged, or from a newer version.",
    "Take it anew from the run's page, or name the run itself.",
)


@dataclass(frozen=True, eq=False)
class Account:
    """``segments`` lead from the first batch to the weights whose hash is ``sha256`` (see checkpoint.fingerprint);
    ``config`` are the settings at the beginning, ``table`` the SHA-256 of an uploaded table, ``made_with`` what
    computed it then. Hashes are "" where there is none."""

    graph: Graph
    config: TrainConfig
    segments: tuple[Segment, ...]
    sha256: str = ""
    table: str = ""
    made_with: str = ""

    @property
    def steps(self) -> int:
        return self.segments[-1].until if self.segments else 0

    def dumps(self) -> str:
        body = {
            "format": FORMAT,
            "version": VERSION,
            "network": document.to_json(self.graph),
            "config": self.config.to_json(),
            "segments": [asdict(s) for s in self.segments],
            "sha256": self.sha256,
            "table": self.table,
            "made_with": self.made_with,
        }
        return json.dumps(body, allow_nan=False, indent=1) + "\n"


def loads(text: str | bytes) -> Account:
    """Raises Refused for anything but an account."""
    try:
        body = json.loads(text[:MAX_BYTES])
        if (body["format"], body["version"]) != (FORMAT, VERSION):
            raise Refused(BROKEN)
        parts = tuple(Segment.from_json(s) for s in body["segments"])
        graph, config = document.from_json(body["network"]), TrainConfig.from_json(body["config"])
        words = (str(body[key]) for key in ("sha256", "table", "made_with"))
        return Account(graph, config, _in_order(parts), *words)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(BROKEN) from error


def of_run(run: RunFolder) -> Account:
    """The account of ``run`` up to its last checkpoint."""
    done = [r for r in run.log.every("checkpoint") if r.body["which"] == "last" and r.step == run.checkpoint_step]
    parts = segments(run)
    config = parts[0].config if parts else run.config
    sha256 = done[-1].body.get("sha256", "") if done else ""
    return Account(run.graph, config, parts, sha256, table_of(run.path / "data.csv"), _made_with(run))


def table_of(path: Path) -> str:
    """The SHA-256 of a table; "" where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_table(account: Account, path: Path | None) -> None:
    """Raises Refused where ``path`` is not the table that the run was trained on. Of a larger file nothing is read."""
    if path is not None and path.is_file():
        check_size(path.stat().st_size)
    if account.table and (path is None or table_of(path) != account.table):
        what = "The run was trained on a table that is not in its document."
        if path is not None:
            what = f"The run was trained on another table than {path.name}: their bytes differ."
        raise Refused(Diagnostic("replay/table", what, "Give the same file with --csv FILE."))


def _made_with(run: RunFolder) -> str:
    started = run.log.last("started")
    device = started.body["device_name"] if started else "an unknown device"
    return f"torch {version('torch').partition('+')[0]} on {device}"


def _in_order(parts: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Raises ValueError for segments that do not follow each other."""
    ends: list[Any] = [0, *(s.until for s in parts)]
    if ends != sorted(ends):
        raise ValueError("segments out of order")
    return parts
