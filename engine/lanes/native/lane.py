"""The lane that trains networks in the compiled kernel, many batches per call."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine import regularizers
from engine.knobs import DROPOUT
from engine.lanes.lane import Lane
from engine.lanes.native.job import Desk
from engine.lanes.native.kinds import DROPOUT as DROPPING
from engine.lanes.native.kinds import EMBEDDING, Layer
from engine.lanes.native.layout import Unfit, layout
from engine.quantities.quantity import Array
from engine.regularizers import Knobs
from engine.report import Tap
from engine.schedules import constant

if TYPE_CHECKING:
    from engine.loop import Training

BACKWARD, PENALTY, FINISH = 1, 2, 4  # parts of a step, as in kernel.c
NO_MASKS = torch.empty(0)
MASKS = 2**18  # numbers drawn for dropout at most per call: they should stay in the cache
REASON = "The compiled kernel has all layers of this network, so its steps run there, many per call."
REGULAR = ("l1", "l2", "elastic", "elastic_mix", "weight_decay", "clip_norm", "clip_value", "label_smoothing")
KNOBS = frozenset(
    ("lr", "momentum", "batch_size", "input_noise", "speed", *REGULAR)
)  # that the kernel obeys, beside those of dropout


class Native:
    """Works on the tensors of ``training`` itself. Dropout masks and input noise are drawn by torch, in the order in
    which the eager lane draws them. Raises Unfit for a network or a setting that the kernel does not have."""

    name = "native"
    reason = REASON
    better: Callable[[], Lane | None] | None = None

    def __init__(self, training: Training, library: ctypes.CDLL) -> None:
        self.training, self.library, self.width = training, library, int(library.width())
        self.layout = layout(training)
        if training.device.type != "cpu":
            raise Unfit("The fast kernel computes on the CPU.")
        if unknown := sorted(k for k in training.tuning.values if k not in KNOBS and not k.startswith(DROPOUT)):
            raise Unfit(f"The fast kernel does not have the knob {unknown[0]!r}.")
        self.x = self._inputs()
        self.desk = Desk(training, self.layout)
        self._knobs: Knobs = {}  # as they were obeyed last
        self._dropping: list[Layer] = []  # the dropout layers that draw a mask
        self._most = 1  # batches in one call
        self._shown = torch.empty(0)  # the memory that views were made of, by the number of examples
        self._views: dict[int, dict[str, Array]] = {}

    def _inputs(self) -> Tensor:
        """The data as the kernel takes them: numbers that name rows of a table too are float32, exact up to 2^24."""
        x = self.training.batches.x
        rows = [layer.rows for layer in self.layout.layers if layer.kind == EMBEDDING]
        if rows and not (int(x.min()) >= 0 and int(x.max()) < min(rows)):
            raise Unfit("There are numbers in the data that name no row of the Embedding.")
        return x.to(torch.float32)

    def reach(self, count: int) -> int:
        if self.training.tuning.values is not self._knobs:  # turning one makes others of them
            self._obey(self.training.tuning.values)
        return min(count, self._most)

    def train(self, count: int, tap: Tap | None) -> None:
        training, desk = self.training, self.desk
        rows, bounds = training.batches.rows(int(self._knobs["batch_size"]), count)
        largest = int((bounds[1:] - bounds[:-1]).max())
        desk.make_room(-(-largest // self.width) * self.width, self.width, self.library.room_needed)
        desk.job.bound = training.stride.bound
        self._give(rows, bounds, count)
        if tap is None:
            self._go(0, count)
        elif count == 1 or self._go(0, count - 1):
            self._look(count - 1, tap)

    def _go(self, first: int, end: int) -> bool:
        """Whether all these steps were done, and the next may be."""
        return self._count(first, end, self._run(first, end, BACKWARD | PENALTY | FINISH))

    def _look(self, step: int, tap: Tap) -> None:
        training, bounds = self.training, self.desk.kept["bounds"]
        training.report.begin()
        done = self._run(step, step + 1, BACKWARD | PENALTY)
        if done:
            self._show(tap, int(bounds[step + 1] - bounds[step]))
            training.report.gradients()
            self._run(step, step + 1, FINISH)
        self._count(step, step + 1, done)

    def _obey(self, knobs: Knobs) -> None:
        self._knobs = knobs
        self.desk.turn(knobs, [layer.p for layer in self.layout.dropouts])
        # Where nothing is dropped, torch draws no mask either.
        self._dropping = [layer for layer in self.desk.layers if layer.kind == DROPPING and layer.slope > 0]
        drawn = sum(layer.outputs for layer in self._dropping)
        self._most = max(1, int(MASKS // (max(1, drawn) * knobs["batch_size"])))

    def _give(self, rows: Tensor, bounds: NDArray[np.int64], count: int) -> None:
        """Hands the batches over, with their learning rates and random numbers."""
        training = self.training
        x, masks = self._draw(rows, bounds)
        index = rows if x is self.x else torch.arange(len(rows))
        target = "labels" if training.loss.indices else "targets"
        y = training.batches.y if index is rows else training.batches.y.index_select(0, rows)
        constantly = training.schedule is constant
        rates = self._knobs["lr"] if constantly else [training.lr(training.step + k) for k in range(count)]
        self.desk.steps(count, rates)
        self.desk.point(x=x, index=index, bounds=bounds, masks=masks, **{target: y})

    def _draw(self, rows: Tensor, bounds: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """The inputs with their noise, (example, …), and the dropout masks end to end."""
        x, knobs, dropping = self.x, self._knobs, self._dropping
        noise = knobs["input_noise"] > 0 and self.training.batches.x.is_floating_point()
        if not noise and not dropping:
            return x, NO_MASKS
        masks = torch.empty(len(rows) * sum(layer.outputs for layer in dropping))
        noisy, place = [], 0
        for start, stop in pairwise(bounds):
            if noise:
                noisy.append(regularizers.noisy(x.index_select(0, rows[start:stop]), knobs))
            for layer in dropping:
                factors = masks[place : place + int(stop - start) * layer.outputs]
                factors.bernoulli_(1 - layer.slope).div_(1 - layer.slope)  # as torch.nn.functional.dropout does
                if layer.steps:  # drawn step by step, as the values of a memory lie
                    drawn = factors.clone().view(layer.steps, -1, layer.features)
                    factors.view(-1, layer.steps, layer.features).copy_(drawn.transpose(0, 1))
                place += len(factors)
        return torch.cat(noisy) if noise else x, masks

    def _run(self, first: int, end: int, parts: int) -> int:
        numbers, desk = self.training.optimizer.numbers, self.desk
        if numbers:
            desk.products[:] = numbers["product1"], numbers["product2"]
        done = int(self.library.run(ctypes.byref(desk.job), first, end, parts))
        if numbers:
            numbers["product1"], numbers["product2"] = map(float, desk.products)
        return done

    def _show(self, tap: Tap, n: int) -> None:
        """Shows what each node gave."""
        if self._shown is not self.desk.kept["values"]:
            self._shown, self._views = self.desk.kept["values"], {}
        if n not in self._views:
            self._views[n] = self._outputs(n)
        for node, output in self._views[n].items():
            tap(node, output)

    def _outputs(self, n: int) -> dict[str, Array]:
        """The outputs of ``n`` examples, (n, …), where they are: as (unit, example) in the kernel's memory."""
        ld = -(-n // self.width) * self.width
        values, sizes = self._shown.numpy(), self.layout.sizes
        starts = np.concatenate([[0], np.cumsum(sizes)]) * ld
        found = {}
        for node, place in self.layout.places.items():
            start, size, shape = int(starts[place]), sizes[place], self.layout.shapes[node]
            lying = values[start : start + size * ld].reshape(*shape, ld)
            found[node] = np.moveaxis(lying[..., :n], -1, 0)
        return found

    def _count(self, first: int, end: int, done: int) -> bool:
        """Takes note of the steps from ``first`` on that were ``done``. Whether the next may be."""
        training, losses = self.training, self.desk.kept["losses"]
        training.step += done
        for counter in self.layout.counters:
            counter += done
        next = first + done
        training.report.batch(float(np.add.reduce(losses[first:next], dtype=np.float64)), done)
        if done and float(losses[next - 1]) > self.desk.job.bound:  # compared in double precision, as the kernel does
            training.report.newest = float(losses[next - 1])
            training.batches.took(next)
            return False
        if next < end:
            self._tell(next)
        return True

    def _tell(self, step: int) -> None:
        """What is not finite in a step."""
        training, kept = self.training, self.desk.kept
        start, stop = kept["bounds"][step : step + 2]
        inputs = kept["x"].index_select(0, kept["index"][start:stop])
        training.check(float(kept["losses"][step]), inputs.to(training.batches.x.dtype))
        raise AssertionError("the kernel stopped where there was nothing wrong")
