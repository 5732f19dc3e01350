"""How much the examples disagree: the noise in a gradient, and what each example alone would have the network do."""

from __future__ import annotations

import torch

from engine.quantities.quantity import number, numbers
from engine.quantities.study import Mirror, Study, Work, pieces

GROUPS = 16
EXAMPLES = 64
AT_ONCE = 8  # examples between two looks at what else is to be done


class NoiseScale(Study):
    """B = tr(Σ) / ‖G‖², with the true gradient G and the covariance Σ of the gradients of single examples (McCandlish
    et al. 2018, "An Empirical Model of Large-Batch Training"): batches far below B are mostly noise, batches far above
    say little that a smaller one would not.

    From GROUPS groups of b examples, mean square s of their gradients and square q of the mean of them, unbiased as
    there: ‖G‖² ≈ (n·q − s)/(n − 1) and tr(Σ) ≈ b·n/(n − 1)·(s − q), with n groups. Where noise hides the gradient
    altogether ‖G‖² comes out below 0 and ``scale`` is None. Other examples are drawn at each step.
    """

    name = "noise"
    passes = GROUPS

    def study(self, mirror: Mirror) -> Work:
        size = max(1, min(int(mirror.knobs["batch_size"]), mirror.material.examples // GROUPS))
        groups = pieces(mirror.some(GROUPS * size, draw=1 + mirror.step), size)
        squares, mean = list[float](), torch.zeros(())
        for group in groups:
            with mirror.differentiable():
                gradient = mirror.gradient(group).double()
            squares.append(float(gradient @ gradient))
            mean = mean.to(gradient) + gradient / len(groups)
            yield
        return parts(len(groups), size, sum(squares) / len(groups), float(mean @ mean))


def parts(n: int, size: int, square: float, of_mean: float) -> dict[str, float | None]:
    """``square`` is the mean square of the gradients of ``n`` groups of ``size`` examples, ``of_mean`` the square of
    their mean. One group alone says nothing of noise."""
    if n < 2:
        return dict.fromkeys(("scale", "trace", "square"))
    true = (n * of_mean - square) / (n - 1)
    trace = size * n / (n - 1) * (square - of_mean)
    scale = trace / true if true > 0 else None
    return {"scale": number(scale), "trace": number(trace), "square": number(true)}


class Examples(Study):
    """Loss and gradient norm of single training examples, each as if it were the whole batch: those far out are hard,
    mislabelled, or rare. ``rows`` are their places in the training part, the same ones each time."""

    name = "examples"
    passes = EXAMPLES

    def study(self, mirror: Mirror) -> Work:
        rows = mirror.some(EXAMPLES)
        losses, norms = list[float](), list[float]()
        for some in pieces(rows, AT_ONCE):
            for row in torch.split(some, 1):
                with mirror.differentiable():
                    losses.append(float(mirror.loss(row).detach()))
                    norms.append(float(torch.linalg.vector_norm(mirror.gradient(row).double())))
            yield
        return {"rows": rows.tolist(), "loss": numbers(losses), "grad_norm": numbers(norms)}
