"""The picture is well-formed SVG with every layer and wire, whatever is drawn and however it is called."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import templates
from builder.catalog import CATALOG
from builder.diff import diff, merged
from builder.graph import Edge, Graph, Node, Note
from builder.infer import infer
from builder.picture import DARK, LIGHT, SIGNS, Look, cut, mix, svg, wide, wrap
from builder.wires import course, rounded
from tests.builder.test_block import STACK

SVG = "{http://www.w3.org/2000/svg}"
CHAIN = templates.load("lenet5")


def drawn(graph: Graph, look: Look = LIGHT) -> ET.Element:
    return ET.fromstring(svg(graph, infer(graph), look))


def texts(root: ET.Element) -> str:
    return " ".join(e.text or "" for e in root.iter(f"{SVG}text"))


def names(root: ET.Element, key: str) -> list[str]:
    return [str(e.get(key)) for e in root.iter(f"{SVG}g") if e.get(key)]


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("template", templates.TEMPLATES, ids=lambda t: t.name)
def test_every_layer_and_every_wire_is_in_the_picture(template: templates.Template, look: Look) -> None:
    graph = templates.load(template.name)
    root = drawn(graph, look)
    assert names(root, "data-node") == [n.id for n in graph.nodes]
    assert names(root, "data-edge") == [f"{e.source}>{e.target}:{e.port}" for e in graph.edges]


def test_a_layer_shows_its_name_its_setting_its_shape_and_its_count() -> None:
    said = texts(drawn(CHAIN))
    for words in ("C1", "Conv2d", "6 filters of 5", "6 × 28 × 28", "156 params"):
        assert words in said
    assert "61,706 parameters" in str(drawn(CHAIN).findtext(f"{SVG}title"))


def test_layers_stand_where_the_drawing_has_them() -> None:
    root = drawn(CHAIN)
    for group in (g for g in root.iter(f"{SVG}g") if g.get("data-node")):
        box = group.find(f"{SVG}rect")
        assert box is not None
        at = CHAIN.by_id[str(group.get("data-node"))].position
        assert (float(box.get("x", "")), float(box.get("y", ""))) == at


@pytest.mark.parametrize("template", templates.TEMPLATES, ids=lambda t: t.name)
def test_everything_is_within_the_frame(template: templates.Template) -> None:
    root = drawn(templates.load(template.name))
    x0, y0, w, h = map(float, str(root.get("viewBox")).split())
    for box in root.iter(f"{SVG}rect"):
        x, y, width, height = (float(box.get(k, "")) for k in ("x", "y", "width", "height"))
        assert x0 <= x <= x + width <= x0 + w
        assert y0 <= y <= y + height <= y0 + h
    for path in root.iter(f"{SVG}path"):
        for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", str(path.get("d")).replace("a8 8 0 0 1 8", "")):
            if (x, y) not in (("8", "-8"), ("8", "8")):  # the corners of a layer's head are relative
                assert x0 <= float(x) <= x0 + w
                assert y0 <= float(y) <= y0 + h


def test_text_is_never_markup() -> None:
    graph = Graph((Node("relu_1", "ReLU", label='</text><script>alert(1)</script>&"'),))
    root = drawn(graph)
    assert not list(root.iter(f"{SVG}script"))
    assert "</text><script" in texts(root)


@pytest.mark.parametrize("spec", CATALOG, ids=lambda s: s.type)
def test_every_layer_of_the_catalogue_can_be_drawn_alone(spec) -> None:  # type: ignore[no-untyped-def]
    root = drawn(Graph((Node("a", spec.type), Node("b", spec.type)), (Edge("a", "b"),)))
    assert (spec.title or spec.type)[:6] in texts(root)


@given(
    st.lists(st.tuples(st.floats(-1e7, 1e7), st.floats(-1e7, 1e7), st.text(max_size=30)), max_size=6),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(0, 3)), max_size=8),
)
def test_any_drawing_gives_well_formed_xml(
    places: list[tuple[float, float, str]], pairs: list[tuple[int, int, int]]
) -> None:
    printable = ("".join(c for c in label if c.isprintable()) for _, _, label in places)
    nodes = tuple(
        Node(f"n{i}", "Concat", label=label, position=(x, y))
        for i, ((x, y, _), label) in enumerate(zip(places, printable, strict=True))
    )
    root = drawn(Graph(nodes, tuple(Edge(f"n{a}", f"n{b}", port) for a, b, port in pairs)))
    assert len(names(root, "data-node")) == len(nodes)


def test_a_note_is_in_the_picture_line_by_line_and_within_the_frame() -> None:
    note = Note("note_1", "Watch <this>\nlong line " + "word " * 40, (2000.0, -300.0), (200.0, 90.0))
    root = drawn(replace(CHAIN, notes=(note,)))
    assert names(root, "data-note") == ["note_1"]
    assert "Watch <this>" in texts(root)
    x0, y0, w, h = map(float, str(root.get("viewBox")).split())
    assert x0 <= 2000 <= 2200 <= x0 + w
    assert y0 <= -300 <= -210 <= y0 + h


def test_text_is_broken_between_words_and_never_wider_than_its_room() -> None:
    lines = wrap("one two three four\n\nfive " + "x" * 80, 60, 12)
    assert [line for line in lines if not line.endswith("…")] == ["one two", "three four", "", "five"]
    assert all(wide(line, 12) <= 60 for line in lines)


def test_an_empty_drawing_is_an_empty_sheet() -> None:
    assert names(drawn(Graph()), "data-node") == []


def test_a_comparison_marks_in_words_color_and_line() -> None:
    old = CHAIN
    new = old.remove("tanh_1").add(Node("relu_9", "ReLU", position=(0, 900))).set_params("conv2d_1", {"kernel_size": 3})
    found, both = diff(old, new), merged(old, new)
    root = ET.fromstring(svg(both, infer(both), LIGHT, found.node_marks(), found.edge_marks()))
    marked = {g.get("data-node"): g for g in root.iter(f"{SVG}g") if g.get("data-node") and g.get("data-mark")}
    assert {id: g.get("data-mark") for id, g in marked.items()} == {
        "tanh_1": "removed", "relu_9": "added", "conv2d_1": "changed",
    }  # fmt: skip
    for group in marked.values():
        mark = str(group.get("data-mark"))
        assert SIGNS[mark] in texts(group)  # type: ignore[index]
        assert LIGHT.marks[mark] in ET.tostring(group, "unicode")  # type: ignore[index]
    assert "stroke-dasharray" in ET.tostring(marked["tanh_1"], "unicode")
    assert len([g for g in root.iter(f"{SVG}g") if g.get("data-edge") and g.get("data-mark") == "removed"]) == 2


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_marks_stand_out_from_the_paper(look: Look) -> None:
    def luminance(color: str) -> float:  # WCAG 2
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    paper = luminance(look.paper)
    for color in (look.ink, look.dim, *look.marks.values()):
        light, dark = sorted((paper, luminance(color)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_a_long_name_is_cut_to_its_room() -> None:
    assert cut("short", 100, 13) == "short"
    shorter = cut("a very long name indeed", 60, 13)
    assert shorter.endswith("…")
    assert wide(shorter, 13) <= 60


def test_mixing_goes_from_one_color_to_the_other() -> None:
    assert [mix("#ff0000", "#0000ff", share) for share in (0.0, 0.5, 1.0)] == ["#0000ff", "#800080", "#ff0000"]


@pytest.mark.parametrize("down", [False, True], ids=["right", "down"])
@pytest.mark.parametrize("target", [(200.0, 0.0), (900.0, 20.0), (-500.0, 200.0), (200.0, 400.0)])
def test_a_wire_leads_from_the_output_to_the_input(target: tuple[float, float], down: bool) -> None:
    wire = course((0.0, 0.0), target, down)
    assert wire.path.startswith("M0 0")
    assert wire.arrow.startswith(f"M{target[0]:g} {target[1]:g}")
    tip = (target[0], target[1] - 8) if down else (target[0] - 8, target[1])
    assert wire.path.endswith(f"{tip[0]:g} {tip[1]:g}")


def test_corners_are_round_and_short_sides_are_not_overshot() -> None:
    assert rounded([(0, 0), (100, 0), (100, 100)]) == "M0 0L88 0Q100 0 100 12L100 100"
    assert rounded([(0, 0), (10, 0), (10, 10)]) == "M0 0L5 0Q10 0 10 5L10 10"


def test_ports_stand_on_top_and_at_the_bottom_where_the_wires_run_down() -> None:
    nodes = tuple(replace(n, position=(0.0, 150.0 * i)) for i, n in enumerate(CHAIN.nodes))
    root = drawn(replace(CHAIN, nodes=nodes))
    first = next(g for g in root.iter(f"{SVG}g") if g.get("data-edge"))
    path = first.find(f"{SVG}path")
    assert path is not None
    assert re.match(r"M75 50C75 ", str(path.get("d")))  # from the middle of the bottom of Input


def test_a_block_is_a_pile_that_says_what_is_in_it_and_how_often() -> None:
    drawn = svg(STACK, infer(STACK))
    group, layer = (re.findall(rf'<g data-node="{id}">.*?</g>', drawn)[0] for id in ("b", "f"))
    assert group.count("<rect") == layer.count("<rect") + 2
    assert ">3 layers × 3<" in group
    assert f"{infer(STACK).nodes['b'].params:,} params" in group
    once = STACK.set_params("b", {"repeat": 1})
    assert ">3 layers<" in svg(once, infer(once))
