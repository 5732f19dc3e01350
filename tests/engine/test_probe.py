"""A preview is the first step of the run that Train would start, and tells in plain words where there is none."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
import torch

from builder import templates
from builder.document import to_json
from builder.graph import Graph
from engine import probe as probing
from engine.config import DataRef, TrainConfig
from engine.data import load
from engine.lanes.lane import Wanted
from engine.loop import Training
from engine.pace import EveryN
from engine.probe import answer, probe
from tests.engine.drawn import CASES, CNN, MLP, chain


def config_of(data: str, **settings: Any) -> TrainConfig:
    return TrainConfig(DataRef(data), seed=5, **settings)


def layers_event(graph: Graph, config: TrainConfig, lane: Wanted = "eager") -> dict[str, list[float]]:
    """The "layers" event of step 1 of a real run. Its numbers have six digits."""
    training = Training(graph, config, load(config.data, config.seed), pace=EveryN(1), lane=lane)
    return next(e.body for e in next(training.run()) if e.kind == "layers")


def asked(graph: Graph, config: TrainConfig) -> dict[str, Any]:
    return answer({"graph": to_json(graph), "config": config.to_json(), "csv": None})


KINDS = ("mlp", "spiral_mlp", "vanishing", "exploding", "lenet5", "residual_cnn", "lstm", "regression_mlp")
DRAWN = {name: (name, templates.BY_NAME[name].dataset) for name in KINDS}


@pytest.mark.parametrize(("template", "data"), DRAWN.values(), ids=list(DRAWN))
def test_the_gradient_of_each_layer_is_that_of_step_1_of_the_run(template: str, data: str) -> None:
    graph, config = templates.load(template), config_of(data)
    found = probe(graph, config, load(config.data, config.seed))
    assert found["norms"] == layers_event(graph, config)["grad_norm"]
    # Of residual_cnn single precision itself is up to 1e-4 away from double, in either lane.
    assert found["norms"] == pytest.approx(layers_event(graph, config, "auto")["grad_norm"], rel=1e-4, abs=0)


TURNED: dict[str, dict[str, Any]] = {
    "penalties": {"knobs": {"l1": 0.1, "l2": 0.3}},
    "noise, dropout and smoothing": {"knobs": {"input_noise": 0.5, "dropout": 0.5, "label_smoothing": 0.1}},
    "a batch of 7 and clipping, which comes later": {"knobs": {"batch_size": 7, "clip_norm": 0.001}},
    "another loss": {"loss": "mse"},
    "one step": {"steps": 1},
}


@pytest.mark.parametrize("settings", TURNED.values(), ids=list(TURNED))
def test_the_settings_of_the_page_count(settings: dict[str, Any]) -> None:
    plain = probe(MLP, config_of("spiral"), load(DataRef("spiral"), 5))
    config = config_of("spiral", **settings)
    found = probe(MLP, config, load(config.data, config.seed))
    assert found["norms"] == layers_event(MLP, config)["grad_norm"]
    assert settings == {"steps": 1} or found["norms"] != plain["norms"]


def test_asking_twice_gives_the_same_and_leaves_what_torch_draws_next_to_the_seed() -> None:
    config = config_of("digits")
    torch.manual_seed(1)
    first = asked(CNN, config)
    torch.manual_seed(2)
    assert asked(CNN, config) == first


@pytest.mark.parametrize(("graph", "data"), CASES.values(), ids=list(CASES))
def test_every_node_that_runs_has_a_picture_and_every_layer_with_weights_a_colour(graph: Graph, data: str) -> None:
    found = asked(graph, config_of(data))
    assert set(found["nodes"]) == {n.id for n in graph.nodes}
    for id, node in found["nodes"].items():
        assert base64.b64decode(node["img"].partition(",")[2]).startswith(b"\x89PNG")
        assert len(node["alt"]) > 20
        assert (node["c"] is not None) == (node["t"] != "") == (id in found["layers"])
        if id in found["layers"]:
            norm = found["norms"][found["layers"].index(id)]
            assert 0 <= node["c"] <= 1
            assert node["t"] == f"‖g‖ {norm:.3g}"
    assert math.isfinite(found["loss"])
    json.dumps(found, allow_nan=False)


def test_the_input_is_measured_where_it_is_numbers() -> None:
    config = config_of("digits")
    x = load(config.data, config.seed).x_train
    square = asked(CNN, config)["input_square"]
    assert square == pytest.approx(float((x**2).mean()), rel=0.2)


def problem(graph: Graph, config: TrainConfig) -> dict[str, Any]:
    found = asked(graph, config)
    assert list(found) == ["problem"]
    return dict(found["problem"])


def test_a_network_that_does_not_fit_the_data_says_what_preflight_says() -> None:
    said = problem(MLP, config_of("digits"))
    assert said["code"] == "data/wrong-input"
    assert "1 × 8 × 8" in said["what"]


def test_a_large_network_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "Training", lambda *_a, **_k: pytest.fail("it was built"))
    huge = chain(("Input", {"shape": (2,)}), ("Linear", {"out_features": 9_000}), ("Linear", {"out_features": 6_000}),
                 ("Linear", {"out_features": 2}), ("Output", {}))  # fmt: skip
    said = problem(huge, config_of("spiral"))
    assert said["code"] == "probe/large"
    assert said["what"] == "The network has 54,045,002 parameters; a preview while editing stops at 50,000,000."


def test_numbers_that_overflow_name_the_layer() -> None:
    layers = [("Linear", {"out_features": 300, "init": "normal_large"})] * 40  # each makes signals 17 times larger
    graph = chain(("Input", {"shape": (2,)}), *layers, ("Linear", {"out_features": 2}), ("Output", {}))
    said = problem(graph, config_of("spiral"))
    assert said["code"] == "probe/fault"
    assert said["what"].startswith("Training would stop at its first step: the loss became")
    assert said["node"].startswith("linear_")


def test_memory_that_runs_out_is_told_and_so_is_a_fault_of_ours(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fails(error: Exception) -> None:
        def raising(*_a: Any, **_k: Any) -> None:
            raise error

        monkeypatch.setattr(probing, "Training", raising)

    fails(RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 99 bytes."))
    assert problem(MLP, config_of("spiral"))["what"] == (
        "The preview of this network needs more memory than it may use."
    )
    fails(ZeroDivisionError("a slip"))
    assert problem(MLP, config_of("spiral"))["code"] == "probe/bug"
    assert "a slip" in capfd.readouterr().err
