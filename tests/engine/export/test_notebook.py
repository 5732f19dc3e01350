"""The notebook is one by its schema, and its cells do what the program does."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.export.notebook import notebook
from engine.export.recipe import Recipe
from tests.engine.export.programs import by_the_engine, recipe, run_tool, write

EXAMPLES = {
    "initialised": ("exploding", {"knobs": {"lr": 1e-4, "clip_norm": 1.0}}),
    "early stopping": ("iris_mlp", {"early_stopping": True, "patience": 5, "knobs": {"lr": 1.0}, "loss": "mse"}),
    "everything": ("mlp", {"optimizer": "adamw", "schedule": "warmup_cosine", "knobs": {"l1": 1e-4, "dropout": 0.1}}),
}


def example(name: str) -> Recipe:
    template, settings = EXAMPLES[name]
    return recipe(template, 20, **settings)


def code_cells(each: Recipe) -> list[str]:
    return ["".join(c["source"]) for c in json.loads(notebook(each))["cells"] if c["cell_type"] == "code"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_its_cells_run_from_top_to_bottom_with_the_losses_of_the_engine(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = example(name)
    write(tmp_path / "net", each)
    monkeypatch.chdir(tmp_path / "net")
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)  # in this process other tests follow
    space: dict[str, Any] = {}
    said = io.StringIO()
    try:
        with redirect_stdout(said):
            for cell in code_cells(each):
                exec(compile(cell, "cell", "exec"), space)  # our own generated text
    finally:
        torch.set_flush_denormal(False)
    losses, _ = by_the_engine(each)
    assert space["losses"] == pytest.approx(losses, rel=1e-5)
    assert f"x_train {tuple(each.data.x_train.shape)}" in said.getvalue()
    assert "loss" in said.getvalue()


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_has_the_keys_of_nbformat_4_5(name: str) -> None:
    book = json.loads(notebook(example(name)))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert book.keys() == {"nbformat", "nbformat_minor", "metadata", "cells"}
    assert book["metadata"]["kernelspec"].keys() >= {"name", "display_name"}
    ids = [cell["id"] for cell in book["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in book["cells"]:
        code = {"outputs", "execution_count"} if cell["cell_type"] == "code" else set()
        assert cell.keys() == {"cell_type", "id", "metadata", "source"} | code
        assert all(isinstance(line, str) for line in cell["source"])
        assert all(line.endswith("\n") for line in cell["source"][:-1])
    assert [c["cell_type"] for c in book["cells"]][:2] == ["markdown", "code"]


def test_the_same_recipe_gives_the_same_bytes() -> None:
    assert notebook(example("everything")) == notebook(replace(example("everything")))


def test_tools_find_nothing_in_it(tmp_path: Path) -> None:
    for name in EXAMPLES:
        (tmp_path / f"{name}.ipynb").write_text(notebook(example(name)), encoding="utf-8")
    run_tool("ruff", "check", "--isolated", "--no-cache", "--select", "E4,E7,E9,F,I,UP,SIM", ".", cwd=tmp_path)
    run_tool("ruff", "format", "--isolated", "--check", "--diff", ".", cwd=tmp_path)
