"""Every template is a sound network that fits its data and can be read on the canvas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations, groupby
from pathlib import Path
from typing import Any

import pytest
import torch

import builder.templates
from builder.compile import compile_graph
from builder.document import dumps
from builder.flatten import flatten
from builder.graph import Graph
from builder.infer import infer
from builder.picture import wrap
from builder.templates import BY_NAME, GROUPS, TEMPLATES, Template, load
from tests.builder.layers import batch

WIDTH, HEIGHT = 190, 110  # of a node on the canvas
each_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda t: t.name)


def test_every_document_is_listed() -> None:
    assert {p.stem for p in Path(builder.templates.__file__).parent.glob("*.json")} == set(BY_NAME)
    assert len(BY_NAME) == len(TEMPLATES)


@each_template
def test_a_template_is_without_fault_and_says_what_it_is(template: Template) -> None:
    graph = load(template.name)
    assert infer(graph).diagnostics == ()
    assert template.about.endswith((".", ")"))
    (note,) = graph.notes
    assert 60 < len(note.text) < 330
    assert note.text.endswith(".")


def test_titles_tell_templates_apart_and_groups_stand_together() -> None:
    assert len({t.title for t in TEMPLATES}) == len(TEMPLATES)
    assert [group for group, _ in groupby(t.group for t in TEMPLATES)] == list(GROUPS)


@each_template
def test_a_document_is_as_the_app_would_save_it(template: Template) -> None:
    assert dumps(load(template.name)) == template.document.read_text(encoding="utf-8")


@each_template
def test_layers_do_not_overlap_on_the_canvas(template: Template) -> None:
    places = [n.position for n in load(template.name).nodes]
    close = [(a, b) for a, b in combinations(places, 2) if abs(a[0] - b[0]) < WIDTH and abs(a[1] - b[1]) < HEIGHT]
    assert close == []


@each_template
def test_the_note_covers_no_layer_and_its_text_fits(template: Template) -> None:
    graph = load(template.name)
    (note,) = graph.notes
    left, top = note.position
    right, bottom = left + note.size[0], top + note.size[1]
    assert [
        n.id for n in graph.nodes if left - WIDTH < n.position[0] < right and top - HEIGHT < n.position[1] < bottom
    ] == []
    assert 16 * len(wrap(note.text, note.size[0] - 20, 12)) + 12 < note.size[1]


def test_lenet_has_the_weights_of_the_paper_with_full_connections() -> None:
    assert infer(load("lenet5")).params == 61_706


def for_cifar(name: str) -> Graph:
    """The template on the 3 × 32 × 32 images for which it was published."""
    return load(name).set_params("input_1", {"shape": (3, 32, 32)})


def test_resnet_20_and_plain_20_have_the_weights_of_the_paper() -> None:
    """0.27 M (He et al. 2016, table 6). Without projections 269,722 as in its option A, with them 2,752 more."""
    projections = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert infer(for_cifar("plain20")).params == 269_722
    assert infer(for_cifar("resnet20")).params == 269_722 + projections == 272_474


@pytest.mark.parametrize("name", ["plain20", "resnet20"])
def test_they_have_twenty_layers_with_weights_on_the_longest_way(name: str) -> None:
    flat = flatten(load(name))
    weighted = {n.id for n in flat.nodes if n.type in ("Conv2d", "Linear")}
    depth: dict[str, int] = {}
    for id in flat.order():
        depth[id] = max((depth[e.source] for e in flat.inputs(id)), default=0) + (id in weighted)
    assert max(depth.values()) == 20


def test_the_blocks_of_the_gpt_have_the_weights_that_scaling_laws_count() -> None:
    """12·d² per block besides biases and norms (Kaplan et al. 2020, table 1)."""
    inside = {id: info for id, info in infer(load("gpt")).nodes.items() if "." in id}
    matrices = [w for info in inside.values() for w in info.weights.values() if len(w) == 2]
    assert sum(math.prod(w) for w in matrices) == 2 * 12 * 64 * 64


def test_skips_carry_what_came_in_past_two_convolutions() -> None:
    graph = load("residual_cnn")
    for add, pool in (("add_1", "maxpool2d_1"), ("add_2", "maxpool2d_2")):
        assert pool in [e.source for e in graph.inputs(add)]


def gradient_norms(graph: Graph) -> list[float]:
    net = compile_graph(graph, seed=0)
    (x,) = infer(graph).inputs.values()
    torch.nn.functional.cross_entropy(net(batch(x, 64)), torch.arange(64) % 2).backward()
    return [p.grad.norm().item() for p in net.parameters() if p.dim() > 1 and p.grad is not None]


def test_the_gradient_of_vanishing_vanishes_and_that_of_exploding_explodes() -> None:
    vanishing, exploding, healthy = (gradient_norms(load(n)) for n in ("vanishing", "exploding", "spiral_mlp"))
    assert vanishing[0] < 1e-6 * vanishing[-1]
    assert exploding[0] > 1e3
    assert healthy[0] > 0.01 * healthy[-1]


def test_the_cures_that_are_named_cure() -> None:
    rectified = tuple(replace(n, type=n.type.replace("Sigmoid", "ReLU")) for n in load("vanishing").nodes)
    calmer = tuple(replace(n, params=_calm(n.params)) for n in load("exploding").nodes)
    before, after = (gradient_norms(g)[0] for g in (load("vanishing"), replace(load("vanishing"), nodes=rectified)))
    assert after > 1e3 * before
    assert gradient_norms(replace(load("exploding"), nodes=calmer))[0] < 10


def _calm(params: Mapping[str, Any]) -> dict[str, Any]:
    return {k: "kaiming_normal" if v == "normal_large" else v for k, v in params.items()}
