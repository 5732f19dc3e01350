"""The classes and functions of our own that a network may use, as text: exported source carries them as they stand."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

FILES = ("initialize.py", "modules.py")
OWN = "modules."  # how a Call names a class or function of modules.py


@cache
def definitions() -> dict[str, str]:
    """Name → text, in the order in which they stand in FILES. Read from there, so that there is only one."""
    found = {}
    for name in FILES:
        text = Path(__file__).with_name(name).read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found[node.name] = ast.get_source_segment(text, node) or ""
    return found
