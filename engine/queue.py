"""Who is next: runs that wait for a slot, fair between owners."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.store import RunFolder


@dataclass(frozen=True)
class Waiting:
    """A run that wants a slot, and what it does when it gets one."""

    run: RunFolder
    then: Literal["start", "continue", "resume"]

    @property
    def owner(self) -> str:
        return self.run.meta.owner


def fair_order(waiting: Sequence[Waiting], running: Iterable[str]) -> list[Waiting]:
    """``waiting`` (in order of arrival) in order of service: the owner with fewest runs going, then who came first.

    ``running`` names the owner of every run that holds a slot. One owner with 30 runs so delays another's first run
    by one run at most.
    """
    going, left, order = Counter(running), list(waiting), []
    while left:
        chosen = min(left, key=lambda w: going[w.owner])  # min takes the first of equals
        left.remove(chosen)
        going[chosen.owner] += 1
        order.append(chosen)
    return order
