"""How sharply the loss bends: whether the learning rate is small enough for the place the network is in."""

from __future__ import annotations

import math
from collections.abc import Generator

import torch
from torch import Tensor

from engine.optimizers import ADAPTIVE
from engine.quantities.quantity import number
from engine.quantities.study import Mirror, Study, Work, pieces
from engine.regularizers import strengths

EXAMPLES = 256  # of the training part, always the same ones
SEED = 0  # of the place where the first search begins
MOST = 40  # products with the Hessian
CLOSE = 0.002  # ‖H·v − λ·v‖ relative to |λ| at which v counts as an eigenvector; the error of λ is far smaller
Product = Generator[None, None, Tensor]
Pair = tuple[Tensor, Tensor]  # a vector (P,) and H·vector


class Sharpness(Study):
    """λ_max of the Hessian of the training loss with its L2 penalty, from Hessian-vector products.

    Plain gradient descent can only stay where λ_max < 2/η: beyond, each step overshoots by more than it gains.
    Networks often rise to that limit and hover there (Cohen et al. 2021, "Gradient Descent on Neural Networks Typically
    Occurs at the Edge of Stability"). ``limit`` is 2/η, with momentum 2(1 + μ)/η, with Nesterov's 2(1 + μ)/(η(1 + 2μ));
    None for optimizers that scale each weight by itself.

    The search is a power iteration that also looks into the direction it came from: each round takes the best vector of
    the plane or space of v, its residual H·v − λ·v and its last move (LOBPCG with one vector, Knyazev 2001). It needs
    one product a round, as power iteration does, and a fraction of the rounds, and it leads up, never to a λ < λ_max of
    larger size.
    """

    name = "sharpness"
    passes = 60

    def __init__(self) -> None:
        self._start: Tensor | None = None  # where the last search ended: a good place to begin

    def study(self, mirror: Mirror) -> Work:
        v = self._start if self._start is not None else direction(mirror)
        span = [(v, (yield from product(mirror, v)))]  # (vector, H·vector): v, and its last move
        taken = 1
        while True:
            v, bent = span[0]
            value = float(v @ bent)
            rest = bent - value * v
            length = float(torch.linalg.vector_norm(rest))
            if taken >= MOST or not length > CLOSE * abs(value):
                break
            rest /= length
            span = best(span[0], (rest, (yield from product(mirror, rest))), *span[1:])
            taken += 1
        self._start = v if math.isfinite(value) else None
        return {"sharpness": number(value), "limit": number(limit(mirror)), "products": taken}


def product(mirror: Mirror, v: Tensor) -> Product:
    """H·v (P,), a part of the examples at a time."""
    rows = mirror.some(EXAMPLES)
    bent = mirror.bend(v, strengths(mirror.knobs)[1])
    for piece in pieces(rows, int(mirror.knobs["batch_size"])):
        with mirror.differentiable():
            bent += mirror.curvature(v, piece) * (len(piece) / len(rows))
        yield
    return bent


def best(*span: Pair) -> list[Pair]:
    """The unit vector of ``span`` along which H bends upwards most, and the move to it from the first one; each with
    its product."""
    vectors, bent = torch.stack([v for v, _ in span]).double(), torch.stack([b for _, b in span]).double()
    size, turn = torch.linalg.eigh(vectors @ vectors.T)
    sound = size > 1e-8 * size[-1]  # what lies in the space of the others already adds nothing
    white = turn[:, sound] / size[sound].sqrt()
    weights = white @ torch.linalg.eigh(white.T @ (bent @ vectors.T) @ white)[1][:, -1]
    move = torch.cat([torch.zeros_like(weights[:1]), weights[1:]])
    return [pair(w, vectors, bent) for w in (weights, move)]


def pair(weights: Tensor, vectors: Tensor, bent: Tensor) -> Pair:
    vector = weights @ vectors
    length = torch.linalg.vector_norm(vector).clamp_min(1e-30)
    return (vector / length).float(), (weights @ bent / length).float()


def direction(mirror: Mirror) -> Tensor:
    """Somewhere to begin: a unit vector (P,)."""
    chance = torch.Generator().manual_seed(SEED)
    v: Tensor = torch.randn(sum(p.numel() for p in mirror.parameters), generator=chance)
    return v.div_(torch.linalg.vector_norm(v)).to(mirror.material.device)


def limit(mirror: Mirror) -> float | None:
    lr, momentum = mirror.lr, mirror.knobs["momentum"]
    if mirror.optimizer in ADAPTIVE or lr <= 0:
        return None
    if mirror.optimizer == "sgd":
        return 2 / lr
    nesterov = 1 + 2 * momentum if mirror.optimizer == "nesterov" else 1.0
    return 2 * (1 + momentum) / (lr * nesterov)
