"""Reads the body of a document with distrust: every problem with its place (``nodes[3].params.kernel_size``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from builder import block
from builder.catalog import BY_TYPE
from builder.diagnostic import Diagnostic, Refused, suggest
from builder.graph import Edge, Graph, Node, Note
from builder.params import ID, check, shown, unknown
from builder.spec import LayerSpec

MAX_NODES = 2_000
MAX_EDGES = 10_000
MAX_LABEL = 200
MAX_NOTES = 500
MAX_TEXT = 2_000  # characters in a note
MAX_POSITION = 1e7  # canvas pixels
MAX_PROBLEMS = 20  # a person reads no more, and a hostile file must not make us write a million
ZERO_WIDTH_JOINER = "\u200d"  # part of many emoji, though not "printable"
TOP = ("format", "version", "nodes", "edges", "notes")
NODE = ("id", "type", "params", "label", "position")
BLOCK = (*NODE, "inner")
INNER = ("nodes", "edges", "notes")
NOTE = ("id", "text", "position", "size")
EDGE = ("source", "target", "port")


class Reader:
    """Reads on past a problem, so that all are told at once."""

    def __init__(self) -> None:
        self.problems: list[Diagnostic] = []
        self.read = dict.fromkeys(INNER, 0)  # how many entries there were, those in blocks too

    def graph(self, body: dict[str, Any]) -> Graph:
        level = Level(self, "", 0)
        level.keys(body, TOP, "")
        graph = level.graph(body)
        if self.problems:
            raise Refused(*self.problems)
        return graph


class Level:
    """The drawing itself, or what is in the block at ``at``, ``depth`` blocks deep."""

    def __init__(self, reader: Reader, at: str, depth: int) -> None:
        self.reader, self.at, self.depth = reader, at, depth
        self.specs: dict[str, LayerSpec | None] = {}  # by node id; None where the type is unknown
        self.noted: set[str] = set()  # ids of notes
        self.taken: dict[str, set[int]] = {}  # ports by node id

    def graph(self, body: dict[str, Any]) -> Graph:
        nodes = tuple(self._node(place, item) for place, item in self._items(body, "nodes", MAX_NODES))
        edges = tuple(self._edge(place, item) for place, item in self._items(body, "edges", MAX_EDGES))
        noted = self._items(body, "notes", MAX_NOTES) if "notes" in body else ()
        return Graph(nodes, edges, tuple(self._note(place, item) for place, item in noted))

    def _items(self, body: dict[str, Any], key: str, most: int) -> Iterator[tuple[str, dict[str, Any]]]:
        items, place = body.get(key), f"{self.at}{key}"
        if not isinstance(items, list):
            self._refuse("type", place, f"must be a list; it is {shown(items)}.", "Put them in [ ].")
            return
        self.reader.read[key] += len(items)
        if (n := self.reader.read[key]) > most:
            all_ = " with those in blocks" if n > len(items) else ""
            self._refuse("too-many", place, f"has {n:,} entries{all_}; at most {most:,} are read.", "Use fewer.")
            return
        for i, item in enumerate(items):
            if isinstance(item, dict):
                yield f"{place}[{i}]", item
            else:
                self._refuse("type", f"{place}[{i}]", f"must be an object; it is {shown(item)}.", "Put it in { }.")

    def _node(self, place: str, item: dict[str, Any]) -> Node:
        self.keys(item, BLOCK if item.get("type") == block.BLOCK.type else NODE, place)
        id, type_ = self._id(f"{place}.id", item.get("id")), item.get("type")
        spec = BY_TYPE.get(type_) if isinstance(type_, str) else None
        if not spec:
            what = f"must name a layer type; it is {shown(type_)}."
            self._refuse("unknown-type", f"{place}.type", what, suggest(type_, BY_TYPE))
        if id and id in self.specs:
            self._refuse(
                "duplicate-id", f"{place}.id", f"{shown(id)} is taken by a layer before.", "Choose another id."
            )
        params = self._params(f"{place}.params", item.get("params", {}), spec)
        label = self._label(f"{place}.label", item.get("label", ""))
        position = self._position(f"{place}.position", item.get("position", [0, 0]))
        inner = self._inner(f"{place}.inner", item.get("inner")) if spec is block.BLOCK else None
        node = Node(id, str(type_), params, label, position, inner)
        self.specs[id] = block.spec_of(node, BY_TYPE)
        return node

    def _inner(self, place: str, inner: Any) -> Graph:
        if not isinstance(inner, dict):
            what = f"must be an object with the nodes and edges of the block; it is {shown(inner)}."
            self._refuse("type", place, what, "Put them in { }.")
        elif self.depth == block.MAX_DEPTH:
            what = f"stands in {self.depth} blocks already, and no more are read."
            self._refuse("too-deep", place, what, "Ungroup one of them.")
        else:
            self.keys(inner, INNER, place)
            return Level(self.reader, f"{place}.", self.depth + 1).graph(inner)
        return Graph()

    def _note(self, place: str, item: dict[str, Any]) -> Note:
        self.keys(item, NOTE, place)
        id, text = self._id(f"{place}.id", item.get("id")), item.get("text", "")
        if id in self.specs or id in self.noted:
            self._refuse("duplicate-id", f"{place}.id", f"{shown(id)} is taken.", "Choose another id.")
        self.noted.add(id)
        readable = isinstance(text, str) and all(c.isprintable() or c in (ZERO_WIDTH_JOINER, "\n", "\t") for c in text)
        if not readable or len(text) > MAX_TEXT:
            what = f"must be a text of at most {MAX_TEXT:,} characters; it is {shown(text)}."
            self._refuse("text", f"{place}.text", what, "Shorten it.")
        size = self._position(f"{place}.size", item.get("size", [200, 90]))
        return Note(id, str(text), self._position(f"{place}.position", item.get("position", [0, 0])), size)

    def _params(self, place: str, params: Any, spec: LayerSpec | None) -> dict[str, Any]:
        if not isinstance(params, dict):
            self._refuse("type", place, f"must be an object; it is {shown(params)}.", "Put it in { }.")
            return {}
        if not spec:
            return {}
        for d in unknown(spec, params):
            self._refuse("unknown-parameter", _at(place, str(d.field)), d.what, d.cure)
        known = {p.name: p for p in spec.params if p.name in params}
        for name, param in known.items():
            problem = check(param, params[name])
            if problem and problem.code == "param/type":
                self._refuse("type", f"{place}.{name}", problem.what, problem.cure)
        return {name: param.coerce(params[name]) for name, param in known.items()}

    def _label(self, place: str, label: Any) -> str:
        printable = isinstance(label, str) and all(c.isprintable() or c == ZERO_WIDTH_JOINER for c in label)
        if not printable or len(label) > MAX_LABEL:
            what = f"must be one line of at most {MAX_LABEL} characters; it is {shown(label)}."
            self._refuse("label", place, what, "Shorten it.")
        return str(label)

    def _position(self, place: str, position: Any) -> tuple[float, float]:
        match position:
            case [x, y] if _is_place(x) and _is_place(y):
                return float(x), float(y)
        self._refuse("position", place, f"must be two numbers [x, y]; it is {shown(position)}.", "Leave it out.")
        return 0.0, 0.0

    def _edge(self, place: str, item: dict[str, Any]) -> Edge:
        self.keys(item, EDGE, place)
        source, target = (self._end(f"{place}.{key}", item.get(key)) for key in ("source", "target"))
        spec = self.specs.get(target)
        port = self._port(f"{place}.port", item, target, spec) if spec else 0
        self.taken.setdefault(target, set()).add(port)
        return Edge(source, target, port)

    def _end(self, place: str, id: Any) -> str:
        id = self._id(place, id)
        if id and id not in self.specs:
            self._refuse(
                "unknown-node", place, f"there is no layer {shown(id)}.", suggest(id, filter(None, self.specs))
            )
        return str(id)

    def _port(self, place: str, item: dict[str, Any], target: str, spec: LayerSpec) -> int:
        port, n = item.get("port"), len(spec.ports)
        if n == 0:
            self._refuse("port", place, f"{target} ({spec.type}) takes no input.", "Remove this connection.")
        elif "port" not in item:
            if n == 1:
                return max(self.taken.get(target, {-1})) + 1 if spec.variadic else 0
            self._refuse("port", place, f"{target} ({spec.type}) has {n} inputs.", "Say which, from 0.")
        elif isinstance(port, bool) or not isinstance(port, int) or not spec.has_port(port) or port > MAX_EDGES:
            some = "a whole number from 0" if spec.variadic else f"from 0 to {n - 1}" if n > 1 else "0"
            what = f"must be {some} for {target} ({spec.type}); it is {shown(port)}."
            self._refuse("port", place, what, "Correct it.")
        else:
            return port
        return 0

    def _id(self, place: str, id: Any) -> str:
        if isinstance(id, str) and ID.fullmatch(id):
            return id
        what = f"must be letters, digits and _, at most 64 and no digit first; it is {shown(id)}."
        self._refuse("id", place, what, "Choose another id.")
        return ""

    def keys(self, item: dict[str, Any], known: tuple[str, ...], place: str) -> None:
        for key in item:
            if key not in known:
                self._refuse("unknown-key", _at(place, key), "there is no such key.", suggest(key, known))

    def _refuse(self, problem: str, place: str, what: str, cure: str) -> None:
        problems = self.reader.problems
        problems.append(Diagnostic(f"document/{problem}", f"{place}: {what}", cure, field=place))
        if len(problems) == MAX_PROBLEMS:
            raise Refused(*problems)


def _at(place: str, key: str) -> str:
    """The place of ``key``, which may hold anything."""
    safe = key if ID.fullmatch(key) else shown(key)
    return f"{place}.{safe}" if place else safe


def _is_place(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and abs(x) <= MAX_POSITION
