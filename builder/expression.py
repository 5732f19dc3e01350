"""Call expressions as text: on one line, or one argument per line where that is too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from builder.definitions import OWN
from builder.spec import AllIn, Call, Expression, In, Item

# Operators; a rule nests only calls of one of these, on the left, so that no brackets are needed.
SIGNS = {"torch.add": "+", "torch.sub": "-", "torch.mul": "*", "torch.matmul": "@"}


@dataclass(frozen=True)
class Name:
    """A variable in an expression."""

    text: str


@dataclass(frozen=True)
class Repeated:
    """``of``, made anew ``count`` times; ``starred`` as so many arguments of their own, else as a list."""

    of: Call
    count: int | Name
    starred: bool


@dataclass(frozen=True)
class Printer:
    """Prints expressions with ``names`` for the inputs and ``module`` for the layer itself."""

    names: Sequence[str] = ()
    module: str = ""

    def flat(self, e: Any) -> str:
        match e:
            case In(index):
                return self.names[index]
            case AllIn():
                return f"[{', '.join(self.names)}]"
            case Item(of, key):
                return f"{self.flat(of)}[{_key(key)}]"
            case Call(target):
                return f"{self._target(target)}({', '.join(self.flat(a) for a in e.args) + self._options(e)})"
            case Name(text):
                return text
            case Repeated(of):
                start, end = ("*(", ")") if e.starred else ("[", "]")
                return f"{start}{self.flat(of)} {self._loop(e)}{end}"
            case list():
                return f"[{', '.join(map(self.flat, e))}]"
        return literal(e)

    def statement(self, e: Expression) -> str:
        """As ``flat``, with arithmetic written as a person would: ``x + y``, ``x * y``, ``x @ y``."""
        if isinstance(e, Call) and (sign := SIGNS.get(e.target)):
            return f" {sign} ".join(self.statement(a) if isinstance(a, Call) else self.flat(a) for a in e.args)
        return self.flat(e)

    def lines(self, e: Any, room: int) -> list[str]:
        """``e`` in lines of ``room`` characters where that can be; a comma after each argument keeps formatters off."""
        flat = self.flat(e)
        if len(flat) <= room:
            return [flat]
        match e:
            case Item(of, key):
                *first, last = self.lines(of, room - len(_key(key)) - 2)
                return [*first, f"{last}[{_key(key)}]"]
            case AllIn():
                return ["[", *(f"    {name}," for name in self.names), "]"]
            case Call():
                return self._spread(e, room)
            case Repeated(of):
                start, end = ("*(", ")") if e.starred else ("[", "]")
                made = self._spread(of, room - 4)  # else a formatter with more room would join the lines again
                return [start, *(f"    {line}" for line in (*made, self._loop(e))), end]
            case list():
                return ["[", *(line for item in e for line in self._argument("", item, room - 5)), "]"]
        return [flat]

    def _loop(self, e: Repeated) -> str:
        return f"for _ in range({self.flat(e.count)})"

    def _spread(self, e: Call, room: int) -> list[str]:
        """One argument per line."""
        given = [("", a) for a in e.args] + [(f"{k}=", v) for k, v in e.kwargs]
        body = [line for k, a in given for line in self._argument(k, a, room - 5)]
        return [f"{self._target(e.target)}(", *body, ")"] if body else [self.flat(e)]

    def _argument(self, keyword: str, value: Any, room: int) -> list[str]:
        first, *rest = self.lines(value, room - len(keyword))
        lines = [keyword + first, *rest]
        lines[-1] += ","
        return [f"    {line}" for line in lines]

    def _target(self, target: str) -> str:
        return self.module if target == "self" else target.removeprefix(OWN)

    def _options(self, e: Call) -> str:
        sign = ", " if e.args else ""
        return sign + ", ".join(f"{k}={self.flat(v)}" for k, v in e.kwargs) if e.kwargs else ""


def literal(value: Any) -> str:
    """``repr``, with the double quotes that formatters want."""
    text = repr(value)
    return f'"{text[1:-1]}"' if isinstance(value, str) and '"' not in text else text


def _key(key: Any) -> str:
    match key:
        case tuple():
            return ", ".join(_key(k) for k in key)
        case slice(start=None, stop=None):
            return ":"
        case slice(start=start, stop=None):
            return f"{start}:"
    return repr(key)
