"""Where a run comes from: the past that it shares with another, and the turns of knobs that lie ahead of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.config import TrainConfig


@dataclass(frozen=True)
class Turn:
    """Knob ``name`` stands at ``value`` from the batch on that follows step ``step``."""

    step: int
    name: str
    value: float


@dataclass(frozen=True)
class Segment:
    """A stretch of training under the same settings in the same lane, which ends after step ``until``."""

    config: TrainConfig
    lane: str
    until: int
    turns: tuple[Turn, ...] = ()

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Segment:
        """Raises Refused for settings out of range, and KeyError, TypeError or ValueError for what is no segment."""
        config = TrainConfig.from_json(body["config"])
        return Segment(config, str(body["lane"]), int(body["until"]), turns(body["turns"]))


@dataclass(frozen=True)
class Origin:
    """A run that goes on from ``step`` of the run ``parent``. ``turns`` lie ahead of it, ``past`` behind it."""

    parent: str
    step: int
    turns: tuple[Turn, ...] = ()
    past: tuple[Segment, ...] = ()

    def to_json(self) -> dict[str, Any]:
        body = asdict(self)
        return {"parent": body.pop("parent"), "forked_at": body.pop("step"), **body}

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Origin:
        past = tuple(map(Segment.from_json, body["past"]))
        return Origin(str(body["parent"]), int(body["forked_at"]), turns(body["turns"]), past)


def turns(body: Sequence[Mapping[str, Any]]) -> tuple[Turn, ...]:
    return tuple(Turn(int(t["step"]), str(t["name"]), _number(t["value"])) for t in body)


def _number(value: object) -> float:
    if isinstance(value, int | float):
        return value
    raise TypeError("a knob stands at a number")


def same_knob(one: str, other: str) -> bool:
    """Whether turning ``one`` also turns ``other``: "dropout" stands for every Dropout layer."""
    return one == other or ("dropout" in (one, other) and one.partition(":")[0] == other.partition(":")[0])
