"""One message type for canvas, configuration and training: what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from builder.edit import Edit

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Fix:
    """A cure that one click applies: edits to the graph, in order."""

    label: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Diagnostic:
    """One problem, told in the user's words.

    ``code`` is stable (``area/problem``). ``what`` is one or two sentences that say what the thing needs
    and what it gets; ``cure`` is an order ("Use a kernel of 5 or less."). ``node`` is the place on the
    canvas, ``field`` the parameter or setting, when there is one.
    """

    code: str
    what: str
    cure: str
    node: str | None = None
    field: str | None = None
    severity: Severity = "error"
    fix: Fix | None = None

    @property
    def text(self) -> str:
        return f"{self.what} {self.cure}".strip()

    def at(self, node: str) -> Diagnostic:
        return replace(self, node=node)

    def to_json(self) -> dict[str, Any]:
        body = {"code": self.code, "severity": self.severity, "node": self.node, "field": self.field}
        fix = {"label": self.fix.label, "edits": [e.to_json() for e in self.fix.edits]} if self.fix else None
        return {**body, "what": self.what, "cure": self.cure, "fix": fix}


class Refused(ValueError):
    """Raised where a value must be had and cannot: a document, an upload, a command line. Carries Diagnostics."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("\n".join(d.text for d in diagnostics))
        self.diagnostics = diagnostics


def suggest(word: object, known: Iterable[str]) -> str:
    """The cure for a misspelt name: the nearest of ``known``, or all of them if there are few."""
    names = list(known)
    folded = {n.lower(): n for n in names}
    if near := get_close_matches(str(word)[:64].lower(), folded, n=1, cutoff=0.6):
        return f"Did you mean {folded[near[0]]!r}?"
    if not names:
        return "Remove it."
    return f"Use one of {', '.join(names)}." if len(names) <= 12 else "Check the spelling."
