"""What one run may take of the machine. No torch."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from engine import memory
from engine.log import told

NICE = 5  # the app's pages come first


def settle(folder: Path) -> None:
    """Makes this process the polite neighbour that a run should be, with its words in worker.log."""
    confine(NICE)
    with told(folder):
        output = os.open(folder / "worker.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)


def confine(nice: int) -> None:
    """Low priority, bounded memory, no core dumps."""
    os.nice(nice)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = data_bytes() + memory.allowed()
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def data_bytes() -> int:
    """What this process holds already, most of it shared with the runner; 0 where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmData")).split()[1])
