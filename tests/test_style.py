"""What is too long to be read at once is not written: files and functions have a limit."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILE, FUNCTION = 400, 60  # lines
FOLDERS = ("builder", "engine", "pages", "benchmarks")
WRITTEN = (".py", ".c", ".h", ".ts", ".tsx", ".css")
FILES = [
    file
    for folder in FOLDERS
    for file in sorted((ROOT / folder).rglob("*"))
    if file.suffix in WRITTEN and not {"node_modules", "assets", "__pycache__"} & set(file.parts)
]


def functions(source: str) -> list[tuple[str, int]]:
    """The name of each function and how many lines it has."""
    tree = ast.parse(source)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [(f.name, (f.end_lineno or f.lineno) - f.lineno + 1) for f in found]


def test_the_length_of_a_function_is_counted_from_its_first_line_to_its_last() -> None:
    assert functions("def a():\n    def b():\n        pass\n\n    return b\n") == [("a", 5), ("b", 2)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_and_no_function_is_longer_than_a_person_reads_at_once(folder: str) -> None:
    texts = {
        str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in FILES if ROOT / folder in file.parents
    }
    assert texts
    assert [name for name, text in texts.items() if text.count("\n") > FILE] == []
    python = {name: text for name, text in texts.items() if name.endswith(".py")}
    assert [(name, *f) for name, text in python.items() for f in functions(text) if f[1] > FUNCTION] == []
