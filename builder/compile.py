"""A drawn network as ``torch.nn.Module``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

from builder import modules
from builder.catalog.initialisation import SCHEMES
from builder.graph import Graph
from builder.initialize import initialize
from builder.plan import Plan, Step, plan
from builder.spec import FORWARD, AllIn, Call, Expression, In, Item

Tap = Callable[[str, Tensor], None]
Run = Callable[[nn.Module | None, list[Tensor]], Any]
ROOTS = {"torch": torch, "nn": nn, "modules": modules}


class Block(nn.Module):
    """Holds the layers of a block, or its repeats as "0", "1", …; the steps of the GraphModule run them."""


class GraphModule(nn.Module):
    """The network of a graph. Each layer is a child named by its node (see names.attributes), those of a block within
    its Block.

    ``forward(*inputs)`` takes one tensor (N, …) per Input and gives the tensor of the Output, or a tuple for
    several, both in drawing order. ``tap(node id, tensor)`` sees what each node gives, as it is computed.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        _fill(self, [(step.name.split("."), step) for step in plan.steps if step.module])
        # FORWARD, by far the most frequent, is called without the detour through an expression
        made = {s.name: self.get_submodule(s.name) for s in plan.steps if s.module}
        self._steps = [
            (s.node, made.get(s.name), None if s.forward == FORWARD else bind(s.forward), s.sources, s.target)
            for s in plan.steps
        ]
        self._outputs = tuple(register for _, register in plan.outputs)

    def forward(self, *inputs: Tensor, tap: Tap | None = None) -> Tensor | tuple[Tensor, ...]:
        plan = self._plan
        if len(inputs) != len(plan.inputs):
            raise TypeError(f"the network takes {len(plan.inputs)} tensors, not {len(inputs)}")
        values: list[Any] = [*inputs, *[None] * (plan.registers - len(inputs))]
        if tap is not None:
            for (node, _), value in zip(plan.inputs, inputs, strict=True):
                tap(node, value)
        for node, module, run, sources, register in self._steps:
            if run is None:
                values[register] = module(values[sources[0]])  # type: ignore[misc]
            else:
                values[register] = run(module, [values[i] for i in sources])
            if tap is not None:
                tap(node, values[register])
        if tap is not None:
            for node, register in plan.outputs:
                tap(node, values[register])
        outputs = self._outputs
        return values[outputs[0]] if len(outputs) == 1 else tuple(values[i] for i in outputs)


def _fill(parent: nn.Module, steps: list[tuple[list[str], Step]]) -> None:
    """Makes the children of ``parent``, each step with its path from there, in the order in which the exported source
    does: all of a block where it first stands, and its starting weights as soon as it is complete."""
    for name in dict.fromkeys(path[0] for path, _ in steps):
        own = [(path[1:], step) for path, step in steps if path[0] == name]
        path, step = own[0]
        if path:
            block = Block()
            _fill(block, own)
            parent.add_module(name, block)
        elif step.module:
            parent.add_module(name, build(step.module))
    for path, step in steps:
        if len(path) == 1 and step.init != "pytorch":
            scheme = SCHEMES[step.init]
            initialize(parent.get_submodule(path[0]), target(scheme.target), **dict(scheme.kwargs))


def compile_graph(graph: Graph, seed: int | None = None) -> GraphModule:
    """The module of ``graph``, on the CPU. Raises Refused if the graph has errors.

    With ``seed`` the starting weights depend on it alone, and the global random state stays as it was.
    """
    steps = plan(graph)
    if seed is None:
        return GraphModule(steps)
    with seeded(seed):
        return GraphModule(steps)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within, torch's CPU generator runs from ``seed``; after, it goes on where it was. No other device is touched."""
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before)


def target(name: str) -> Any:
    """What ``"nn.Linear"``, ``"torch.cat"`` or ``"modules.GaussianNoise"`` names."""
    root, _, path = name.partition(".")
    return attrgetter(path)(ROOTS[root])


def build(constructor: Call) -> nn.Module:
    module: nn.Module = target(constructor.target)(*constructor.args, **dict(constructor.kwargs))
    return module


def bind(e: Expression | In | AllIn | Any) -> Run:
    """``e`` as a function of the layer's own module and the list of its input tensors."""
    match e:
        case In(index):
            return lambda _module, xs: xs[index]
        case AllIn():
            return lambda _module, xs: xs
        case Item(of, key):
            whole = bind(of)
            return lambda module, xs: whole(module, xs)[key]
        case Call():
            return _bind_call(e)
    return lambda _module, _xs: e


def _bind_call(e: Call) -> Run:
    arguments, options = [bind(a) for a in e.args], [(key, bind(a)) for key, a in e.kwargs]
    function = None if e.target == "self" else target(e.target)

    def run(module: nn.Module | None, xs: list[Tensor]) -> Any:
        callee = function or module
        return callee(*[a(module, xs) for a in arguments], **{key: a(module, xs) for key, a in options})  # type: ignore[misc]

    return run
