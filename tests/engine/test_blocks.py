"""A network with blocks trains, is watched, previewed and exported as what it is written out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from builder.block import drawn
from builder.edit import apply
from builder.flatten import flatten
from builder.graph import Graph
from builder.grouping import group
from builder.infer import infer
from engine.config import DataRef, TrainConfig
from engine.cost import costs
from engine.data import load
from engine.events import Event
from engine.export.recipe import planned
from engine.export.script import train_script
from engine.knobs import initial
from engine.loop import Training
from engine.network import Network, owner
from engine.pace import EveryN
from engine.preflight import preflight
from engine.probe import probe
from engine.probing import Answer
from engine.verdict import verdict
from tests.builder.drawings import chain
from tests.engine.export.programs import by_the_engine, in_a_clean_process, write

DATA = DataRef("spiral")
FLAT = chain(
    *("Input", "Linear", "Tanh", "Linear", "Tanh", "Dropout", "Linear", "Tanh", "Linear", "Output"),
    b={"out_features": 8},
    d={"out_features": 8},
    f={"p": 0.1},
    g={"out_features": 8},
    i={"out_features": 2},
)
ONE = apply(FLAT, group(FLAT, ["b", "c", "d", "e", "f"], "Start"))
STACK = chain("Input", "Linear", "Block", "Linear", "Output", b={"out_features": 8}, c={"repeat": 3})
STACK = STACK.set_params("d", {"out_features": 2}).set_inner(
    "c", chain("Input", "Linear", "Tanh", "Dropout", "Output", b={"out_features": 8}, d={"p": 0.1})
)


def config(**more: Any) -> TrainConfig:
    return TrainConfig(DATA, **{"steps": 30, "seed": 3, "device": "cpu", **more})


def trained(graph: Graph, lane: Any = "eager") -> tuple[list[Event], Training]:
    training = Training(graph, config(), load(DATA), pace=EveryN(10), lane=lane)
    return [event for events in training.run() for event in events], training


def losses(events: list[Event]) -> list[float]:
    return [e.body["train_loss"] for e in events if e.kind == "point" and e.body["train_loss"] is not None]


def test_grouped_layers_train_to_the_same_bit() -> None:
    (before, flat), (after, nested) = trained(FLAT), trained(ONE)
    assert losses(before) == losses(after)
    assert len(losses(after)) > 2
    renamed = {k.removeprefix("block_1."): v for k, v in nested.model.state_dict().items()}
    assert all(torch.equal(v, renamed[k]) for k, v in flat.model.state_dict().items())


def test_a_grouped_chain_still_runs_in_the_native_lane() -> None:
    (_, flat), (_, nested) = trained(FLAT, "auto"), trained(ONE, "auto")
    assert nested.lane.name == flat.lane.name


def test_every_layer_of_every_repeat_is_measured_by_its_path() -> None:
    events, training = trained(STACK)
    ids = {n.id for n in flatten(STACK).nodes}
    layers = [layer["id"] for layer in training.started().body["layers"]]
    assert layers == training.flat.layers == ["b", "c.0.b", "c.1.b", "c.2.b", "d"]
    assert {node.id for node in training.network.measured} < ids
    measured = next(e.body for e in events if e.kind == "layers")
    assert all(norm > 0 for norm in measured["grad_norm"])
    assert set(training.network.dropouts) == {"c.0.d", "c.1.d", "c.2.d"}


def test_a_parameter_belongs_to_the_layer_it_lies_in_however_deep() -> None:
    nodes = Network(STACK).nodes
    assert owner("c.1.b.weight", nodes) == "c.1.b"
    assert owner("b.weight", nodes) == "b"
    assert owner("t.self_attn.in_proj_weight", {"t": "t"}) == "t"


def test_each_dropout_in_a_block_has_its_knob() -> None:
    assert {k: v for k, v in initial(STACK).items() if k.startswith("dropout:")} == {
        f"dropout:c.{k}.d": 0.1 for k in range(3)
    }
    assert preflight(STACK, replace(config(), knobs={"dropout:c.1.d": 0.4}), load(DATA)) == ()


def test_a_softmax_in_a_block_before_the_output_is_told_and_removed_there() -> None:
    inner = chain("Input", "Linear", "Softmax", "Output", b={"out_features": 2})
    graph = chain("Input", "Block", "Output").set_inner("b", inner)
    (problem,) = preflight(graph, config(), load(DATA))
    assert (problem.code, problem.node) == ("train/softmax-before-output", "b.c")
    assert problem.fix
    assert preflight(apply(graph, problem.fix.edits), config(), load(DATA)) == ()
    between = chain("Input", "Block", "Linear", "Output", c={"out_features": 2}).set_inner("b", inner)
    assert preflight(between, config(), load(DATA)) == ()


def test_a_drawing_with_too_many_repeats_is_refused_and_can_still_be_looked_at() -> None:
    huge = STACK.set_params("c", {"repeat": 200})
    huge = chain("Input", "Block", "Output", b={"repeat": 200}).set_inner("b", huge)
    (problem,) = preflight(huge, config(), load(DATA))
    assert problem.code == "graph/too-many-layers"
    assert "dropout:b.0.c.0.d" in initial(huge)
    assert costs(infer(huge), config(), 100, 100).total


def test_a_preview_shows_what_is_in_blocks_and_judges_the_whole() -> None:
    answer = probe(STACK, config(), load(DATA))
    assert {"c.0.b", "c.2.d", "d"} <= set(answer["nodes"])
    assert answer["layers"] == ["b", "c.0.b", "c.1.b", "c.2.b", "d"]
    seen = Answer(1, layers=tuple(answer["layers"]), norms=tuple(answer["norms"]), input_square=answer["input_square"])
    assert "every layer learns" in verdict(STACK, seen).summary


def test_what_a_preview_says_of_a_layer_in_a_block_is_told_and_mended_in_the_drawing() -> None:
    deep = STACK.set_params("c", {"repeat": 12})
    inner = chain("Input", "Linear", "Sigmoid", "Output", b={"out_features": 8, "init": "normal_small"})
    deep = deep.set_inner("c", inner)
    answer = probe(deep, config(), load(DATA))
    seen = Answer(1, layers=tuple(answer["layers"]), norms=tuple(answer["norms"]), input_square=answer["input_square"])
    problem = verdict(deep, seen).problem
    assert problem
    assert problem.node in {drawn(n.id) for n in flatten(deep).nodes}
    if problem.fix:
        assert infer(apply(deep, problem.fix.edits)).ok


def test_the_program_repeats_the_training_with_a_knob_turned_in_a_block(tmp_path: Path) -> None:
    recipe = planned(STACK, replace(config(), knobs={"dropout:c.1.d": 0.3}))
    assert """vars(net.get_submodule("c.1.d"))["p"] = 0.3""" in train_script(recipe)
    write(tmp_path / "a", recipe)
    (theirs,) = in_a_clean_process(tmp_path / "a")
    ours, _ = by_the_engine(recipe)
    assert theirs == ours
