"""What ends a run from inside, in plain words, with the layer at fault where that can be known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from engine.cures import LARGE, Kind
from engine.flat import FlatParameters
from engine.network import Network, owner

CALMER = "Lower the learning rate."
CLIPPED = "Lower the learning rate, or clip the gradient norm (for example at 1)."


class RunFault(Exception):
    """Ends one run. ``reason`` is for the user, ``node`` the layer at fault, when known; ``kind`` says what helps."""

    def __init__(self, reason: str, node: str | None = None, kind: Kind = "numbers") -> None:
        super().__init__(reason)
        self.reason, self.node, self.kind = reason, node, kind


def diverged(growth: str, step: int, adaptive: bool, where: str = "", node: str | None = None) -> RunFault:
    """The fault of a loss that is finite and will not come back. ``where`` says in which layer it shows. The steps of
    an ``adaptive`` optimizer are as long for a clipped gradient."""
    cure = CALMER if adaptive else CLIPPED
    return RunFault(f"Training stopped at step {step}: the loss {growth}. It diverges.{where} {cure}", node)


def is_out_of_memory(error: BaseException) -> bool:
    """On the CPU torch raises a plain RuntimeError, which only its text tells apart."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(t in text for t in ("not enough memory", "out of memory", "alloc"))


class Inquest:
    """Finds, once a batch has gone wrong, the layer where it did, by running that batch again with a tap. ``adaptive``
    is whether the optimizer is one whose steps do not depend on how long gradients are."""

    def __init__(self, network: Network, model: nn.Module, flat: FlatParameters, adaptive: bool) -> None:
        self.network, self.model, self.flat, self.adaptive = network, model, flat, adaptive
        self.cure = CALMER if adaptive else CLIPPED

    def not_finite(self, step: int, loss: float, inputs: Sequence[Tensor]) -> RunFault:
        """The fault of a step whose loss or gradient is NaN or infinite."""
        node, found = self.flat.layer_with_bad_weights(), "one of its weights is no longer a finite number"
        if node is None:
            node, found = self._first_bad_output(inputs), "its output is no longer a finite number"
        if node is None and math.isfinite(loss):
            node, found = self.flat.layer_with_bad_gradient(), "its gradient is no longer a finite number"
        elif node is None:
            node, size = self._first_large_output(inputs)
            found = f"its output has grown to {size:.3g}, and the loss to more than a number can hold"
        if node is None and not math.isfinite(loss):
            node, found = self.network.order[-1], "the loss of its output is no longer a finite number"
        where = f" It shows first in {self._words(node)}: {found}." if node else ""
        what = "loss" if not math.isfinite(loss) else "gradient"
        return RunFault(f"Training stopped at step {step}: the {what} became {_word(loss)}.{where} {self.cure}", node)

    def grown(self, growth: str, step: int, inputs: Sequence[Tensor]) -> RunFault:
        """The fault of a loss that is still finite; ``growth`` says from where to where it has grown. Inputs are about
        1, so where outputs are far beyond that, it has begun."""
        node, size = self._first_large_output(inputs)
        where = f" It shows first in {self._words(node)}: its output has grown to {size:.3g}." if node else ""
        return diverged(growth, step, self.adaptive, where, node)

    def out_of_memory(self, step: int, inputs: Sequence[Tensor]) -> RunFault:
        """The fault of a step that found no memory. The layer is unknown when the forward pass alone fits."""
        node = self._where_it_stops(inputs) if inputs else None
        where = f" while {self._words(node)} was computed" if node else ""
        what = f"The memory ran out at step {step}{where}."
        return RunFault(f"{what} Use a smaller batch size or a smaller network.", node, "memory")

    def overflow(self, step: int) -> RunFault:
        """The fault of weights, or running averages, that a step made too large to be saved or used."""
        node = self.flat.layer_with_bad_weights() or self._layer_with_bad_buffer()
        where = f" It shows first in {self._words(node)}." if node else ""
        return RunFault(f"Training stopped at step {step}: the weights became infinite.{where} {self.cure}", node)

    def forgotten(self, step: int, memory: Tensor) -> RunFault:
        """The fault of gradients (P,) whose squares are too large for the ``memory`` of the optimizer, so that it will
        never move those weights again."""
        node = self.flat.layer_of_bad(memory)
        where = f" It shows first in {self._words(node)}." if node else ""
        what = "the gradients became too large for the optimizer, which keeps their squares"
        return RunFault(f"Training stopped at step {step}: {what}.{where} {CLIPPED}", node)

    def _layer_with_bad_buffer(self) -> str | None:
        bad = (name for name, buffer in self.model.named_buffers() if not bool(buffer.isfinite().all()))
        return next((owner(name, self.network.nodes) for name in bad), None)

    def _first_bad_output(self, inputs: Sequence[Tensor]) -> str | None:
        bad: list[str] = []

        def tap(node: str, output: Tensor) -> None:
            if not bad and not bool(output.isfinite().all()):
                bad.append(node)

        self._forward(inputs, tap)
        return bad[0] if bad else None

    def _first_large_output(self, inputs: Sequence[Tensor]) -> tuple[str | None, float]:
        """The first layer whose output is larger than anything that a loss stays small with, and how large."""
        large: list[tuple[str, float]] = []

        def tap(node: str, output: Tensor) -> None:
            if not large and (size := float(output.abs().max())) > LARGE:
                large.append((node, size))

        self._forward(inputs, tap)
        return large[0] if large else (None, 0.0)

    def _where_it_stops(self, inputs: Sequence[Tensor]) -> str | None:
        seen: set[str] = set()
        try:
            self._forward(inputs, lambda node, _output: seen.add(node))
        except (RuntimeError, MemoryError):
            return next((node for node in self.network.order if node not in seen), None)
        return None

    def _forward(self, inputs: Sequence[Tensor], tap: Callable[[str, Tensor], None]) -> None:
        with torch.no_grad():
            self.model(*inputs, tap=tap)

    def _words(self, node: str) -> str:
        return f"'{self.network.graph.by_id[node].label or node}'"


def _word(loss: float) -> str:
    return "NaN (not a number)" if math.isnan(loss) else "infinite" if math.isinf(loss) else "NaN or infinite"
