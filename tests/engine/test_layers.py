"""Every layer of the catalogue trains, is watched, and has its share turned where it drops one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from builder.graph import Edge, Graph, Node
from builder.infer import infer
from builder.spec import LayerSpec
from engine import knobs
from engine.network import Network
from tests.builder.layers import LAYERS, inputs_for
from tests.engine.drawn import advance, chain, finish, make, same, table, weights

ON_NUMBERS = [spec for spec in LAYERS if spec.type != "Embedding"]
DROPOUTS = [spec for spec in LAYERS if spec.kind == "dropout"]


def around(spec: LayerSpec) -> Graph:
    """Numbers in a row → the shape that the layer takes, at every port → the layer → one number."""
    shape = inputs_for(spec)[0].shape
    before = (("Input", {"shape": (math.prod(shape),)}), ("Linear", {"out_features": math.prod(shape)}))
    graph = chain(*before, ("Reshape", {"shape": shape})).add(Node("layer", spec.type))
    ports = range(2 if spec.variadic else len(spec.ports))
    for port in ports:
        graph = graph.connect(Edge("reshape_1", "layer", port))
    for before_, node in (("layer", "Flatten"), ("flatten_1", "Linear"), ("linear_2", "Output")):
        params = {"out_features": 1} if node == "Linear" else {}
        new = Node(graph.fresh_id(node), node, params)
        graph = graph.add(new, [Edge(before_, new.id)])
    return graph


def numbers(graph: Graph) -> np.ndarray:
    features = math.prod(graph.nodes[0].params["shape"])
    return np.random.default_rng(0).normal(size=(16, features))


@pytest.mark.parametrize("spec", ON_NUMBERS, ids=lambda s: s.type)
def test_every_layer_trains_and_is_watched(spec: LayerSpec) -> None:
    graph = around(spec)
    x = numbers(graph)
    data = table(x, x[:, :1].astype(np.float32))
    training = make(graph, data, every=1, steps=2, loss="mse")
    start = weights(training)
    told = training.started().body
    looks = [e.body for e in finish(training) if e.kind == "layers"]
    assert looks
    assert all(math.isfinite(v) for name in ("grad_norm", "weight_norm", "update_ratio") for v in looks[0][name])
    assert len(looks[0]["mean"]) == len(told["activations"])
    assert ("layer" in {layer["id"] for layer in told["layers"]}) == (infer(graph).nodes["layer"].params > 0)
    assert not same(start, weights(training))


@pytest.mark.parametrize("spec", DROPOUTS, ids=lambda s: s.type)
def test_the_knob_of_a_layer_sets_the_share_that_it_drops(spec: LayerSpec) -> None:
    graph = around(spec)
    assert knobs.initial(graph)["dropout:layer"] == spec.complete({})["p"]
    assert Network(graph).dropouts == {"layer": "layer"}
    x = numbers(graph)
    training = make(graph, table(x, x[:, :1].astype(np.float32)), steps=5, loss="mse")
    training.set("dropout:layer", 0.25)
    advance(training, 1)
    assert training.model.get_submodule("layer").p == 0.25


def test_two_layers_that_share_their_weights_are_told_and_trained_as_one() -> None:
    square = {"out_features": 8}
    graph = chain(
        ("Input", {"shape": (2,)}),
        *(("Linear", square), ("Tanh", {}), ("Linear", square), ("Tanh", {})),
        ("Linear", {**square, "share": "linear_2"}),
        ("Linear", {"out_features": 2}),
        ("Output", {}),
    )
    training = make(graph, "spiral", every=1, steps=3)
    assert training.flat.layers == ["linear_1", "linear_2", "linear_4"]
    assert sum(training.flat.sizes) == (2 * 8 + 8) + (8 * 8 + 8) + (8 * 2 + 2)
    shared = training.model.get_submodule("linear_2")
    before = torch.clone(shared.weight)
    events = finish(training)
    assert not torch.equal(before, shared.weight)
    assert {len(e.body["grad_norm"]) for e in events if e.kind == "layers"} == {3}
