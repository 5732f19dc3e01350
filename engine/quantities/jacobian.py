"""How much a layer stretches what passes through it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from builder.compile import bind
from builder.plan import plan
from engine.quantities.quantity import numbers
from engine.quantities.study import Mirror, Study, Work

EXAMPLES = 8
ROUNDS = 12  # of the power iteration
SEED = 0  # of the direction that it begins with

Layer = Callable[[Tensor], Tensor]  # (example, …) → (example, …), each example by itself


class JacobianGain(Study):
    """σ_max of ∂y/∂x of each measured node with one input, averaged over EXAMPLES examples: by how much the direction
    that it stretches most grows. Gains of 1 pass signals and gradients on; below they vanish with depth, above they
    explode (Pennington et al. 2017).

    Power iteration on JᵀJ: v ← Jᵀ(J·v) (a jvp and a vjp), σ = ‖J·v‖ for ‖v‖ = 1. In evaluation mode examples do not
    touch each other, so one iteration serves all of them.
    """

    name = "gain"
    passes = 2 * ROUNDS

    def study(self, mirror: Mirror) -> Work:
        values: dict[str, Tensor] = {}
        with mirror.differentiable(), torch.no_grad():
            mirror.model(*mirror.material.inputs(mirror.some(EXAMPLES)), tap=values.__setitem__)
        gains, measured = dict[str, float](), mirror.material.measured
        for node, (layer, source) in layers(mirror).items():
            if node in measured and values[source].is_floating_point():
                with mirror.differentiable():
                    gains[node] = gain(layer, values[source])
                yield
        return {"gain": numbers([gains.get(node) for node in measured])}


def layers(mirror: Mirror) -> dict[str, tuple[Layer, str]]:
    """Each node with one input: what it computes, and the node that it gets its input from."""
    steps = plan(mirror.material.graph)
    holder = {register: id for register, (id, _) in enumerate(steps.inputs)}
    modules = dict(mirror.model.named_modules())
    found: dict[str, tuple[Layer, str]] = {}
    for step in steps.steps:
        if len(step.sources) == 1:
            run, module = bind(step.forward), modules.get(step.name)
            found[step.node] = (lambda x, run=run, module=module: run(module, [x])), holder[step.sources[0]]  # type: ignore[misc]
        holder[step.target] = step.node
    return found


def gain(layer: Layer, x: Tensor) -> float:
    """The mean over the examples of ``x`` of the largest singular value of the Jacobian of ``layer`` there."""
    x = x.detach().requires_grad_()
    y = layer(x)
    if not y.requires_grad:
        return 0.0  # the output does not depend on the input
    # Sums of products, where torch would take the vectors themselves too: for those it imports all of sympy, 0.4 s.
    u = torch.zeros_like(y, requires_grad=True)
    (pulled,) = torch.autograd.grad((y * u).sum(), x, create_graph=True)  # Jᵀu, linear in u: J·v is its slope along v
    v = unit(torch.randn(x.shape, generator=torch.Generator().manual_seed(SEED)).to(x))
    sigma = torch.zeros(len(x))
    for _ in range(ROUNDS):
        (pushed,) = torch.autograd.grad((pulled * v).sum(), u, retain_graph=True)
        sigma = lengths(pushed)
        v = unit(torch.autograd.grad((y * pushed).sum(), x, retain_graph=True)[0])
    return float(sigma.double().mean())


def lengths(x: Tensor) -> Tensor:
    """The length of each example, (example,)."""
    found: Tensor = torch.linalg.vector_norm(x.detach().reshape(len(x), -1), dim=1)
    return found


def unit(x: Tensor) -> Tensor:
    """Each example at length 1; what is zero stays so."""
    scaled: Tensor = x.detach() / lengths(x).clamp_min(1e-30).reshape(-1, *[1] * (x.ndim - 1))
    return scaled
