"""Numbers in which the blocks of one class differ, as arguments of its constructor."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder.keywords import POSITIONAL
from builder.outline import Body
from builder.spec import Call

Values = tuple[Any, ...]  # one for each body of a class
Place = tuple[int, int, str]  # of a number: line, run of equal repeats, keyword or COUNT
COUNT = "×"  # the place of how often a run repeats
REQUIRED_BY_PLACE = 3  # more arguments than these are written with their names
MISSING = object()


@dataclass(frozen=True)
class Argument:
    """Of a constructor: ``default`` is MISSING where it must be given."""

    name: str
    type: str
    values: Values
    default: Any = MISSING


@dataclass
class Part:
    """What makes one module: one constructor, ``count`` times. ``given`` are the numbers in it, by keyword, and
    ``defaults`` those that may be left out; ``frame`` is all the rest."""

    frame: tuple[Any, ...]
    make: Call
    given: Mapping[str, Any]
    defaults: Mapping[str, Any]
    count: int = 1


def _is_number(value: Any) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(_is_number(v) for v in value)
    return isinstance(value, int | float)


def of_layer(module: Call, defaults: Mapping[str, Any]) -> Part:
    """Arguments by place under their keyword; numbers that are left out are at the default of their parameter."""
    names = POSITIONAL.get(module.target, ())
    placed = dict(zip(names, module.args, strict=False))
    rest = module.args[len(names) :]
    optional = {k: v for k, v in defaults.items() if (v is None or _is_number(v)) and k not in placed}
    written = {k: v for k, v in module.kwargs if k in optional and _is_number(v)}
    others = tuple((k, v) for k, v in module.kwargs if k not in written)
    unset = {k: v for k, v in optional.items() if k not in dict(others)}
    by_place = {k: v for k, v in placed.items() if _is_number(v)}
    words = tuple((k, repr(v)) for k, v in placed.items() if k not in by_place)
    frame = (module.target, tuple(placed), words, repr(rest), tuple((k, repr(v)) for k, v in others))
    return Part(frame, module, {**by_place, **unset, **written}, unset)


def arguments(body: Body, parts: list[list[list[Part]]]) -> dict[Place, Argument]:
    """For each number that is not the same in all bodies, the argument that stands for it; equal ones share one."""
    vectors: dict[Place, Values] = {}
    defaults: dict[Place, Any] = {}
    for i, runs in enumerate(parts[0]):
        for k, part in enumerate(runs):
            for name in part.given:
                vectors[i, k, name] = tuple(p[i][k].given[name] for p in parts)
                defaults[i, k, name] = part.defaults.get(name, MISSING)
            if len(body.lines[i].times) > 1:
                vectors[i, k, COUNT] = tuple(p[i][k].count for p in parts)
    differing = {place: v for place, v in vectors.items() if len({repr(x) for x in v}) > 1}
    by_values: dict[str, list[Place]] = {}
    for place, values in differing.items():
        by_values.setdefault(repr(values), []).append(place)
    found: dict[Place, Argument] = {}
    for name, places in zip(_names(body, list(by_values.values())), by_values.values(), strict=True):
        values = differing[places[0]]
        known = {repr(d): d for d in (defaults.get(p, MISSING) for p in places)}
        default = known.popitem()[1] if len(known) == 1 else MISSING
        found |= dict.fromkeys(places, Argument(name, _type(values), values, default))
    return found


def _names(body: Body, places: list[list[Place]]) -> list[str]:
    """The keyword of the first number that an argument stands for, after its layer where two would have one name."""
    plain = [_plain(group) for group in places]
    found: list[str] = []
    for name, group in zip(plain, places, strict=True):
        if plain.count(name) > 1:
            name = f"{body.lines[group[0][0]].name}_{name}"
        while name in found or keyword.iskeyword(name) or name in ("self", "torch", "nn"):
            name += "_"
        found.append(name)
    return found


def _plain(places: list[Place]) -> str:
    """``channels`` where a layer has as many in as out, and both are the argument."""
    line, run, name = places[0]
    if name == COUNT:
        return "repeats"
    both = name.startswith("in_") and (line, run, name.replace("in_", "out_", 1)) in places
    return name.removeprefix("in_") if both else name


def _type(values: Values) -> str:
    kinds = sorted({_type_of(v) for v in values if v is not None})
    return " | ".join([*kinds, "None"] if None in values else kinds)


def _type_of(value: Any) -> str:
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(_type_of, value))}]"
    return type(value).__name__


def written(name: str, arguments: tuple[Argument, ...], given: Mapping[str, Any]) -> Call:
    """The call that makes a block: what must be given by place unless it is much, the rest by name where it differs."""
    required = [a.name for a in arguments if a.default is MISSING]
    by_place = required if len(required) <= REQUIRED_BY_PLACE else []
    named = [a for a in arguments if a.name not in by_place]
    kept = [(a.name, given[a.name]) for a in named if not (a.default is not MISSING and _same(given[a.name], a))]
    return Call(name, tuple(given[n] for n in by_place), tuple(kept))


def _same(value: Any, argument: Argument) -> bool:
    return repr(value) == repr(argument.default)
