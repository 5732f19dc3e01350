"""What the kernel is handed: pointers to the tensors of a training, and its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ctypes import Structure, addressof, byref, c_double, c_int64, c_void_p
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.lanes.native.kinds import DROPOUT, Layer
from engine.lanes.native.layout import Layout, Unfit
from engine.optimizers import SGD, Adagrad, Adam, AdamW, Momentum, Nesterov, Optimizer, RMSprop

if TYPE_CHECKING:
    from engine.loop import Training

LOSSES = {"cross_entropy": 0, "mse": 1, "mae": 2, "huber": 3, "bce": 4}  # as in losses.h
RULES: dict[type[Optimizer], int] = {SGD: 0, Momentum: 1, Nesterov: 2, RMSprop: 3, Adagrad: 4, Adam: 5, AdamW: 5}


class Job(Structure):
    """Field by field as in kernel.c."""

    _fields_ = (
        ("layers", c_void_p),
        *((name, c_int64) for name in ("depth", "inputs", "outputs", "count", "decayed")),
        *((name, c_void_p) for name in ("weights", "gradient", "state_a", "state_b", "products")),
        *((name, c_void_p) for name in ("x", "labels", "targets", "index", "bounds", "rates", "masks")),
        *((name, c_int64) for name in ("loss", "optimizer")),
        *((name, c_double) for name in ("average", "eps", "smoothing", "momentum", "l1", "l2")),
        *((name, c_double) for name in ("decay", "clip_value", "clip_norm", "bound")),
        *((name, c_void_p) for name in ("values", "batch", "rows", "d", "spare", "panel", "kept", "waiting")),
        ("awaited", c_int64),
        ("losses", c_void_p),
    )


class Desk:
    """A Job, and all that it points to: memory that C reads stays alive as long as this does."""

    def __init__(self, training: Training, layout: Layout) -> None:
        self.training, self.layout = training, layout
        flat, optimizer = training.flat, training.optimizer
        self.layers = (Layer * len(layout.layers))(*layout.layers)
        self.products = np.ones(2)
        self.job = Job(depth=len(layout.layers), inputs=layout.inputs, outputs=layout.outputs)
        self.job.count, self.job.decayed, self.job.awaited = len(flat.weights), flat.decayed, layout.awaited
        self.job.loss, self.job.optimizer = _settings(training)
        self.job.average = getattr(optimizer, "beta2", getattr(optimizer, "alpha", 0.0))
        self.job.eps = getattr(optimizer, "eps", 0.0)
        self.kept: dict[str, Any] = {}
        self.lanes, self.most = 0, 0  # examples, and steps in one go, that there is room for
        self.point(weights=flat.weights, gradient=flat.gradient, products=self.products)
        self.point(**dict(zip(("state_a", "state_b"), optimizer.state.values(), strict=False)))
        self.point(**{"labels" if training.loss.indices else "targets": training.batches.y})
        self.job.layers = addressof(self.layers)

    def point(self, **arrays: Tensor | NDArray[np.generic]) -> None:
        """Lets fields of the job point to ``arrays``."""
        for name, array in arrays.items():
            if self.kept.get(name) is not array:
                self.kept[name] = array
                setattr(self.job, name, _address(array))

    def steps(self, count: int, rates: float | Sequence[float]) -> None:
        """For ``count`` steps with these learning rates. The kernel writes their losses to ``kept["losses"]``."""
        if count > self.most:
            self.most = count
            self.point(rates=np.zeros(count), losses=np.zeros(count, np.float32))
        self.kept["rates"][:count] = rates

    def make_room(self, lanes: int, width: int, needed: Callable[[Any, int], int]) -> None:
        """For batches of ``lanes`` examples; ``width`` more of everything, since whole vectors are written.
        ``needed`` is the kernel's room_needed."""
        if lanes <= self.lanes:
            return
        self.lanes = lanes
        sizes = self.layout.sizes
        widest = -(-max(sizes) // width) * width + width
        self.point(values=torch.zeros((sum(sizes) + width) * lanes))
        self.point(**{name: torch.zeros(widest * lanes) for name in ("batch", "rows", "d", "spare")})
        self.point(kept=torch.zeros((self.layout.kept + width) * lanes))
        self.point(waiting=torch.zeros((self.layout.awaited + width) * lanes))
        self.point(panel=torch.zeros(needed(byref(self.job), lanes) + width * lanes))

    def turn(self, knobs: Mapping[str, float], dropped: Sequence[float]) -> None:
        """Puts the knobs as they are now into the job."""
        mix = knobs["elastic_mix"]
        self.job.l1 = knobs["l1"] + knobs["elastic"] * mix
        self.job.l2 = knobs["l2"] + knobs["elastic"] * (1 - mix)
        field = self.training.objective.first.field
        labels = field is not None and field.task == "classification"
        self.job.smoothing = knobs["label_smoothing"] if labels else 0.0
        self.job.momentum = knobs["momentum"]
        self.job.decay = knobs["weight_decay"]
        self.job.clip_value, self.job.clip_norm = knobs["clip_value"], knobs["clip_norm"]
        shares = iter(dropped)
        for layer in self.layers:
            if layer.kind == DROPOUT:
                layer.slope = next(shares)


def _address(array: Tensor | NDArray[np.generic]) -> int:
    return array.data_ptr() if isinstance(array, Tensor) else int(array.__array_interface__["data"][0])


def _settings(training: Training) -> tuple[int, int]:
    """The numbers of loss and optimizer. Raises Unfit where the kernel has not got them."""
    loss, rule = LOSSES.get(training.loss.name), RULES.get(type(training.optimizer))
    if loss is None or rule is None:
        what = "loss" if loss is None else "optimizer"
        raise Unfit(f"The fast kernel does not have this {what}.")
    return loss, rule
