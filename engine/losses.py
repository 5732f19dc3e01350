"""Losses: what training makes small. Each is the mean over the examples of a batch, or over all its positions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from builder.diagnostic import Diagnostic, Refused

Compute = Callable[[Tensor, Tensor, float], Tensor]
NONE = -100  # the class number that F.cross_entropy leaves out where it is told of no other


@dataclass(frozen=True)
class Loss:
    """``compute(output, target, smoothing)`` gives a scalar; output is (batch, K).

    With ``indices`` the target is (batch,) class numbers, else (batch, K) numbers; classes are then one-hot.
    ``smoothing`` is the share of each target that moves to the other classes. ``share(output)`` says of (n, 2)
    outputs for two classes how far each is believed, from 0 to 1 and ½ where they are equal; for pictures.
    """

    name: str
    compute: Compute
    share: Callable[[Tensor], Tensor]
    indices: bool = False
    tasks: tuple[str, ...] = ("classification", "regression")


def cross_entropy(output: Tensor, target: Tensor, smoothing: float, ignore: int = NONE) -> Tensor:
    """−Σ_k q_k·log softmax(output)_k with q = (1−ε)·onehot + ε/K (Szegedy et al. 2016); K is axis 1."""
    return F.cross_entropy(output, target, ignore_index=ignore, label_smoothing=smoothing)


def bce(output: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Mean over classes of the binary cross-entropy of σ(output): each class is its own yes-or-no question."""
    return F.binary_cross_entropy_with_logits(output, smooth(target, smoothing))


def mse(output: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Mean of (output − target)²."""
    return F.mse_loss(output, smooth(target, smoothing))


def mae(output: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Mean of |output − target|."""
    return F.l1_loss(output, smooth(target, smoothing))


def huber(output: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Half the square up to an error of 1, straight beyond (Huber 1964): outliers pull less."""
    return F.huber_loss(output, smooth(target, smoothing))


def kl(output: Tensor) -> Tensor:
    """½·Σ_j (exp(v_j) + m_j² − 1 − v_j), mean over the batch: Kullback-Leibler divergence of a diagonal Gaussian from
    the standard normal one (Kingma & Welling 2014). The last axis of ``output`` holds the k means m, then the k
    log-variances v."""
    mean, log_variance = output.chunk(2, -1)
    return (log_variance.exp() + mean.square() - 1 - log_variance).sum() / (2 * len(output))


def smooth(target: Tensor, smoothing: float) -> Tensor:
    """(1−ε)·target + ε/K; for one number per example (K = 1, a regression) there is nothing to share."""
    k = target.shape[1]
    return target if smoothing == 0 or k == 1 else target * (1 - smoothing) + smoothing / k


def softmax(output: Tensor) -> Tensor:
    return output.softmax(1)


def odds(output: Tensor) -> Tensor:
    """σ(output) of one class against that of both."""
    share = output.sigmoid()
    return share / share.sum(1, keepdim=True).clamp_min(1e-12)


def lead(output: Tensor) -> Tensor:
    """½ plus half the lead of one output over the other: 1 and 0 for the targets 1 and 0 met exactly."""
    return ((1 + (output - output.flip(1))) / 2).clamp(0, 1)


CLASSES_ONLY = ("classification",)
LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("cross_entropy", cross_entropy, softmax, indices=True, tasks=CLASSES_ONLY),
        Loss("mse", mse, lead),
        Loss("mae", mae, lead),
        Loss("huber", huber, lead),
        Loss("bce", bce, odds, tasks=CLASSES_ONLY),
    )
}


KL = Loss("kl", lambda output, _target, _smoothing: kl(output), softmax)  # needs no target


def choose(name: str, task: str) -> Loss:
    """The loss for the setting ``name``. Raises Refused if it does not fit ``task``."""
    loss = LOSSES[{"classification": "cross_entropy", "regression": "mse"}[task] if name == "auto" else name]
    if task in loss.tasks:
        return loss
    what = f"The loss '{name}' needs classes, and this data has numbers to predict."
    raise Refused(Diagnostic("loss/task", what, "Use 'auto', 'mse', 'mae' or 'huber'.", field="loss"))


def prepare(target: Tensor, loss: Loss, outputs: int) -> Tensor:
    """The targets in the form that ``loss`` takes, made once: (n,) class numbers or (n, outputs) numbers."""
    if loss.indices or target.is_floating_point():
        return target if loss.indices else target.reshape(len(target), -1)
    return F.one_hot(target, outputs).to(torch.float32)


def align(output: Tensor, outputs: int) -> Tensor:
    """``output`` as (batch, outputs): a network may end in (batch,), (batch, K) or (batch, K, 1, 1).

    Without this a (batch,) output against a (batch, 1) target would broadcast to batch × batch differences.
    """
    if output.ndim == 2 and output.shape[1] == outputs:
        return output
    if output.numel() == len(output) * outputs:
        return output.reshape(len(output), outputs)
    gets = " × ".join(map(str, output.shape[1:])) or "1"
    what = f"The data needs {outputs} numbers per example from the network, and gets {gets}."
    raise Refused(Diagnostic("loss/outputs", what, f"Let the last layer give {outputs} numbers."))


def shaped(output: Tensor, shape: tuple[int, ...]) -> Tensor:
    """``output`` (batch, …), which must have ``shape`` behind the batch."""
    if tuple(output.shape[1:]) == shape:
        return output
    needs, gets = (" × ".join(map(str, each)) for each in (shape, output.shape[1:]))
    what = f"The data needs {needs} numbers per example from the network, and gets {gets}."
    raise Refused(Diagnostic("loss/outputs", what, f"Let the last layer give {needs} numbers."))
