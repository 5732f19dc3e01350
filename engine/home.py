"""Where runs live, and their ids. Nothing that comes from outside is ever used as a path, except an id of this form."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

RUN_ID = re.compile(r"[A-Za-z0-9_-]{16}")


def home() -> Path:
    """The folder of everything a user made: LAYERLOOM_HOME, or ``workspace`` where the app was started."""
    return Path(os.environ.get("LAYERLOOM_HOME") or "workspace").resolve()


def new_run_id() -> str:
    """16 URL-safe random characters (96 bits): who knows an id may open the run, so it must not be guessable. The first
    is no dash, since a command would take that for an option."""
    while (id := secrets.token_urlsafe(12)).startswith("-"):
        pass
    return id


def is_run_id(text: object) -> bool:
    return isinstance(text, str) and RUN_ID.fullmatch(text) is not None
