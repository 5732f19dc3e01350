"""Undo and redo without limit, over any immutable value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Link = tuple[Any, "Link"] | None  # a value and what lies beyond it: a push costs the same after a million edits


@dataclass(frozen=True, eq=False)
class History(Generic[T]):
    """The ``present`` with its past and its future; every change gives a new History."""

    present: T
    _past: Link = field(default=None, repr=False)
    _future: Link = field(default=None, repr=False)

    @property
    def can_undo(self) -> bool:
        return self._past is not None

    @property
    def can_redo(self) -> bool:
        return self._future is not None

    @staticmethod
    def of(past: Iterable[T], present: T, future: Iterable[T]) -> History[T]:
        """From values that were written down, each list with what is nearest to ``present`` first."""
        return History(present, _link(past), _link(future))

    def past(self) -> Iterator[T]:
        """What undo leads to, the next first."""
        return _values(self._past)

    def future(self) -> Iterator[T]:
        """What redo leads to, the next first."""
        return _values(self._future)

    def push(self, value: T) -> History[T]:
        """``value`` becomes the present and the future is forgotten; a value equal to the present changes nothing."""
        return self if value == self.present else History(value, (self.present, self._past))

    def undo(self) -> History[T]:
        """One step back; at the beginning nothing happens."""
        if self._past is None:
            return self
        value, before = self._past
        return History(value, before, (self.present, self._future))

    def redo(self) -> History[T]:
        """One step forward again; at the end nothing happens."""
        if self._future is None:
            return self
        value, after = self._future
        return History(value, (self.present, self._past), after)


def _link(values: Iterable[T]) -> Link:
    link: Link = None
    for value in reversed(list(values)):
        link = (value, link)
    return link


def _values(link: Link) -> Iterator[Any]:
    while link is not None:
        value, link = link
        yield value
