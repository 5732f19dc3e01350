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

LEAST = 1e-32  # mean of squares, a million times the smallest number of single precision


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
        self._least = LEAST * max(sizes, default=0)
        self.layer_of = np.array([self.layers.index(node) for node, _ in named], dtype=np.intp)
        self._order = np.argsort(self.layer_of, kind="stable")  # the tensors, layer by layer
        self._layer_starts = np.searchsorted(self.layer_of[self._order], np.arange(len(self.layers)))
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

    def norms(self, vectors: Tensor) -> NDArray[np.float64]:
        """The Euclidean length of each layer's part of ``vectors`` (…, P), in double precision: (…, layer)."""
        if len(self.layers) == 0:
            return np.zeros((*vectors.shape[:-1], 0))
        if vectors.device.type == "cpu":
            squares = self._squares(vectors.numpy())
        else:
            parts = torch.split(vectors, [p.numel() for p in self.tensors], dim=-1)
            lengths = torch.stack([torch.linalg.vector_norm(part, dim=-1) for part in parts], dim=-1)
            squares = lengths.cpu().numpy().astype(np.float64) ** 2
        by_layer = squares.take(self._order, axis=-1)
        return np.sqrt(np.add.reduceat(by_layer, self._layer_starts, axis=-1))

    def _squares(self, vectors: NDArray[Any]) -> NDArray[np.float64]:
        """Sums of squares (…, tensor). Single precision is faster, and exact to 1e-6 since NumPy adds in pairs; but
        squares of gradients vanish in it below 1e-19, which is where they get interesting."""
        found = np.add.reduceat(np.square(vectors), self.starts, axis=-1)
        if np.minimum.reduce(found, axis=None) > self._least and np.maximum.reduce(found, axis=None) < np.inf:
            return found.astype(np.float64)
        return np.add.reduceat(np.square(vectors, dtype=np.float64), self.starts, axis=-1)

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
