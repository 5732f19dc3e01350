"""Blocks as classes: those of one structure share one, and the numbers in which they differ become its arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from builder.arguments import COUNT, MISSING, Argument, Part, Place, arguments, of_layer, written
from builder.expression import Name, Repeated
from builder.keywords import POSITIONAL
from builder.names import LONGEST, argument, class_name, register
from builder.outline import Body, Line
from builder.spec import Call, Expression, TensorSpec

LETTERS = {"channel": "C", "depth": "D", "height": "H", "width": "W", "time": "T", "feature": "F"}


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
    given: tuple[str, ...]  # names of the inputs
    inputs: tuple[str, ...]  # their shapes
    lines: tuple[Assigned, ...]
    outputs: tuple[int, ...]


@dataclass
class Classes:
    """The classes of a network, each before those that use it; the last is the network itself."""

    root: Body
    net: str
    made: list[Class] = field(default_factory=list)
    calls: dict[Body, Part] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.names.add(self.net)
        bodies = list(_all(self.root))
        heights = {title: sorted({b.height for b in bodies if b.title == title}) for title in {b.title for b in bodies}}
        for height in range(self.root.height):
            groups: dict[Any, list[Body]] = {}
            for body in bodies:
                if body.height == height and body is not self.root:
                    groups.setdefault(self._frame(body), []).append(body)
            for group in groups.values():
                title = group[0].title
                self._class(self._name(title, sum(above > height for above in heights[title])), group)
        self._class(self.net, [self.root])

    def _name(self, title: str, depth: int) -> str:
        """After the title of a block; of those within each other the outermost has no number, the next one 2, …"""
        base, k = class_name(title[:LONGEST]), 1 + depth
        base += "Block" * (base == self.net)
        while (name := f"{base}{k}" if k > 1 else base) in self.names:
            k += 1
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

    def _parts(self, line: Line) -> list[Part]:
        """The constructors of a line: none, one, or those of the repeats of a block, equal ones in a row as one."""
        if line.module:
            return [of_layer(line.module, line.defaults or {})]
        runs = []
        for _, run in groupby(
            (self.calls[body] for body in line.times), key=lambda part: (part.frame, repr(part.make))
        ):
            first, *more = run
            runs.append(Part(first.frame, first.make, first.given, first.defaults, 1 + len(more)))
        return runs

    def _class(self, name: str, bodies: list[Body]) -> None:
        parts = [[self._parts(line) for line in body.lines] for body in bodies]
        taken = arguments(bodies, parts)
        near = _near(bodies[0], taken)
        lines = tuple(self._assigned(bodies, parts, i, taken, near[i]) for i in range(len(bodies[0].lines)))
        known = tuple(dict.fromkeys(taken.values()))
        ordered = tuple(sorted(known, key=lambda a: (a.default is not MISSING, a.name.endswith("repeats"))))
        inputs = tuple(_shape([b.inputs[k] for b in bodies], ordered) for k in range(len(bodies[0].inputs)))
        self.made.append(Class(name, ordered, _given(bodies), inputs, lines, bodies[0].outputs))
        for place, body in enumerate(bodies):
            given = {a.name: a.values[place] for a in ordered}
            defaults = {a.name: a.default for a in ordered if a.default is not MISSING}
            self.calls[body] = Part((name,), written(name, ordered, given), given, defaults)

    def _assigned(
        self,
        bodies: list[Body],
        parts: list[list[list[Part]]],
        i: int,
        taken: Mapping[Place, Argument],
        near: tuple[Argument, ...],
    ) -> Assigned:
        line = bodies[0].lines[i]
        labels = {body.lines[i].label for body in bodies}
        made = []
        for k, part in enumerate(parts[0][i]):
            own = {place[2]: argument for place, argument in taken.items() if place[:2] == (i, k)}
            made.append(_with(part, own, self._class_of(part)))
        module = made[0][0] if made else None
        if len(line.times) > 1:
            module = _stacked(made, line.looped)
        note = _shape([b.lines[i].output for b in bodies], near)
        label = labels.pop() if len(labels) == 1 else ""
        if line.times and parts[0][i][0].frame[0].startswith(class_name(label[:LONGEST])):
            label = ""  # the name of the class says it
        return Assigned(line.name, label, module, line.init, line.forward, line.sources, line.target, note, line.looped)

    def _class_of(self, part: Part) -> Class | None:
        return next((c for c in self.made if (c.name,) == part.frame), None)


def _all(body: Body) -> Iterator[Body]:
    yield body
    for line in body.lines:
        for inner in line.times:
            yield from _all(inner)


def _given(bodies: list[Body]) -> tuple[str, ...]:
    """What ``forward`` calls its inputs: x alone, of several each as it is drawn, where all bodies agree on that."""
    if len(bodies[0].inputs) == 1:
        return (register(0),)
    names: list[str] = []
    for i, (first, *others) in enumerate(zip(*(body.given for body in bodies), strict=True)):
        taken = {*names, *(line.name for line in bodies[0].lines)}
        name = "" if any(text != first for text in others) else argument(first, taken)
        names.append(name or register(i))
    return tuple(names)


def _with(part: Part, taken: Mapping[str, Argument], made: Class | None) -> tuple[Call, int | Name]:
    """The constructor with variables for the numbers that differ, and how often it is called."""
    repeats = taken.get(COUNT)
    count: int | Name = Name(repeats.name) if repeats else part.count
    named: dict[str, Any] = {k: Name(a.name) for k, a in taken.items() if k in part.given}
    if made:
        return written(made.name, made.arguments, {**part.given, **named}), count
    positional = POSITIONAL.get(part.make.target, ())
    args = tuple(named.get(k, v) for k, v in zip(positional, part.make.args, strict=False))
    kwargs = {k: named.pop(k, v) for k, v in part.make.kwargs}
    kwargs |= {k: v for k, v in named.items() if k not in positional[: len(args)]}
    return Call(part.make.target, args + part.make.args[len(args) :], tuple(kwargs.items())), count


def _near(body: Body, taken: Mapping[Place, Argument]) -> list[tuple[Argument, ...]]:
    """For each line all arguments, and last, those of the layers that it depends on and its own: of two that happen to
    be equal in all bodies, the last one names a shape."""
    held: dict[int, dict[Argument, None]] = {}
    found = []
    for i, line in enumerate(body.lines):
        own = {argument: None for place, argument in taken.items() if place[0] == i}
        above = {argument: None for source in line.sources for argument in held.get(source, {})}
        held[line.target] = {**{a: None for a in above if a not in own}, **own}
        rest = [a for a in dict.fromkeys(taken.values()) if a not in held[line.target]]
        found.append((*rest, *held[line.target]))
    return found


def _stacked(made: list[tuple[Call, int | Name]], looped: bool) -> Call:
    items = [call if count == 1 else Repeated(call, count, starred=True) for call, count in made]
    if not looped:
        return Call("nn.Sequential", tuple(items))
    if len(items) == 1 and isinstance(items[0], Repeated):
        return Call("nn.ModuleList", (Repeated(made[0][0], made[0][1], starred=False),))
    return Call("nn.ModuleList", (items,))


def _shape(specs: list[TensorSpec], taken: tuple[Argument, ...]) -> str:
    """``(N, 16, 14, 14)``; N is the batch. Where bodies differ, the argument that says it, or a letter."""
    if len({len(s.shape) for s in specs}) > 1:
        return ""
    known = {repr(a.values): a.name for a in taken}
    sides = []
    for axis, sizes in enumerate(zip(*(s.shape for s in specs), strict=True)):
        axes = specs[0].axes
        letter = LETTERS.get(axes[axis], "*") if axis < len(axes) else "*"
        sides.append(str(sizes[0]) if len(set(sizes)) == 1 else known.get(repr(sizes), letter))
    return f"({', '.join(('N', *sides))})" if sides else "(N,)"
