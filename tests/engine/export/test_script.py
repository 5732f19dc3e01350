"""train.py repeats what the engine does, and reads like a program that a person wrote."""

from __future__ import annotations

import ast
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from builder.catalog import BY_TYPE
from builder.graph import Graph, Node
from builder.infer import infer
from builder.source import source
from builder.templates import TEMPLATES, load
from engine.config import SETTINGS
from engine.export import phrases
from engine.export.recipe import Recipe
from engine.export.script import train_script
from engine.knobs import KNOBS
from tests.engine.drawn import chain
from tests.engine.export.programs import by_the_engine, in_a_clean_process, python, recipe, run_tool, write

GOLDEN = Path(__file__).with_name("golden")
CHOICES = {p.name: p.choices for p in SETTINGS}
DROPOUT = next(n.id for n in load("mlp").nodes if n.type == "Dropout")
REGULARIZERS = {
    "l1": 1e-4, "l2": 1e-3, "elastic": 1e-3, "elastic_mix": 0.3, "weight_decay": 0.01, "input_noise": 0.1,
    "label_smoothing": 0.1, "clip_norm": 1.0, "clip_value": 0.5, "dropout": 0.1,
}  # fmt: skip
TURNED: dict[int, dict[str, float]] = {
    5: {"lr": 0.003, "momentum": 0.5, "clip_norm": 0.5, "input_noise": 0.2},
    12: {"batch_size": 7, "l2": 0.01, "weight_decay": 0.0, "label_smoothing": 0.2, "momentum": 0.0},
    20: {f"dropout:{DROPOUT}": 0.5, "momentum": 0.8, "clip_norm": 0.0, "input_noise": 0.0, "batch_size": 1},
    30: {"elastic": 0.01, "elastic_mix": 0.9, "clip_value": 0.1, "batch_size": 64},
}
NOISY = chain(
    ("Input", {"shape": (4,)}),
    ("Linear", {"out_features": 8}),
    ("AlphaDropout", {}),
    ("GaussianNoise", {}),
    ("Linear", {"out_features": 8}),
    ("StochasticDepth", {}),
    ("Dropout", {}),
    ("Linear", {"out_features": 3}),
    ("Output", {}),
)
SMALL = 500_000  # FLOPs of one example; in large networks rounding grows fast
# Elsewhere the engine sums over all weights at once, and the program over one layer after the other.
PARTS = 6
# Of convolutions, attention and recurrent layers the last bit depends on where the weights lie in memory.
TO_THE_BIT = ("Data", "Dense", "Activation", "Shape", "Regularisation")
INEXACT = ("l1", "l2", "elastic", "clip_norm")


def of_templates(part: int) -> dict[str, Recipe]:
    """Each template with another optimizer, schedule and regularizer, in PARTS parts."""
    found = {}
    for i, template in list(enumerate(TEMPLATES))[part::PARTS]:
        graph = load(template.name)
        optimizer = CHOICES["optimizer"][i % len(CHOICES["optimizer"])]
        schedule = CHOICES["schedule"][i % len(CHOICES["schedule"])]
        knob = [*REGULARIZERS][i % (len(REGULARIZERS) - 1)]
        knobs = {"lr": 0.001, knob: REGULARIZERS[knob]}
        flops = infer(graph).flops
        most = 20 if knob in INEXACT else 50  # what differs in the last digit grows with every step
        steps = most if flops < SMALL else 10 if flops < 4 * SMALL else 3
        name = f"{template.name}-{optimizer}-{schedule}-{knob}"
        found[name] = recipe(template.name, steps, optimizer=optimizer, schedule=schedule, knobs=knobs)
    return found


