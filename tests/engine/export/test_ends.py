"""Programs for several Inputs and Outputs, any target and any loss, repeat what the engine does."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from builder.source import source
from engine.export.notebook import notebook
from engine.export.recipe import Recipe
from engine.export.script import train_script
from engine.losses import LOSSES
from tests.engine.ends import (
    AUTOENCODER,
    CASES,
    IMAGE,
    IMAGE_DATA,
    MASK_DATA,
    PAINTER,
    TAGGER,
    TEXT_DATA,
    TWO,
    TWO_DATA,
    VAE,
    VAE_DATA,
    data,
    field,
    net,
)
from tests.engine.export.programs import by_the_engine, in_a_clean_process, of, run_tool, write

GOLDEN = Path(__file__).with_name("golden")
EVERYTHING = {"label_smoothing": 0.1, "input_noise": 0.1, "batch_size": 20}
MIXED = net(
    ("words", "Input", {"shape": (5,), "dtype": "int64"}, ""),
    ("sizes", "Input", {"shape": (3,), "field": "x"}, ""),
    ("embed", "Embedding", {"num_embeddings": 7, "embedding_dim": 4}, "words"),
    ("flat", "Flatten", {}, "embed"),
    ("both", "Concat", {}, "flat sizes"),
    ("score", "Linear", {"out_features": 3}, "both"),
    ("y", "Output", {}, "score"),
)
MIXED_DATA = data((TEXT_DATA.inputs[0], TWO_DATA.inputs[0]), (TWO_DATA.targets[0],))
FOLDED = net(
    ("x", "Input", {"shape": (1, 4, 4)}, ""),
    ("conv", "Conv2d", {"out_channels": 1, "kernel_size": 3, "padding": 1}, "x"),
    ("y", "Output", {"target": "image"}, "conv"),
)
COLOURED = data((IMAGE,), (field("coloured", 1, 4, 4),))


def recipes() -> dict[str, Recipe]:
    found = {name: of(graph, dataset, knobs=EVERYTHING) for name, (graph, dataset) in CASES.items()}
    turned: dict[int, dict[str, float]] = {4: {"weight:out_size": 2.0, "input_noise": 0.0}, 9: {"label_smoothing": 0.0}}
    found["weights turned"] = replace(of(TWO, TWO_DATA, knobs=EVERYTHING), changes=turned)
    found["early stopping"] = of(VAE, VAE_DATA, 60, early_stopping=True, patience=10, knobs={"lr": 0.3})
    for loss in (name for name in LOSSES if name != "cross_entropy"):
        found[f"{loss} at positions"] = of(TAGGER, TEXT_DATA, loss=loss, knobs=EVERYTHING)
    found["bce at pixels"] = of(PAINTER, MASK_DATA, loss="bce")
    found["mse on classes"] = of(TWO, TWO_DATA, loss="mse", knobs=EVERYTHING)
    found["tokens and numbers"] = of(MIXED, MIXED_DATA, knobs={"input_noise": 0.2})
    found["a picture from a picture"] = of(FOLDED, IMAGE_DATA)
    found["another picture"] = of(FOLDED.set_params("y", {"target": ""}), COLOURED)
    found["another picture in a row"] = of(AUTOENCODER.set_params("y", {"target": ""}), COLOURED)
    only = VAE.remove("y").remove("decoder").remove("sample")
    found["nothing but a prior"] = of(only, VAE_DATA)
    return found


@pytest.fixture(scope="module")
def every() -> dict[str, Recipe]:
    return recipes()


def test_in_a_clean_process_the_program_has_the_losses_and_bits_of_the_engine(
    every: dict[str, Recipe], tmp_path: Path
) -> None:
    for name, each in every.items():
        write(tmp_path / name, each)
    got = in_a_clean_process(*(tmp_path / name for name in every))
    for (name, each), theirs in zip(every.items(), got, strict=True):
        losses, weights = by_the_engine(each)
        assert len(losses) == len(theirs), name
        assert theirs == losses, name
        found = load_file(tmp_path / name / "ours.safetensors")
        assert [k for k in weights if not torch.equal(found[k], weights[k])] == [], name


def test_the_programs_are_short_and_tools_find_nothing(every: dict[str, Recipe], tmp_path: Path) -> None:
    for name, each in every.items():
        folder = tmp_path / name.replace(" ", "_").replace(",", "")
        folder.mkdir()
        (folder / "model.py").write_text(source(each.graph))
        (folder / "train.py").write_text(text := train_script(each))
        (folder / "train.ipynb").write_text(notebook(each), encoding="utf-8")
        assert len(text.splitlines()) < 160, name
    select = "E4,E7,E9,F,I,B,UP,SIM,C4,RUF100,PLE"
    for folder in tmp_path.iterdir():
        run_tool("ruff", "check", "--isolated", "--no-cache", "--select", select, ".", cwd=folder)
    for width in (88, 120):
        run_tool("ruff", "format", "--isolated", "--check", "--diff", "--line-length", width, tmp_path, cwd=tmp_path)


@pytest.mark.parametrize("name", ["weights turned", "a class at each position"])
def test_mypy_accepts_the_program(every: dict[str, Recipe], name: str, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(source(every[name].graph))
    (tmp_path / "train.py").write_text(train_script(replace(every[name], device="auto")))
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    cache = Path(__file__).parents[3] / ".mypy_cache" / "exports"
    run_tool("mypy", "--disallow-untyped-defs", "--cache-dir", cache, "train.py", cwd=tmp_path)


@pytest.mark.parametrize("name", ["two inputs, two outputs", "variational autoencoder", "a class at each position"])
def test_a_program_reads_as_agreed(every: dict[str, Recipe], name: str) -> None:
    text, path = train_script(every[name]), GOLDEN / f"{name.replace(' ', '_').replace(',', '')}.txt"
    if os.environ.get("LAYERLOOM_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_a_picture_that_is_to_come_out_again_lies_in_the_zip_once(every: dict[str, Recipe], tmp_path: Path) -> None:
    write(tmp_path / "net", every["autoencoder"])
    held: Any = np.load(tmp_path / "net" / "data.npz")
    assert sorted(held) == ["x_train", "x_val"]
