"""Is a value right for a parameter, and if not, what is allowed and what came."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from builder.diagnostic import Diagnostic, suggest

if TYPE_CHECKING:
    from builder.spec import LayerSpec, Param

LARGEST = 2**53  # the whole numbers that a browser holds exactly
MAX_INTS = 6
ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")  # of a node
PATH = re.compile(rf"(?:{ID.pattern}\.(?:[0-9]{{1,4}}\.)?){{0,8}}{ID.pattern}")  # of a node in blocks


def coerce(param: Param, value: Any) -> Any:
    """``value`` in the type of ``param`` where nothing is lost (3.0 → 3, [3, 3] → (3, 3)), else ``value`` itself.

    One number for every axis is written once: (3, 3) → 3.
    """
    if param.kind == "ints" and isinstance(value, list | tuple):
        return tuple(_whole(v) for v in value)
    if param.axes > 1 and isinstance(value, list | tuple):
        each = tuple(_whole(v) for v in value)
        alike = all(_is_int(v) for v in each) and len(set(each)) == 1 and len(each) in (1, param.axes)
        return each[0] if alike else each
    if param.kind == "int":
        return _whole(value)
    if param.kind == "float" and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST:
        return float(value)
    return value


def check(param: Param, value: Any) -> Diagnostic | None:
    """None if ``value`` is acceptable, else a Diagnostic param/type, param/range or param/choice."""
    if value is None and param.optional:
        return None
    value = coerce(param, value)
    if not _is_kind(param, value):
        return _refusal(param, value, "type", f"Give {_one(param)}.")
    if param.kind in ("node", "name"):
        return None
    if param.kind == "choice":
        if value in param.choices:
            return None
        return _refusal(param, value, "choice", suggest(value, param.choices))
    low, high = _range(param)
    for v in value if isinstance(value, tuple) else (value,):
        if v < low:
            return _refusal(param, value, "range", f"Use {number(low)} or more.")
        if v > high:
            return _refusal(param, value, "range", f"Use {number(high)} or less.")
    return None


def check_all(spec: LayerSpec, params: Mapping[str, Any]) -> list[Diagnostic]:
    """Every problem of ``params``: unknown names first, then values, in the order of the form."""
    return [*unknown(spec, params)] + [d for p in spec.params if p.name in params and (d := check(p, params[p.name]))]


def unknown(spec: LayerSpec, params: Mapping[str, Any]) -> Iterator[Diagnostic]:
    known = [p.name for p in spec.params]
    for n in params:
        if n not in known:
            what = f"{spec.type} has no parameter {shown(n)}."
            yield Diagnostic("param/unknown", what, suggest(n, known), field=n)


def nearest(param: Param, value: Any) -> Any:
    """The allowed value nearest to ``value``, which has the right type but not the right size."""
    low, high = _range(param)
    if isinstance(value, list | tuple):
        return coerce(param, [min(max(v, low), high) for v in value])
    return coerce(param, min(max(value, low), high))


def number(value: float) -> str:
    """A bound as a person writes it: 31, 0.95, 0.000001, 10,000,000."""
    if value == int(value) and abs(value) <= LARGEST:
        return f"{int(value):,}"
    return f"{value:.12f}".rstrip("0") if 1e-6 <= abs(value) <= LARGEST else f"{value:g}"


def shown(value: Any) -> str:
    """``value`` in a message: never long, never a raw control character, whatever was sent."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) <= LARGEST else "a number with too many digits"
    if isinstance(value, float):
        return "not a number" if math.isnan(value) else f"{value:g}" if math.isfinite(value) else "infinite"
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:39] + "…")
    if isinstance(value, list | tuple):
        entries = ", ".join(shown(v) if not isinstance(v, list | tuple) else "a list" for v in value[:MAX_INTS])
        return f"[{entries}{', …' if len(value) > MAX_INTS else ''}]"
    return "an object"


def allowed(param: Param) -> str:
    """What ``param`` admits, in words: "a whole number from 1 to 31"."""
    text = f"{_one(param)}{_bounds(param)}"
    return f"{text}, or empty" if param.optional else text


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST else value


def _is_kind(param: Param, value: Any) -> bool:
    match param.kind:
        case "bool":
            return isinstance(value, bool)
        case "choice":
            return isinstance(value, str)
        case "int":
            return _is_int(value) or (param.axes > 1 and _are_ints(value, param.axes, param.axes))
        case "ints":
            return _are_ints(value, 1, MAX_INTS)
        case "node":
            return isinstance(value, str) and bool(PATH.fullmatch(value))
        case "name":
            return isinstance(value, str) and (value == "" or bool(ID.fullmatch(value)))
        case "float":
            return _is_int(value) or (isinstance(value, float) and math.isfinite(value))


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_ints(value: Any, least: int, most: int) -> bool:
    return isinstance(value, tuple) and least <= len(value) <= most and all(_is_int(v) for v in value)


def _range(param: Param) -> tuple[float, float]:
    """The inclusive bounds that hold for ``param``, declared or not."""
    widest = LARGEST if param.kind in ("int", "ints") else 1e300
    return (-widest if param.low is None else param.low, widest if param.high is None else param.high)


def _one(param: Param) -> str:
    match param.kind:
        case "bool":
            return "true or false"
        case "choice":
            return f"one of {', '.join(param.choices)}"
        case "int":
            return f"a whole number or {param.axes} of them" if param.axes > 1 else "a whole number"
        case "node":
            return "the id of a layer"
        case "name":
            return "a name of letters, digits and _, with no digit first"
        case "ints":
            return f"a list of 1 to {MAX_INTS} whole numbers"
        case "float":
            return "a number"


def _bounds(param: Param) -> str:
    if param.kind in ("bool", "choice", "node", "name") or (param.low is None and param.high is None):
        return ""
    if param.high is None:
        return f" of {number(param.low or 0)} or more"
    if param.low is None:
        return f" of {number(param.high)} or less"
    each = ", each" if param.kind == "ints" or param.axes > 1 else ""
    return f"{each} from {number(param.low)} to {number(param.high)}"


def _refusal(param: Param, value: Any, problem: str, cure: str) -> Diagnostic:
    what = f"{param.title} must be {allowed(param)}; it is {shown(value)}."
    return Diagnostic(f"param/{problem}", what, cure, field=param.name)