def of_settings() -> dict[str, Recipe]:
    found: dict[str, Recipe] = {}
    for o in CHOICES["optimizer"]:
        found[f"{o}-everything"] = recipe("mlp", optimizer=o, knobs={"lr": 1e-3, **REGULARIZERS})
        found[f"{o}-turned"] = replace(recipe("mlp", optimizer=o, knobs={"lr": 1e-3}), changes=TURNED, trained=True)
    for s in CHOICES["schedule"]:
        found[f"{s}-schedule"] = recipe("iris_mlp", schedule=s)
    for loss in CHOICES["loss"]:
        found[f"{loss}-classes"] = recipe("iris_mlp", loss=loss, knobs={"label_smoothing": 0.1})
        if loss not in ("cross_entropy", "bce"):
            found[f"{loss}-numbers"] = recipe("regression_mlp", loss=loss)
    found["another order"] = recipe("iris_mlp", order=7)
    found["no momentum"] = recipe("iris_mlp", optimizer="nesterov", knobs={"momentum": 0.0, "batch_size": 1})
    found["lone example"] = recipe("iris_mlp", knobs={"batch_size": 7})
    stopping: dict[str, Any] = {"early_stopping": True, "patience": 20, "optimizer": "sgd", "knobs": {"lr": 3.0}}
    found["odd names"] = recipe("mlp", 5, graph=oddly_named(), knobs={"dropout": 0.4})
    noisy = recipe("iris_mlp", 20, graph=NOISY, knobs={"dropout": 0.3})
    found["every dropout"] = replace(
        noisy, changes={10: {f"dropout:{n.id}": 0.1 for n in NOISY.nodes if "D" in n.type}}
    )
    found["early stopping"] = recipe("iris_mlp", 400, **stopping)
    return found


def oddly_named() -> Graph:
    graph = load("mlp")
    new = {n.id: "class" if n.id == DROPOUT else n.id for n in graph.nodes}
    nodes = tuple(Node(new[n.id], n.type, n.params, '"""\nimport os') for n in graph.nodes)
    return Graph(nodes, tuple(replace(e, source=new[e.source], target=new[e.target]) for e in graph.edges))


MAKERS = {f"templates {part}": partial(of_templates, part) for part in range(PARTS)} | {"settings": of_settings}


@pytest.fixture(scope="module")
def recipes() -> dict[str, Recipe]:
    return {name: each for make in MAKERS.values() for name, each in make().items()}


@pytest.mark.parametrize("of", MAKERS)
def test_in_a_clean_process_the_program_has_the_losses_of_the_engine_and_where_possible_its_bits(
    of: str, tmp_path: Path
) -> None:
    recipes = MAKERS[of]()
    for name, each in recipes.items():
        write(tmp_path / name, each)
    got = in_a_clean_process(*(tmp_path / name for name in recipes))
    for (name, each), theirs in zip(recipes.items(), got, strict=True):
        losses, weights = by_the_engine(each)
        assert len(losses) == len(theirs), name
        np.testing.assert_allclose(theirs, losses, rtol=1e-5, atol=1e-5, err_msg=name)
        found = load_file(tmp_path / name / "ours.safetensors")
        assert found.keys() == weights.keys()
        plain = all(n.type in BY_TYPE and BY_TYPE[n.type].group in TO_THE_BIT for n in each.graph.nodes)
        if plain and not each.changes and not any(each.acts(knob) for knob in INEXACT):
            assert theirs == losses, name
            assert [k for k in weights if not torch.equal(found[k], weights[k])] == [], name


def test_early_stopping_ends_before_the_last_step(recipes: dict[str, Recipe]) -> None:
    losses, _ = by_the_engine(recipes["early stopping"])
    assert len(losses) < recipes["early stopping"].steps


def test_the_programs_are_short_and_tools_find_nothing(recipes: dict[str, Recipe], tmp_path: Path) -> None:
    for name, each in recipes.items():
        folder = tmp_path / name.replace(" ", "_").replace("-", "_")
        folder.mkdir()
        (folder / "model.py").write_text(source(each.graph))
        (folder / "train.py").write_text(text := train_script(each))
        assert len(text.splitlines()) < 150, name
    select = "E4,E7,E9,F,I,B,UP,SIM,C4,RUF100,PLE"
    for folder in tmp_path.iterdir():  # one by one: there model.py is a neighbour, as for who gets it
        run_tool("ruff", "check", "--isolated", "--no-cache", "--select", select, ".", cwd=folder)
    for width in (88, 120):
        run_tool("ruff", "format", "--isolated", "--check", "--diff", "--line-length", width, tmp_path, cwd=tmp_path)


