"""Measurements with passes of their own: over a frozen copy of the network, a little at a time, beside training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from builder.compile import GraphModule
from builder.graph import Graph
from engine.events import Kind

Body = dict[str, Any]
Work = Generator[None, None, Body]  # at a yield training may go on; what is returned is the body of the event


class Study:
    """``name`` is the kind of its event, ``passes`` about how many passes forward and backward one result takes."""

    name: ClassVar[Kind]
    passes: ClassVar[int]

    def study(self, mirror: Mirror) -> Work:
        raise NotImplementedError


@dataclass(frozen=True)
class Material:
    """What a copy is made from. ``loss(model, rows, knobs)`` is the mean data loss, without smoothing, of the
    training examples ``rows`` (n,); ``inputs(rows)`` is what the network is fed for them. ``examples`` are as many,
    ``measured`` the nodes whose output is measured."""

    graph: Graph
    measured: tuple[str, ...]
    loss: Callable[[GraphModule, Tensor, Mapping[str, float]], Tensor]
    inputs: Callable[[Tensor], Sequence[Tensor]]
    examples: int
    device: torch.device


class Mirror:
    """A copy of a network as it is at one step, in evaluation mode (dropout off, batch norm on its running averages).

    It may be differentiated however long that takes while the original trains on: the two share no tensor. ``knobs``,
    ``lr`` (as scheduled) and ``optimizer`` are those of the step. A vector (P,) has the parameters one after the other.
    """

    def __init__(self, model: GraphModule, material: Material) -> None:
        self.material = material
        self.model = copy.deepcopy(model).eval()
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.recurrent = any(isinstance(module, nn.RNNBase) for module in self.model.modules())
        self.knobs: Mapping[str, float] = {}
        self.lr, self.optimizer, self.step = 0.0, "", 0

    def freeze(self, model: GraphModule, step: int, knobs: Mapping[str, float], lr: float, optimizer: str) -> None:
        """Takes over the weights as they are now."""
        with torch.no_grad():
            theirs = (*model.parameters(), *model.buffers())
            for mine, new in zip((*self.model.parameters(), *self.model.buffers()), theirs, strict=True):
                mine.copy_(new)
        self.step, self.knobs, self.lr, self.optimizer = step, dict(knobs), lr, optimizer

    @contextmanager
    def differentiable(self) -> Iterator[None]:
        """Within, every layer can be differentiated twice and forward: the fast kernels of attention and of recurrent
        layers cannot. Chance goes on afterwards as if nothing had been drawn."""
        device, backend = self.material.device, torch.backends.mkldnn
        states = [device.index or 0] if device.type != "cpu" else []
        fast = backend.enabled
        with torch.random.fork_rng(states, device_type=device.type), sdpa_kernel(SDPBackend.MATH), torch.enable_grad():
            backend.enabled = fast and not self.recurrent  # type: ignore[assignment]
            try:
                yield
            finally:
                backend.enabled = fast

    def some(self, most: int, draw: int = 0) -> Tensor:
        """At most ``most`` of the training examples (n,): drawn by chance, the same for the same ``draw``. The seed of
        the run has no say in it, so that copies of a network are held against each other on the same examples."""
        chance = np.random.default_rng([draw, most])
        return torch.from_numpy(chance.permutation(self.material.examples)[:most]).to(self.material.device)

    def loss(self, rows: Tensor) -> Tensor:
        return self.material.loss(self.model, rows, self.knobs)

    def gradient(self, rows: Tensor, graph: bool = False) -> Tensor:
        """∂(mean data loss of ``rows``)/∂w (P,); with ``graph`` it can be differentiated again."""
        parts = torch.autograd.grad(
            self.loss(rows), self.parameters, create_graph=graph, allow_unused=True, materialize_grads=True
        )
        return torch.cat([part.reshape(-1) for part in parts])

    def curvature(self, vector: Tensor, rows: Tensor) -> Tensor:
        """H·``vector`` (P,), H the Hessian of the mean data loss of ``rows``: two backward passes (Pearlmutter)."""
        gradient = self.gradient(rows, graph=True)
        if not gradient.requires_grad:  # a loss that is linear in the weights has no curvature
            return torch.zeros_like(vector)
        parts = torch.autograd.grad(gradient @ vector, self.parameters, allow_unused=True, materialize_grads=True)
        return torch.cat([part.reshape(-1) for part in parts])

    def bend(self, vector: Tensor, l2: float) -> Tensor:
        """What an L2 penalty of strength ``l2`` adds to H·``vector``: it acts on tensors of two and more axes."""
        sizes = [p.numel() for p in self.parameters]
        parts = zip(self.parameters, torch.split(vector, sizes), strict=True)
        return torch.cat([part * (l2 if p.ndim >= 2 else 0.0) for p, part in parts])


def pieces(rows: Tensor, size: int) -> Sequence[Tensor]:
    """``rows`` in parts of about the size of a batch: none keeps training waiting for much longer than a step."""
    return torch.split(rows, max(1, size))
