"""The small picture of a drawing holds every layer and every connection, and nothing sticks out."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from builder.graph import Edge, Graph, Node
from builder.templates import TEMPLATES, Template, load
from builder.thumbnail import HEIGHT, WIDTH, thumbnail

SVG = "{http://www.w3.org/2000/svg}"


def parts(graph: Graph) -> tuple[list[dict[str, str]], list[list[float]]]:
    """Attributes of the boxes, and the four numbers of each line."""
    root = ElementTree.fromstring(thumbnail(graph))
    boxes = [box.attrib for box in root.iter(f"{SVG}rect")]
    return boxes, [[float(n) for n in re.findall(r"[\d.]+", line.attrib["d"])] for line in root.iter(f"{SVG}path")]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda t: t.name)
def test_every_layer_of_a_template_is_a_box_within_the_picture(template: Template) -> None:
    graph = load(template.name)
    boxes, lines = parts(graph)
    blocks = sum(n.type == "Block" for n in graph.nodes)
    assert (len(boxes), len(lines)) == (len(graph.nodes) + 2 * blocks, len(graph.edges))
    for box in boxes:
        x, y, w, h = (float(box[key]) for key in ("x", "y", "width", "height"))
        assert 0 < x < x + w < WIDTH
        assert 0 < y < y + h < HEIGHT
    for x, y, u, v in lines:
        assert max(x, u) < WIDTH
        assert max(y, v) < HEIGHT


def test_colours_tell_groups_apart_and_an_empty_or_unknown_drawing_has_a_picture_too() -> None:
    graph = Graph((Node("a", "Input"), Node("b", "ReLU", position=(300, 0)), Node("c", "Nope")), (Edge("a", "b"),))
    colours = [box["fill"] for box in parts(graph)[0]]
    assert len(set(colours)) == 3
    moved = replace(graph, nodes=tuple(replace(n, position=(n.position[0] + 5e4, -9e3)) for n in graph.nodes))
    assert thumbnail(moved) == thumbnail(graph)
    assert parts(Graph()) == ([], [])
