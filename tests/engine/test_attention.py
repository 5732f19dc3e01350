"""Where attention layers look, against a slow reference; and looking changes nothing."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from builder.graph import Edge, Graph, Node
from engine.attention import MOST, packed, watched
from engine.config import DataRef, TrainConfig
from engine.data import load
from engine.loop import Training
from engine.pictures import looks as picture_of
from engine.probe import probe


def slow(layer: nn.MultiheadAttention, query: Tensor, key: Tensor, causal: bool = False) -> np.ndarray:
    """(head, query, key) of one example, one pair of steps at a time: softmax over keys of q·k / √width."""
    d, heads = layer.embed_dim, layer.num_heads
    width = d // heads
    weight, bias = layer.in_proj_weight, layer.in_proj_bias
    q, k = query @ weight[:d].T + bias[:d], key @ weight[d : 2 * d].T + bias[d : 2 * d]
    found = np.zeros((heads, len(query), len(key)))
    for h in range(heads):
        at = slice(h * width, (h + 1) * width)
        for i in range(len(query)):
            seen = i + 1 if causal else len(key)
            scores = [float(q[i, at] @ k[j, at]) / width**0.5 for j in range(seen)]
            shares = np.exp(np.array(scores) - max(scores))
            found[h, i, :seen] = shares / shares.sum()
    return found


@pytest.mark.parametrize("causal", [False, True])
def test_the_looks_of_attention_are_those_of_a_slow_reference(causal: bool) -> None:
    torch.manual_seed(0)
    layer, x = nn.MultiheadAttention(8, 2, dropout=0.9, batch_first=True), torch.randn(3, 5, 8)
    mask = torch.ones(5, 5, dtype=torch.bool).triu(1) if causal else None
    with watched({"a": layer, "b": nn.Linear(2, 2)}) as calls:
        layer(x, x, x, need_weights=False, attn_mask=mask, is_causal=causal)
    assert list(calls) == ["a"]
    assert np.allclose(calls["a"].looks(), slow(layer, x[0], x[0], causal), atol=1e-6)
    assert layer.training


@pytest.mark.parametrize("kind", [nn.TransformerEncoderLayer, nn.TransformerDecoderLayer])
def test_inside_the_layers_of_torch_too_and_of_a_decoder_where_it_looks_in_the_memory(kind: Any) -> None:
    torch.manual_seed(0)
    layer = kind(8, 2, 16, dropout=0.0, batch_first=True, norm_first=False)
    x, memory = torch.randn(2, 5, 8), torch.randn(2, 7, 8)
    inputs = (x, memory) if kind is nn.TransformerDecoderLayer else (x,)
    with watched({"a": layer}) as calls:
        layer(*inputs)
    shown = calls["a"].looks()
    if len(inputs) == 1:
        assert np.allclose(shown, slow(layer.self_attn, x[0], x[0]), atol=1e-6)
    else:
        query = layer.norm1(x + layer.self_attn(x, x, x)[0])
        assert np.allclose(shown, slow(layer.multihead_attn, query[0], memory[0]), atol=1e-5)


def reader(type_: str, **params: object) -> Graph:
    """The rows of a digit → attention → mean over time → 10 scores."""
    ports = 3 if type_ == "MultiheadAttention" else 1
    graph = Graph().add(Node("rows", "Input", {"shape": (8, 8)}))
    graph = graph.add(Node("looks", type_, params), [Edge("rows", "looks", i) for i in range(ports)])
    graph = graph.add(Node("mean", "Mean"), [Edge("looks", "mean")])
    graph = graph.add(Node("scores", "Linear", {"out_features": 10}), [Edge("mean", "scores")])
    return graph.add(Node("out", "Output"), [Edge("scores", "out")])


CONFIG = TrainConfig(DataRef("digit_rows"), seed=3)


@pytest.mark.parametrize("type_", ["MultiheadAttention", "TransformerEncoderLayer"])
def test_a_preview_shows_where_a_layer_looks_and_its_gradient_is_that_of_an_unwatched_pass(type_: str) -> None:
    graph, data = reader(type_, num_heads=4, causal=True), load(CONFIG.data, CONFIG.seed)
    found = probe(graph, CONFIG, data)
    plain = Training(graph, CONFIG, data, watch=False)
    assert found["loss"] == plain.backward()
    assert found["norms"] == [float(f"{n:.6g}") for n in plain.flat.norms(plain.flat.gradient)]
    assert found["looks"]["looks"]["shape"] == [4, 8, 8]
    assert found["nodes"]["looks"]["alt"].startswith("4 of 4 heads, one example: how much each of 8 steps (down) takes")
    assert found["nodes"]["looks"]["c"] is not None
    assert set(found["looks"]) == {"looks"}


def unpacked(body: dict[str, Any]) -> np.ndarray:
    shares = np.frombuffer(base64.b64decode(body["shares"]), np.uint8).reshape(body["shape"])
    return shares / 255 * body["most"]


def test_what_is_handed_on_is_as_exact_as_a_picture_needs_and_long_sequences_are_thinned() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(20), (3, 10))
    assert np.allclose(unpacked(packed(weights)), weights, atol=weights.max() / 500)
    long = np.zeros((12, 300, 200))
    long[:, -1, -1] = 0.5
    body = packed(long)
    assert tuple(body["shape"]) == MOST
    assert unpacked(body)[0, -1, -1] == 0.5
    assert unpacked(packed(np.zeros((1, 2, 2)))).sum() == 0


def test_the_small_picture_has_one_square_per_head_and_says_so() -> None:
    url, words = picture_of(np.random.default_rng(0).dirichlet(np.ones(6), (9, 4)).astype(np.float32))
    assert url.startswith("data:image/png;base64,")
    assert words.startswith("8 of 9 heads, one example: how much each of 4 steps (down) takes from each of 6 (across);")
