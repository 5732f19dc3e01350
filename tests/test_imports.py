"""Imports run one way: app → pages → engine → builder; the app process never pays for torch."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("builder", "engine", "pages", "app")  # each may import itself and what stands before it
FILES = sorted(p for name in LAYERS for p in [*ROOT.glob(f"{name}/**/*.py"), *ROOT.glob(f"{name}.py")])
TORCH_IN_BUILDER = {"builder/compile.py", "builder/initialize.py", "builder/modules.py"}
NO_TORCH = ("builder.infer", "builder.catalog", "builder.document", "builder.source", "engine.config", "engine.knobs")


def imported(source: str) -> Iterator[str]:
    """The top-level package of every import statement, also of those inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." if node.level else str(node.module).split(".")[0]


def faults(path: str, source: str) -> list[str]:
    """The packages that the file at ``path`` imports and must not."""
    layer = Path(path).parts[0].removesuffix(".py")
    forbidden = {".", *LAYERS[LAYERS.index(layer) + 1 :]}
    if layer in ("builder", "engine"):
        forbidden.add("streamlit")
    if layer in ("pages", "app") or (layer == "builder" and path not in TORCH_IN_BUILDER):
        forbidden.add("torch")
    return sorted(forbidden & set(imported(source)))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_file_imports_only_what_stands_below_it(path):
    assert faults(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("builder/graph.py", "from engine.config import SETTINGS", "engine"),
        ("builder/graph.py", "def f():\n    import streamlit as st", "streamlit"),
        ("builder/infer.py", "import torch.nn as nn", "torch"),
        ("builder/catalog/dense.py", "from torch import nn", "torch"),
        ("builder/catalog/dense.py", "from .rules import put", "."),
        ("engine/loop.py", "from pages import session", "pages"),
        ("engine/loop.py", "import streamlit", "streamlit"),
        ("pages/train.py", "import torch", "torch"),
        ("pages/train.py", "import app", "app"),
        ("app.py", "import torch", "torch"),
    ],
)
def test_a_wrong_import_would_be_found(path, source, fault):
    assert faults(path, source) == [fault]


def test_what_the_app_process_imports_from_builder_and_engine_leaves_torch_out():
    script = f"import sys, {', '.join(NO_TORCH)}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_no_page_brings_torch_into_the_app_process(tmp_path):
    script = """
import sys
from streamlit.testing.v1 import AppTest
import app
for page in ("design", "train", "runs"):
    test = AppTest.from_file(f"pages/{page}.py", default_timeout=60).run()
    assert not test.exception, (page, test.exception)
print("torch" in sys.modules)
"""
    environment = {**os.environ, "LAYERLOOM_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr
