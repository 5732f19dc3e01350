"""What the canvas offers next is what really fits, and what it refuses is what nothing saves."""

from __future__ import annotations

import pytest

from builder.catalog import BY_TYPE, CATALOG
from builder.catalog.data import axes_of
from builder.edit import AddNode, Connect, apply
from builder.graph import Edge, Graph, Node
from builder.infer import infer
from builder.spec import DType, LayerSpec, TensorSpec
from builder.suggest import FOLLOWS, after, candidates, hopeless

SHAPES: list[tuple[list[int], DType]] = [
    ([10], "float32"),
    ([64], "float32"),
    ([24, 8], "float32"),
    ([1, 28, 28], "float32"),
    ([3, 1, 1], "float32"),
    ([2, 4, 4, 4], "float32"),
    ([16], "int64"),
]


def source(shape: list[int], dtype: DType) -> Graph:
    return Graph((Node("input_1", "Input", {"shape": shape, "dtype": dtype}),))


def fed(graph: Graph, type_: str) -> Graph:
    """``graph`` with a layer of that type, ``input_1`` at all its inputs."""
    ports = BY_TYPE[type_].free_ports(set())
    return apply(graph, [AddNode(Node("new", type_)), *(Connect(Edge("input_1", "new", p)) for p in ports)])


@pytest.mark.parametrize(("shape", "dtype"), SHAPES)
def test_the_candidates_are_those_that_a_copy_of_the_drawing_accepts(shape: list[int], dtype: DType) -> None:
    graph = source(shape, dtype)
    accepted = set()
    for spec in CATALOG:
        if spec.ports:
            copy = infer(fed(graph, spec.type))
            if not any(d.node == "new" and d.severity == "error" for d in copy.diagnostics):
                accepted.add(spec.type)
    offered = candidates(graph, "input_1")
    assert len(set(offered)) == len(offered)
    assert set(offered) == accepted


@pytest.mark.parametrize(
    ("type_", "shape", "first"),
    [
        ("Input", (2,), "Linear"),
        ("Input", (1, 28, 28), "Conv2d"),
        ("Linear", (64,), "ReLU"),
        ("ReLU", (64,), "Linear"),
        ("Conv2d", (16, 26, 26), "BatchNorm2d"),
        ("MaxPool2d", (16, 13, 13), "Conv2d"),
        ("LSTM", (32,), "Linear"),
        ("Dropout", (32,), "Linear"),
    ],
)
def test_what_mostly_follows_stands_first(type_: str, shape: tuple[int, ...], first: str) -> None:
    assert after(type_, TensorSpec(shape, axes=axes_of(shape)))[0] == first


def test_whole_numbers_are_offered_an_embedding_first() -> None:
    assert candidates(source([16], "int64"), "input_1")[0] == "Embedding"


def test_nothing_follows_an_output_and_nothing_is_offered_where_the_shape_is_not_known() -> None:
    graph = fed(source([10], "float32"), "Output")
    assert candidates(graph, "new") == ()
    broken = fed(source([10], "float32"), "Conv2d")
    assert candidates(broken, "new") == ()
    assert candidates(broken, "no_such_node") == ()


def test_the_table_of_what_follows_names_known_layers_and_groups() -> None:
    assert set(FOLLOWS) == {"", *(spec.group for spec in CATALOG)}
    assert {name for names in FOLLOWS.values() for name in names} <= set(BY_TYPE)


@pytest.mark.parametrize("spec", CATALOG, ids=lambda spec: spec.type)
def test_a_connection_that_is_refused_is_never_one_that_fits_or_can_be_cured(spec: LayerSpec) -> None:
    for shape, dtype in SHAPES:
        graph = infer(fed(source(shape, dtype), spec.type)) if spec.ports else None
        if graph and len(shape) in hopeless(spec).get(dtype, []):
            assert any(d.node == "new" and d.severity == "error" and not d.fix for d in graph.diagnostics)


def test_an_image_convolution_refuses_volumes_and_takes_what_a_reshape_cures() -> None:
    assert hopeless(BY_TYPE["Conv2d"]) == {"float32": [4, 5]}
    assert hopeless(BY_TYPE["ReLU"]) == {}
    assert hopeless(BY_TYPE["Add"]) == {}
