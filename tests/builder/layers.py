"""What the tests of the catalogue share: inputs that suit a layer, and one layer as a whole drawing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from builder.catalog import BY_TYPE
from builder.catalog.data import axes_of
from builder.graph import Edge, Graph, Node
from builder.spec import Diagnostic, Inputs, LayerSpec, TensorSpec

SHAPES = ((1, 6), (6,), (4, 8), (4, 8, 8), (4, 4, 6, 6))
LAYERS = [spec for spec in BY_TYPE.values() if spec.ports and spec.outputs]


def tensor(shape: tuple[int, ...], dtype: Any = "float32") -> TensorSpec:
    return TensorSpec(shape, dtype, axes_of(shape))


def inputs_for(spec: LayerSpec, **params: Any) -> Inputs:
    """The first inputs of SHAPES that the layer accepts at all its ports, the largest first."""
    for dtype in ("float32", "int64"):
        for shape in reversed(SHAPES):
            inputs = (tensor(shape, dtype),) * (2 if spec.variadic else len(spec.ports))
            if not isinstance(spec.infer(spec.complete(params), inputs), Diagnostic):
                return inputs
    raise AssertionError(f"{spec.type} accepts none of {SHAPES}")


def alone(spec: LayerSpec, inputs: Inputs, **params: Any) -> Graph:
    """Inputs → the layer → Output."""
    graph = Graph().add(Node("layer", spec.type, params))
    for port, x in enumerate(inputs):
        settings = {"shape": x.shape, "dtype": x.dtype}
        graph = graph.add(Node(f"input_{port}", "Input", settings), [Edge(f"input_{port}", "layer", port)])
    return graph.add(Node("output", "Output"), [Edge("layer", "output")])


def batch(x: TensorSpec, n: int = 2, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    if x.dtype == "int64":
        return torch.randint(0, 3, (n, *x.shape), generator=random)
    return torch.randn((n, *x.shape), generator=random)
