"""Texts that a person reads, kept as files. LAYERLOOM_GOLDEN=write rewrites them; review the difference as prose."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent


def golden(name: str, text: str) -> str:
    """The kept text of ``name``, to compare ``text`` with."""
    path = FOLDER / name
    if os.environ.get("LAYERLOOM_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")
