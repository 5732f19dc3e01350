"""Reads a drawn network as the plain stack of layers that mean-field theory speaks of, or says why it is
none. No torch."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from builder.catalog import BY_TYPE
from builder.graph import Node
from builder.infer import Inference, NodeInfo
from engine.meanfield import ACTIVATIONS, Stage, bias_variance, weight_variance

WEIGHTED = ("Linear", "Conv1d", "Conv2d", "Conv3d")
NEUTRAL = ("Input", "Output", "Flatten", "Unflatten", "Reshape", "Permute")  # keep every value as it is


def stack(inference: Inference, order: list[str]) -> list[Stage] | str:
    """The stages of a network without errors, whose nodes run in ``order``; or why theory expects nothing of it."""
    if forked := _fork(inference, order):
        return f"{forked} joins or splits the way"
    stages: list[Stage] = []
    for id in order:
        node, info = inference.graph.by_id[id], inference.nodes[id]
        if node.type in WEIGHTED and "weight" in info.weights:
            stages.append(_stage(node, info))
        elif node.type in NEUTRAL:
            continue
        elif stages and node.type == "Dropout":
            stages[-1] = replace(stages[-1], keep=stages[-1].keep * (1 - _params(node)["p"]))
        elif stages and node.type in ACTIVATIONS and stages[-1].activation == "Identity":
            stages[-1] = replace(stages[-1], activation=node.type, params=tuple(_params(node).items()))
        else:
            return f"{id} is none of them"
    return stages


def _fork(inference: Inference, order: list[str]) -> str | None:
    """The first node that is not read by the next alone."""
    for before, id in pairwise(order):
        if [e.source for e in inference.graph.inputs(id)] != [before]:
            return id
    return None


def _stage(node: Node, info: NodeInfo) -> Stage:
    shape, init = info.weights["weight"], _params(node)["init"]
    return Stage(
        node=node.id,
        shape=shape,
        weight_variance=weight_variance(init, shape),
        bias_variance=bias_variance(init, shape) if "bias" in info.weights else 0.0,
        biased="bias" in info.weights,
    )


def _params(node: Node) -> dict[str, Any]:
    return BY_TYPE[node.type].complete(node.params)