@pytest.mark.parametrize("name", ["adam-turned", "early stopping"])
def test_mypy_accepts_the_program(recipes: dict[str, Recipe], name: str, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(source(recipes[name].graph))
    (tmp_path / "train.py").write_text(train_script(replace(recipes[name], device="auto")))
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    cache = Path(__file__).parents[3] / ".mypy_cache" / "exports"
    run_tool("mypy", "--disallow-untyped-defs", "--cache-dir", cache, "train.py", cwd=tmp_path)


@pytest.mark.parametrize("name", ["constant-schedule", "adamw-everything", "adam-turned", "early stopping"])
def test_a_program_reads_as_agreed(recipes: dict[str, Recipe], name: str) -> None:
    text, path = train_script(recipes[name]), GOLDEN / f"{name.replace(' ', '_')}.txt"
    if os.environ.get("LAYERLOOM_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_setting_has_its_words() -> None:
    assert phrases.OPTIMIZERS.keys() == set(CHOICES["optimizer"])
    assert phrases.LOSSES.keys() == set(CHOICES["loss"]) - {"auto"}
    for name in CHOICES["schedule"]:
        assert phrases.schedule(name)[-1][0].startswith(f"def {name}("), name


def test_every_knob_that_is_on_is_used_and_none_that_is_off() -> None:
    def names(each: Recipe) -> set[str]:
        return {n.id for n in ast.walk(ast.parse(train_script(each))) if isinstance(n, ast.Name)}

    off = names(recipe("mlp"))
    for knob in KNOBS:
        if knob.name not in ("lr", "batch_size", "momentum", "elastic_mix", "speed"):
            assert knob.name.upper() not in off
            assert knob.name.upper() in names(recipe("mlp", knobs={knob.name: 0.1}))
    assert {"LR", "BATCH_SIZE", "MOMENTUM"} <= off
    assert "MOMENTUM" not in names(recipe("mlp", optimizer="sgd"))
    assert "ELASTIC_MIX" in names(recipe("mlp", knobs={"elastic": 0.1}))
    assert "SPEED" not in names(recipe("mlp", knobs={"speed": 100.0}))


def test_a_schedule_keeps_its_horizon_where_the_run_was_stopped() -> None:
    stopped = replace(recipe("iris_mlp", 1_000, schedule="cosine"), steps=300)
    text = train_script(stopped)
    assert "STEPS = 300\n" in text
    assert "HORIZON = 1_000\n" in text
    assert "cosine(i, HORIZON)" in text
    assert "HORIZON" not in train_script(replace(recipe("iris_mlp", 1_000), steps=300))


def test_names_of_layers_and_labels_reach_the_program_as_attributes_only(recipes: dict[str, Recipe]) -> None:
    text = train_script(recipes["odd names"])
    assert "net.class_.p = 0.4" in text
    assert "import os" not in text


def test_run_as_it_is_it_prints_losses_and_saves_weights_that_the_model_loads(tmp_path: Path) -> None:
    write(tmp_path / "net", recipe("iris_mlp", 30))
    said = python(tmp_path / "net" / "train.py", cwd=tmp_path)
    assert said.splitlines()[-1].startswith("step      30  loss ")
    assert len(said.splitlines()) == 10
    assert python(tmp_path / "net" / "model.py", cwd=tmp_path) == "(1, 3)\n"
    assert (tmp_path / "net" / "weights.safetensors").is_file()


def test_the_script_needs_no_torch() -> None:
    code = (
        "import sys; from engine.export.recipe import planned; from engine.export.bundle import bundle; "
        "from engine.export.job import OnnxJob; from engine.config import DataRef, TrainConfig; "
        "from builder.templates import load; bundle(planned(load('iris_mlp'), TrainConfig(DataRef('iris')))); "
        "assert 'torch' not in sys.modules"
    )
    python("-c", code, cwd=Path(__file__).parents[3])
