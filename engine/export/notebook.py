"""``train.ipynb``: the same training as a notebook to read and play with (nbformat 4.5). No torch."""

from __future__ import annotations

import ast
import json
from typing import Any

from builder.source import source
from engine.export.imports import header
from engine.export.program import Program
from engine.export.recipe import Recipe
from engine.export.script import title

INTRODUCTION = """# A network from Layerloom, trained on {title}

The data lies in `data.npz` beside this notebook. Same seed, starting weights, batches and equations as in the app, so
the same losses. It needs torch and numpy, and matplotlib for the last picture."""
DATA = """## Data

Already split and standardised: what is held out is never trained on."""
NETWORK = """## Network

The comments are the shapes of the tensors; N is the number of examples in a batch."""
TRAINING = """## Training

The settings of the run and what they need, then one step after the other."""
CURVE = """## How the loss fell"""
PLOT = [
    "try:",
    "    import matplotlib.pyplot as plt",
    "except ImportError:",
    '    print("Install matplotlib to see the curve: pip install matplotlib")',
    "else:",
    "    plt.plot(losses, linewidth=0.8)",
    '    plt.xlabel("step")',
    '    plt.ylabel("loss of the batch")',
    '    plt.yscale("log")',
    "    plt.show()",
]


def notebook(recipe: Recipe) -> str:
    """JSON of the notebook, the same for the same recipe."""
    program, model = Program(recipe), source(recipe.graph)
    load, *functions = program.functions
    constants = ["HERE = Path.cwd()", *program.constants]
    network = _definitions(model)
    training = "\n\n\n".join("\n".join(lines) for lines in functions)
    steps = "\n".join([*program.setup, "", *program.loop, *program.ending])
    settings = "\n".join(constants)
    start = "\n".join(load) + "\n\n\n" + "\n".join(_shapes(program))
    imports = header("\n".join((settings, start, network, training, steps)), model)
    imports = [line for line in imports if line != "from model import Net"]
    cells = [
        _text(INTRODUCTION.format(title=title(recipe))),
        _code("\n".join(imports).rstrip() + "\n\n" + settings),
        _text(DATA),
        _code(start),
        _text(NETWORK),
        _code(network),
        _text(TRAINING),
        _code(training),
        _code(steps),
        _text(CURVE),
        _code("\n".join(PLOT)),
    ]
    return json.dumps(_book(cells), indent=1, ensure_ascii=False) + "\n"


def _shapes(program: Program) -> list[str]:
    names = [f"{name}_{part}" for part in ("train", "val") for name in program.objective.names]
    if len(names) > 4:
        return [
            "for name in FIELDS:",
            '    for part in ("train", "val"):',
            '        print(name, part, tuple(load(f"{name}_{part}").shape))',
        ]
    listed = ", ".join(f'"{name}"' for name in names)
    return [f"for name in ({listed}):", "    print(name, tuple(load(name).shape))"]


def _definitions(model: str) -> str:
    """The classes and functions of model.py, without its docstring, its imports and what it does when run."""
    nodes = [
        node for node in ast.parse(model).body if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr | ast.If)
    ]
    return "\n\n\n".join(ast.get_source_segment(model, node) or "" for node in nodes)


def _text(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def _code(code: str) -> dict[str, Any]:
    lines = code.splitlines(keepends=True)
    return {"cell_type": "code", "metadata": {}, "source": lines, "outputs": [], "execution_count": None}


def _book(cells: list[dict[str, Any]]) -> dict[str, Any]:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    numbered = [{**cell, "id": f"cell-{i}"} for i, cell in enumerate(cells)]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": numbered}
