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
AXES = {"channels": "channel", "features": "feature"}
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


def arguments(bodies: list[Body], parts: list[list[list[Part]]]) -> dict[Place, Argument]:
    """For each number that is not the same in all bodies, the argument that stands for it; equal ones share one where
    data flow from one to the other."""
    body = bodies[0]
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
    groups = _groups(body, differing)
    found: dict[Place, Argument] = {}
    widths = {k: repr(tuple(_width(b, k) for b in bodies)) for k in AXES}
    for name, places in zip(_names(body, groups, [_plain(g, differing, widths) for g in groups]), groups, strict=True):
        values = differing[places[0]]
        known = {repr(d): d for d in (defaults.get(p, MISSING) for p in places)}
        default = known.popitem()[1] if len(known) == 1 else MISSING
        found |= dict.fromkeys(places, Argument(name, _type(values), values, default))
    return found


def _groups(body: Body, differing: Mapping[Place, Values]) -> list[list[Place]]:
    """Places of equal numbers that are equal for a reason: of what happens to agree on two branches that are put side
    by side, each is an argument of its own."""
    above = _above(body)
    groups: list[tuple[Values, list[Place]]] = []
    for place, values in differing.items():
        own = [g for g in groups if repr(g[0]) == repr(values) and any(_tied(body, above, p, place) for p in g[1])]
        merged = (values, [*(p for g in own for p in g[1]), place])
        at = groups.index(own[0]) if own else len(groups)
        groups = [g for g in groups if g not in own]
        groups.insert(at, merged)
    return [places for _, places in groups]


def _above(body: Body) -> list[set[int]]:
    """For each line, itself, the lines that it depends on, and the inputs of the body as -1, -2, …"""
    holds: dict[int, set[int]] = {k: {-1 - k} for k in range(len(body.inputs))}
    above: list[set[int]] = []
    for i, line in enumerate(body.lines):
        above.append({i}.union(*(holds[s] for s in line.sources)))
        holds[line.target] = above[i]
    return above


def _tied(body: Body, above: list[set[int]], a: Place, b: Place) -> bool:
    """Whether data flow from one place to the other, both take the same tensors, or a layer that is no Concat, and so
    needs equal shapes, reads both."""
    i, k = a[0], b[0]
    if i in above[k] or k in above[i]:
        return True
    if not (a[2].startswith("out_") and b[2].startswith("out_")):
        return True
    return any({i, k} <= lines and body.lines[j].type != "Concat" for j, lines in enumerate(above))


def _width(body: Body, kind: str) -> int:
    """How many channels or features a body gives; 0 if it gives none."""
    last = next((line.output for line in reversed(body.lines) if line.target in body.outputs[:1]), None)
    return last.shape[last.axes.index(AXES[kind])] if last and AXES[kind] in last.axes else 0


def _names(body: Body, places: list[list[Place]], plain: list[str]) -> list[str]:
    """``plain`` names; after the layer and its keyword where two would have one name."""
    found: list[str] = []
    for name, group in zip(plain, places, strict=True):
        if plain.count(name) > 1:
            name = f"{body.lines[group[0][0]].name}_{group[0][2] if group[0][2] != COUNT else name}"
        while name in found or keyword.iskeyword(name) or name in ("self", "torch", "nn"):
            name += "_"
        found.append(name)
    return found


def _plain(places: list[Place], differing: Mapping[Place, Values], widths: Mapping[str, str]) -> str:
    """``channels`` of what has as many in as out; ``out_channels`` only of what the block itself gives, and
    ``hidden_channels`` of what stays within."""
    _, _, name = places[0]
    if name == COUNT:
        return "repeats"
    side, _, kind = name.partition("_")
    if side not in ("in", "out") or kind not in AXES:
        return name
    given = repr(differing[places[0]]) == widths[kind]
    if side == "in":
        return kind if given and any(p[2] == f"out_{kind}" for p in places) else name
    return name if given else f"hidden_{kind}"


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
