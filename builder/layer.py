"""One layer on its own: what follows for it, what is wrong with its settings, and the cures that come into question."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from builder.diagnostic import Diagnostic, Fix
from builder.drawing import Found
from builder.edit import SetParams
from builder.fixes import resolve
from builder.graph import Graph, Node
from builder.params import check_all, nearest, number, shown
from builder.spec import MAX_DIM, MAX_NUMEL, Inputs, LayerSpec, Param, Shape, TensorSpec

Types = tuple[str, ...]


@dataclass(frozen=True)
class NodeInfo:
    """What follows for one node. ``output`` is None where it is not known; ``flops`` is one pass of one example,
    ``inner`` the values that it keeps for the backward pass besides its output.

    ``params`` counts what the node adds to the network: nothing where it shares the ``weights`` of another.
    """

    output: TensorSpec | None = None
    inputs: Inputs = ()
    weights: Mapping[str, Shape] = field(default_factory=dict)
    params: int = 0
    flops: int = 0
    diagnostics: tuple[Diagnostic, ...] = ()
    inner: int = 0


@lru_cache(maxsize=16_384)
def layer(spec: LayerSpec, params: tuple[tuple[str, Any], ...], inputs: Inputs, readers: Types) -> NodeInfo:
    """One layer on its own: the part of the work that repeats from edit to edit."""
    p = dict(params)
    output = spec.infer(p, inputs)
    if isinstance(output, Diagnostic):
        return NodeInfo(inputs=inputs, diagnostics=(output,))
    if problem := _too_large(output.shape, "Its output"):
        return NodeInfo(inputs=inputs, diagnostics=(problem,))
    weights = spec.weights(p, inputs)
    for name_, shape in weights.items():
        if problem := _too_large(shape, f"Its {name_}"):
            return NodeInfo(inputs=inputs, diagnostics=(problem,))
    count = sum(math.prod(shape) for shape in weights.values())
    advice = spec.advise(p, inputs, readers)
    found = (advice,) if advice else ()
    return NodeInfo(output, inputs, weights, count, spec.flops(p, inputs, output), found, spec.inner(p, inputs))


def _too_large(shape: Shape, what: str) -> Diagnostic | None:
    if max(shape, default=0) <= MAX_DIM and math.prod(shape) <= MAX_NUMEL:
        return None
    size_ = " × ".join(f"{n:,}" for n in shape)
    text = f"{what} would be {size_}; at most {MAX_DIM:,} per axis and {MAX_NUMEL:,} values fit."
    return Diagnostic("shape/too-large", text, "Make this layer, or the one before it, smaller.")


def fixes_of_rule(graph: Graph, id: str, spec: LayerSpec, d: Diagnostic) -> tuple[Fix, ...]:
    """What the rule proposes; where that does not work out further on, the default may."""
    own = (resolve(graph, id, d.fix),) if d.fix else ()
    return own + tuple(_set(id, p, p.default) for p in spec.params if p.name == d.field and d.severity == "error")


def wrong_params(node: Node, spec: LayerSpec) -> list[Found]:
    by_name = {p.name: p for p in spec.params}
    found = []
    for d in check_all(spec, node.params):
        fixes: tuple[Fix, ...] = ()
        if param := by_name.get(d.field or ""):
            near = nearest(param, node.params[param.name]) if d.code == "param/range" else param.default
            fixes = (_set(node.id, param, near), _set(node.id, param, param.default))
        found.append(Found(d.at(node.id), fixes))
    return found


def _set(node: str, param: Param, value: Any) -> Fix:
    return Fix(f"Set {param.title.lower()} to {_text(value)}", (SetParams(node, {param.name: value}),))


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " × ".join(map(_text, value))
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else shown(value).strip("'")
