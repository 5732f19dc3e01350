"""Trainings to export, what the engine makes of them, and what their programs make of them in a clean process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from builder.graph import Graph
from builder.source import source
from builder.templates import BY_NAME, load
from engine.config import DataRef, TrainConfig
from engine.data import Dataset
from engine.export.arrays import arrays
from engine.export.recipe import HORIZON, Recipe, planned
from engine.export.script import train_script
from engine.knobs import initial
from engine.loop import Training
from engine.pace import EveryN

RUN = """
import importlib.util, json, sys
from pathlib import Path
from safetensors.torch import save_file
for folder in map(Path, sys.argv[1:]):
    sys.modules.pop("model", None)
    sys.path[:0] = [str(folder)]
    spec = importlib.util.spec_from_file_location("train", folder / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net, losses = module.train()
    save_file(net.state_dict(), folder / "ours.safetensors")
    (folder / "losses.json").write_text(json.dumps(losses))
    del sys.path[0]
"""


def recipe(template: str, steps: int = 50, graph: Graph | None = None, **settings: Any) -> Recipe:
    config = TrainConfig(DataRef(BY_NAME[template].dataset), **{"steps": steps, "seed": 3, "device": "cpu", **settings})
    return planned(graph or load(template), config)


def of(graph: Graph, data: Dataset, steps: int = 20, **settings: Any) -> Recipe:
    """As ``recipe``, on data that the table of data sets does not have."""
    config = TrainConfig(DataRef("iris"), **{"steps": steps, "seed": 3, "device": "cpu", **settings})
    start = {**initial(graph, config.optimizer), **config.knobs, HORIZON: steps}
    return Recipe(graph, config, replace(data, name="iris"), start, steps, device="cpu")


def write(folder: Path, recipe: Recipe) -> None:
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(source(recipe.graph), encoding="utf-8")
    (folder / "train.py").write_text(train_script(recipe), encoding="utf-8")
    np.savez(folder / "data.npz", **arrays(recipe))


def in_a_clean_process(*folders: Path) -> list[list[float]]:
    """The losses of the programs in ``folders``; their weights lie there as ours.safetensors."""
    python("-c", RUN, *folders, cwd=folders[0])
    return [json.loads((folder / "losses.json").read_text()) for folder in folders]


def python(*arguments: object, cwd: Path) -> str:
    return _run(sys.executable, *arguments, cwd=cwd)


def run_tool(tool: str, *arguments: object, cwd: Path) -> str:
    return _run(Path(sys.executable).with_name(tool), *arguments, cwd=cwd)


def _run(*command: object, cwd: Path) -> str:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def by_the_engine(recipe: Recipe) -> tuple[list[float], dict[str, Tensor]]:
    """Loss per batch and weights at the end; knobs are turned where ``recipe.changes`` says so."""
    training = Training(recipe.graph, recipe.config, recipe.data, watch=False, pace=EveryN(10_000))
    losses: list[float] = []
    see = training.report.batch
    training.report.batch = lambda loss: (losses.append(loss), see(loss))[1]  # type: ignore[method-assign]
    turn(training, recipe)
    for _ in training.run():
        if training.step == recipe.steps:
            break
        turn(training, recipe)
    return losses, training.model.state_dict()


def turn(training: Training, recipe: Recipe) -> None:
    for name, value in recipe.changes.get(training.step, {}).items():
        training.set(name, value)
