"""All parameters of a network as one vector, and all gradients as another.

Optimizers, penalties, clipping and norms then are a few vector operations, whatever the number of layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.network import owner
from engine.squares import Squares

PerLayer = NDArray[np.float64]  # (layer,)


class FlatParameters:
    """Makes every parameter of ``model`` a view of ``weights`` (P,) and every gradient one of ``gradient`` (P,).

    Tensors of two and more axes stand first: ``weights[:decayed]`` is what penalties and weight decay act on;
    biases and the scales of norms stand behind it. ``nodes`` are the nodes by their attribute of ``model``, in
    order; ``layers`` the ids of those with parameters, ``sizes`` how many they have. The model must be on its
    device already, and must not be moved afterwards.
    """

    def __init__(self, model: nn.Module, nodes: Mapping[str, str]) -> None:
        place = {node: i for i, node in enumerate(nodes.values())}
        named = [(owner(name, nodes), p) for name, p in model.named_parameters()]
        named.sort(key=lambda item: (item[1].ndim < 2, place[item[0]]))
        self.tensors = [p for _, p in named]
        sizes = [p.numel() for p in self.tensors]
        self.decayed = sum(p.numel() for p in self.tensors if p.ndim >= 2)
        self.layers = sorted({node for node, _ in named}, key=place.__getitem__)
        self.starts = np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(np.intp)
        self.layer_of = np.array([self.layers.index(node) for node, _ in named], dtype=np.intp)
        self.sizes = [int(n) for n in np.bincount(self.layer_of, weights=sizes, minlength=len(self.layers))]
        like = self.tensors[0].detach() if self.tensors else torch.zeros(0)
        self.weights = torch.zeros(sum(sizes), dtype=like.dtype, device=like.device)
        self.gradient = torch.zeros_like(self.weights)
        self._share(sizes)

    def _share(self, sizes: list[int]) -> None:
        views = zip(self.tensors, torch.split(self.weights, sizes), torch.split(self.gradient, sizes), strict=True)
        for parameter, weights, gradient in views:
            weights.copy_(parameter.detach().reshape(-1))
            parameter.data = weights.view(parameter.shape)
            parameter.grad = gradient.view(parameter.shape)

    def norms(self, vector: Tensor) -> PerLayer:
        """The Euclidean length of each layer's part of ``vector`` (P,)."""
        if vector.device.type == "cpu":
            return np.sqrt(Squares(self.by_layer(vector.numpy()))())
        lengths = [torch.linalg.vector_norm(part) for part in torch.split(vector, [p.numel() for p in self.tensors])]
        squares = torch.stack(lengths).cpu().numpy().astype(np.float64) ** 2 if lengths else np.zeros(0)
        return np.sqrt(np.bincount(self.layer_of, weights=squares, minlength=len(self.layers)))

    def by_layer(self, vector: NDArray[Any]) -> list[list[NDArray[Any]]]:
        """The parts of ``vector`` (P,) that belong to each layer, one for each of its tensors."""
        tensors = np.split(vector, self.starts[1:]) if self.layers else []
        groups: list[list[NDArray[Any]]] = [[] for _ in self.layers]
        for place, tensor in zip(self.layer_of, tensors, strict=True):
            groups[place].append(tensor)
        return groups

    def layer_with_bad_gradient(self) -> str | None:
        """The layer nearest to the output whose gradient is not finite: where the backward pass broke first."""
        return self.layer_of_bad(self.gradient)

    def layer_of_bad(self, vector: Tensor) -> str | None:
        """The layer nearest to the output whose part of ``vector`` (P,) is not finite."""
        parts = torch.split(vector, [p.numel() for p in self.tensors])
        bad = [i for i, part in enumerate(parts) if not bool(part.isfinite().all())]
        return self.layers[max(self.layer_of[bad])] if bad else None

    def layer_with_bad_weights(self) -> str | None:
        """The layer nearest to the input that has a weight which is not finite."""
        bad = [i for i, p in enumerate(self.tensors) if not bool(p.isfinite().all())]
        return self.layers[min(self.layer_of[bad])] if bad else None
