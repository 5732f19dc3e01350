"""A network as JSON (the format is in ARCHITECTURE.md): written readably, read with distrust.

A file is refused for what cannot be a drawing: wrong types, unknown names, impossible ports. What is only half
drawn or out of range loads, and infer.py says at which layer it hurts.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

from builder.diagnostic import Diagnostic, Refused
from builder.graph import Graph
from builder.params import shown
from builder.reader import Reader
from builder.written import body

FORMAT = "layerloom"
VERSION = 2
# Body of version n → body of version n + 1. Version 2 brought blocks: what version 1 could say means the same.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: lambda body: body | {"version": 2}}
MAX_BYTES = 2_000_000
MAX_DIGITS = 20
OPEN_OURS = "Open a file that Layerloom saved."


def loads(text: str | bytes) -> Graph:
    """The graph in ``text``. Raises Refused with what is wrong, each problem with its place."""
    return from_json(parse(text))


def dumps(graph: Graph) -> str:
    """``graph`` as text with one line per layer and per connection, so that two versions compare well."""
    parts = (f'  "{key}": {_lines(items)}' for key, items in body(graph).items())
    return f'{{\n  "format": "{FORMAT}",\n  "version": {VERSION},\n' + ",\n".join(parts) + "\n}\n"


def to_json(graph: Graph) -> dict[str, Any]:
    return {"format": FORMAT, "version": VERSION, **body(graph)}


def from_json(file: Any) -> Graph:
    """The graph in parsed JSON. Raises Refused with what is wrong, each problem with its place."""
    return Reader().graph(_migrated(file))


def _migrated(file: Any) -> dict[str, Any]:
    """What is in ``file``, in the present version of the format."""
    if not isinstance(file, dict):
        raise _refused("wrong-format", f"A network file is an object; it is {shown(file)}.", OPEN_OURS)
    if (said := file.get("format")) != FORMAT:
        what = f'A network file says "format": "{FORMAT}"; its format is {shown(said)}.'
        raise _refused("wrong-format", what, OPEN_OURS)
    present: dict[str, Any] = file
    for version in range(_version(file), VERSION):
        present = MIGRATIONS[version](present)
    return present


def _version(file: dict[str, Any]) -> int:
    version = file.get("version")
    if isinstance(version, int) and version > VERSION:
        what = f"The file was saved by a newer Layerloom (format {shown(version)}; this one reads up to {VERSION})."
        raise _refused("newer", what, "Update Layerloom.")
    if not isinstance(version, int) or isinstance(version, bool) or version not in (VERSION, *MIGRATIONS):
        known = ", ".join(map(str, sorted((*MIGRATIONS, VERSION))))
        raise _refused("wrong-version", f"version: must be {known}; it is {shown(version)}.", OPEN_OURS)
    return version


def parse(text: str | bytes) -> Any:
    """The JSON in ``text``, read with distrust: no duplicate keys, no monstrous numbers. Raises Refused."""
    if len(text) > MAX_BYTES:
        what = f"The file has more than {MAX_BYTES:,} bytes, which no network needs."
        raise _refused("too-large", what, "Open a smaller file.")
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        if not decoded.strip():
            raise _refused("empty", "The file is empty.", OPEN_OURS)
        return json.loads(
            decoded, object_pairs_hook=_object, parse_int=_int, parse_float=_float, parse_constant=_constant
        )
    except UnicodeDecodeError:
        raise _refused("not-text", "The file is not text in UTF-8.", OPEN_OURS) from None
    except json.JSONDecodeError as e:
        what = f"Line {e.lineno}, column {e.colno}: this is not JSON."
        raise _refused("not-json", what, "Mend that place, or open a file that Layerloom saved.") from None
    except RecursionError:
        raise _refused("too-deep", "The file is nested too deeply.", OPEN_OURS) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _refused("duplicate-key", f"The key {shown(twice)} stands twice in one object.", "Remove one of them.")
    return found


def _int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        what = f"A number has {len(digits):,} digits ({digits[:8]}…); at most {MAX_DIGITS} are read."
        raise _refused("number-too-large", what, "Use a smaller number.")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _refused("number-too-large", f"The number {digits[:20]} is too large.", "Use a smaller number.")
    return value


def _constant(name: str) -> float:
    raise _refused("not-finite", f"{name} is not a number that a network can have.", "Use an ordinary number.")


def _lines(items: list[dict[str, Any]]) -> str:
    if not items:
        return "[]"
    lines = (json.dumps(item, ensure_ascii=False, allow_nan=False) for item in items)
    return "[\n    " + ",\n    ".join(lines) + "\n  ]"


def _refused(problem: str, what: str, cure: str) -> Refused:
    return Refused(Diagnostic(f"document/{problem}", what, cure))
