"""Blocks as classes: those of one structure share one, and the numbers in which they differ become its arguments."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from builder.expression import Name, Repeated
from builder.keywords import POSITIONAL
from builder.names import class_name
from builder.outline import Body, Line
from builder.spec import Call, Expression, TensorSpec

Values = tuple[Any, ...]  # one for each body of a class
Place = tuple[int, int, str]  # of a number: line, run of equal repeats, argument
REQUIRED_BY_PLACE = 3  # more arguments than these are written with their names
LETTERS = {"channel": "C", "depth": "D", "height": "H", "width": "W", "time": "T", "feature": "F"}
LONGEST = 40  # characters of a title that become a name, so that one always fits on a line
MISSING = object()


@dataclass(frozen=True)
class Argument:
    """Of a constructor: ``default`` is MISSING where it must be given."""

    name: str
    type: str
    values: Values
    default: Any = MISSING


@dataclass(frozen=True)
class Assigned:
    """A line of a class: ``module`` is what its constructor assigns to ``name``, ``note`` the shape it gives."""

    name: str
    label: str
    module: Call | None
    init: str
    forward: Expression
    sources: tuple[int, ...]
    target: int
    note: str
    looped: bool = False


@dataclass(frozen=True)
class Class:
    name: str
    arguments: tuple[Argument, ...]
    inputs: tuple[str, ...]  # shapes
    lines: tuple[Assigned, ...]
    outputs: tuple[int, ...]


@dataclass
class _Part:
    """What makes one module: one constructor, ``count`` times. ``given`` are the numbers in it, by keyword, and
    ``defaults`` those that may be left out; ``frame`` is all the rest."""

    frame: tuple[Any, ...]
    make: Call
    given: Mapping[str, Any]
    defaults: Mapping[str, Any]
    count: int = 1


@dataclass
class Classes:
    """The classes of a network, each before those that use it; the last is the network itself."""

    root: Body
    net: str
    made: list[Class] = field(default_factory=list)
    calls: dict[Body, _Part] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.names.add(self.net)
        bodies = list(_all(self.root))
        for height in range(self.root.height):
            groups: dict[Any, list[Body]] = {}
            for body in bodies:
                if body.height == height and body is not self.root:
                    groups.setdefault(self._frame(body), []).append(body)
            for group in groups.values():
                self._class(self._name(group[0].title), group)
        self._class(self.net, [self.root])

    def _name(self, title: str) -> str:
        base, k = class_name(title[:LONGEST]), 2
        name = base
        while name in self.names:
            name, k = f"{base}{k}", k + 1
        self.names.add(name)
        return name

    def _frame(self, body: Body) -> tuple[Any, ...]:
        """What two bodies must have in common to be one class: all but numbers in constructors."""
        lines = tuple(
            (
                *(
                    line.name,
                    repr(line.forward),
                    line.sources,
                    line.target,
                    line.init,
                    line.looped,
                    len(line.times) > 1,
                ),
                tuple(part.frame for part in self._parts(line)),
            )
            for line in body.lines
        )
        return len(body.inputs), lines, body.outputs

    def _parts(self, line: Line) -> list[_Part]:
        """The constructors of a line: none, one, or those of the repeats of a block, equal ones in a row as one."""
        if line.module:
            return [_of_layer(line.module, line.defaults or {})]
        runs = []
        for _, run in groupby(
            (self.calls[body] for body in line.times), key=lambda part: (part.frame, repr(part.make))
        ):
            first, *more = run
            runs.append(_Part(first.frame, first.make, first.given, first.defaults, 1 + len(more)))
        return runs

    def _class(self, name: str, bodies: list[Body]) -> None:
        parts = [[self._parts(line) for line in body.lines] for body in bodies]
        arguments = _arguments(bodies[0], parts)
        lines = tuple(self._assigned(bodies, parts, i, arguments) for i in range(len(bodies[0].lines)))
        known = tuple(dict.fromkeys(arguments.values()))
        ordered = tuple(sorted(known, key=lambda a: (a.default is not MISSING, a.name.endswith("repeats"))))
        inputs = tuple(_shape([b.inputs[k] for b in bodies], ordered) for k in range(len(bodies[0].inputs)))
        self.made.append(Class(name, ordered, inputs, lines, bodies[0].outputs))
        for place, body in enumerate(bodies):
            given = {a.name: a.values[place] for a in ordered}
            defaults = {a.name: a.default for a in ordered if a.default is not MISSING}
            self.calls[body] = _Part((name,), _written(name, ordered, given), given, defaults)

    def _assigned(
        self, bodies: list[Body], parts: list[list[list[_Part]]], i: int, arguments: Mapping[Place, Argument]
    ) -> Assigned:
        line = bodies[0].lines[i]
        labels = {body.lines[i].label for body in bodies}
        made = []
        for k, part in enumerate(parts[0][i]):
            own = {place[2]: argument for place, argument in arguments.items() if place[:2] == (i, k)}
            made.append(_with(part, own, self._class_of(part)))
        module = made[0][0] if made else None
        if len(line.times) > 1:
            module = _stacked(made, line.looped)
        note = _shape([b.lines[i].output for b in bodies], tuple(dict.fromkeys(arguments.values())))
        label = labels.pop() if len(labels) == 1 else ""
        if line.times and parts[0][i][0].frame[0].startswith(class_name(label[:LONGEST])):
            label = ""  # the name of the class says it
        return Assigned(line.name, label, module, line.init, line.forward, line.sources, line.target, note, line.looped)

    def _class_of(self, part: _Part) -> Class | None:
        return next((c for c in self.made if (c.name,) == part.frame), None)


def _all(body: Body) -> Iterator[Body]:
    yield body
    for line in body.lines:
        for inner in line.times:
            yield from _all(inner)


def _is_number(value: Any) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(_is_number(v) for v in value)
    return isinstance(value, int | float)


def _of_layer(module: Call, defaults: Mapping[str, Any]) -> _Part:
    """Arguments by place under their keyword; numbers that are left out are at the default of their parameter."""
    names = POSITIONAL.get(module.target, ())
    placed = dict(zip(names, module.args, strict=False))
    rest = module.args[len(names) :]
    optional = {k: v for k, v in defaults.items() if _is_number(v) and k not in placed}
    written = {k: v for k, v in module.kwargs if k in optional and _is_number(v)}
    others = tuple((k, v) for k, v in module.kwargs if k not in written)
    unset = {k: v for k, v in optional.items() if k not in dict(others)}
    by_place = {k: v for k, v in placed.items() if _is_number(v)}
    words = tuple((k, repr(v)) for k, v in placed.items() if k not in by_place)
    frame = (module.target, tuple(placed), words, repr(rest), tuple((k, repr(v)) for k, v in others))
    return _Part(frame, module, {**by_place, **unset, **written}, unset)


def _arguments(body: Body, parts: list[list[list[_Part]]]) -> dict[Place, Argument]:
    """For each number that is not the same in all bodies, the argument that stands for it; equal ones share one."""
    vectors: dict[Place, Values] = {}
    defaults: dict[Place, Any] = {}
    for i, runs in enumerate(parts[0]):
        for k, part in enumerate(runs):
            for name in part.given:
                vectors[i, k, name] = tuple(p[i][k].given[name] for p in parts)
                defaults[i, k, name] = part.defaults.get(name, MISSING)
            if len(body.lines[i].times) > 1:
                vectors[i, k, "repeats"] = tuple(p[i][k].count for p in parts)
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
    both = name.startswith("in_") and (line, run, name.replace("in_", "out_", 1)) in places
    return name.removeprefix("in_") if both else name


def _type(values: Values) -> str:
    return " | ".join(sorted({_type_of(v) for v in values}))


def _type_of(value: Any) -> str:
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(_type_of, value))}]"
    return type(value).__name__


def _written(name: str, arguments: tuple[Argument, ...], given: Mapping[str, Any]) -> Call:
    """The call that makes a block: what must be given by place unless it is much, the rest by name where it differs."""
    required = [a.name for a in arguments if a.default is MISSING]
    by_place = required if len(required) <= REQUIRED_BY_PLACE else []
    named = [a for a in arguments if a.name not in by_place]
    kept = [(a.name, given[a.name]) for a in named if not (a.default is not MISSING and _same(given[a.name], a))]
    return Call(name, tuple(given[n] for n in by_place), tuple(kept))


def _same(value: Any, argument: Argument) -> bool:
    return repr(value) == repr(argument.default)


def _with(part: _Part, arguments: Mapping[str, Argument], made: Class | None) -> tuple[Call, int | Name]:
    """The constructor with variables for the numbers that differ, and how often it is called."""
    repeats = arguments.get("repeats")
    count: int | Name = Name(repeats.name) if repeats else part.count
    named: dict[str, Any] = {k: Name(a.name) for k, a in arguments.items() if k in part.given}
    if made:
        return _written(made.name, made.arguments, {**part.given, **named}), count
    positional = POSITIONAL.get(part.make.target, ())
    args = tuple(named.get(k, v) for k, v in zip(positional, part.make.args, strict=False))
    kwargs = {k: named.pop(k, v) for k, v in part.make.kwargs}
    kwargs |= {k: v for k, v in named.items() if k not in positional[: len(args)]}
    return Call(part.make.target, args + part.make.args[len(args) :], tuple(kwargs.items())), count


def _stacked(made: list[tuple[Call, int | Name]], looped: bool) -> Call:
    items = [call if count == 1 else Repeated(call, count, starred=True) for call, count in made]
    if not looped:
        return Call("nn.Sequential", tuple(items))
    if len(items) == 1 and isinstance(items[0], Repeated):
        return Call("nn.ModuleList", (Repeated(made[0][0], made[0][1], starred=False),))
    return Call("nn.ModuleList", (items,))


def _shape(specs: list[TensorSpec], arguments: tuple[Argument, ...]) -> str:
    """``(N, 16, 14, 14)``; N is the batch. Where bodies differ, the argument that says it, or a letter."""
    if len({len(s.shape) for s in specs}) > 1:
        return ""
    known = {repr(a.values): a.name for a in arguments}
    sides = []
    for axis, sizes in enumerate(zip(*(s.shape for s in specs), strict=True)):
        axes = specs[0].axes
        letter = LETTERS.get(axes[axis], "…") if axis < len(axes) else "…"
        sides.append(str(sizes[0]) if len(set(sizes)) == 1 else known.get(repr(sizes), letter))
    return f"({', '.join(('N', *sides))})" if sides else "(N,)"
