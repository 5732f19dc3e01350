"""The knobs of one training, as they are now. Turning one takes effect at the next batch and resets nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from builder.diagnostic import Diagnostic, Refused
from engine import knobs
from engine.config import TrainConfig
from engine.network import Network
from engine.regularizers import set_dropout

NO_DROPOUT = Diagnostic(
    "knob/no-dropout",
    "The dropout knob needs a Dropout layer, and this network has none.",
    "Draw a Dropout layer, then start a new run.",
    field="dropout",
)


class Tuning:
    """``values`` are read by the loop at every batch."""

    def __init__(self, network: Network, config: TrainConfig, model: nn.Module) -> None:
        self.network, self.model = network, model
        self.values = knobs.initial(network.graph, config.optimizer)
        self.restore(config.knobs)

    def restore(self, values: Mapping[str, float]) -> None:
        """Raises Refused with everything that is wrong with ``values``."""
        results = [self.set(name, value) for name, value in values.items()]
        if problems := [r for r in results if isinstance(r, Diagnostic)]:
            raise Refused(*problems)

    def set(self, name: str, value: object) -> dict[str, Any] | Diagnostic:
        """Turns a knob and gives the body of the "knob" event; "dropout" turns that of every Dropout layer.

        ``old`` is None where "dropout" stood for different values.
        """
        old = self.values
        values, problem = knobs.change(old, name, value)
        if problem := problem or self._too_small(values):
            return problem
        names = [n for n in values if n.startswith(knobs.DROPOUT)] if name == "dropout" else [name]
        if not names:
            return NO_DROPOUT
        self.values = values
        for node, attribute in self.network.dropouts.items():
            set_dropout(self.model, attribute, values[knobs.DROPOUT + node])
        before = {old[each] for each in names}
        return {"name": name, "old": before.pop() if len(before) == 1 else None, "new": values[names[0]]}

    def _too_small(self, values: Mapping[str, float]) -> Diagnostic | None:
        node = self.network.needs_pairs
        if node is None or values["batch_size"] >= 2:
            return None
        what = f"'{node}' compares the examples of a batch, so it needs at least 2, and gets 1."
        return Diagnostic("knob/batch-norm", what, "Use a batch size of 2 or more.", node, "batch_size")
