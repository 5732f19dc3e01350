"""How many batches fit into a stretch of time, for lanes that train many per call."""

from __future__ import annotations

import math
import sys


class Stride:
    """``seconds`` is how long one call may take; 0 means one batch. The first calls are short, and grow by doubling.

    ``most`` caps the batches of a call, for a run that is held back to a speed. A call ends early with a batch whose
    loss is beyond ``bound``.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.most = sys.maxsize
        self.bound = math.inf
        self._count = 1

    @property
    def count(self) -> int:
        return min(self._count, self.most) if self.seconds > 0 else 1

    def restart(self) -> None:
        """Makes the next calls short again: batches may take longer than they did."""
        self._count = 1

    def done(self, steps: int, seconds: float) -> None:
        """Takes note that ``steps`` batches took ``seconds``."""
        fit = int(self.seconds * steps / max(seconds, 1e-9))
        self._count = max(1, min(fit, 2 * self._count))
