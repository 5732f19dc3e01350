"""How a contestant is driven: commands as JSON lines on its standard input, answers on its standard output.

``{"do": "warm"}`` trains the epochs after which losses are compared and answers {"loss": mean over the training data};
``{"do": "turn", "seconds": s}`` trains for s CPU-seconds of the process and answers {"steps", "cpu"}.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Protocol

from benchmarks.contest.task import WORKLOADS, Workload, read


class Watch:
    """Says when to stop: after ``seconds`` of CPU time, or after ``steps``. ``begin`` may be called again, where what
    came before is preparation that a user pays once."""

    def __init__(self, seconds: float = 0.0, steps: int = 0) -> None:
        self.seconds, self.steps = seconds, steps
        self.done = 0
        self.begin()

    def begin(self) -> None:
        self.began = time.process_time()

    @property
    def used(self) -> float:
        return time.process_time() - self.began

    def over(self, steps: int = 1) -> bool:
        """Takes note of ``steps`` more."""
        self.done += steps
        return self.done >= self.steps if self.steps else self.used >= self.seconds


class Contestant(Protocol):
    def train(self, watch: Watch) -> None:
        """Trains until ``watch`` says that it is over."""
        ...

    def loss(self) -> float:
        """The mean loss over all of the training data, in evaluation mode."""
        ...


def serve(make: object) -> None:
    """``make(workload, x, y, weights, *further arguments)`` is the Contestant."""
    assert callable(make)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between
    name, path, *further = sys.argv[1:]
    work: Workload = WORKLOADS[name]
    x, y, weights = read(Path(path))
    contestant: Contestant = make(work, x, y, weights, *further)
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "warm":
            contestant.train(Watch(steps=work.parity * (len(x) // work.batch)))
            answer = {"loss": contestant.loss()}
        else:
            watch = Watch(seconds=command["seconds"])
            contestant.train(watch)
            answer = {"steps": watch.done, "cpu": watch.used}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
