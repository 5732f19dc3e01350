"""A drawing as SVG, for a paper or a slide: the layers where they stand on the canvas, with shapes and counts.

Plain SVG 1.1 without scripts, styles or fonts of its own, so that every program shows the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from builder.block import entries, exits, inside, is_block, spec_of, times
from builder.catalog import BY_TYPE
from builder.colors import GROUP_COLORS, OTHER
from builder.diff import Mark
from builder.graph import Edge, Graph, Node, Note
from builder.infer import Inference
from builder.spec import LayerSpec
from builder.wires import Point, Wire, course

MARGIN = 24.0
FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
LEAST, MOST, LEFT = 150.0, 240.0, 15.0  # px: width of a layer, and where its text begins
HEAD, LINE, TAIL = 28.0, 20.0, 22.0  # px: height of a layer's three parts
PORT = 34.0  # px below the top: where the wires of a layer that has one input come and go
SHEETS = (8.0, 4.0)  # px: how far right and down the sheets under a block lie, the lowest first
FIELD = re.compile(r"\{(\w+)(?::([^}]*))?\}")  # of a summary
PAD = "#e0b000"  # of a note
SIGNS: dict[Mark, str] = {"added": "+ added", "removed": "− removed", "changed": "~ changed"}


@dataclass(frozen=True)
class Look:
    """The colours of a picture."""

    paper: str
    ink: str
    dim: str
    wire: str
    marks: Mapping[Mark, str]


LIGHT = Look(
    "#ffffff", "#1f2328", "#5a6068", "#767c84", {"added": "#0072b2", "removed": "#c24e00", "changed": "#8a5a00"}
)
DARK = Look(
    "#181817", "#f0f2f6", "#a9b0ba", "#8b929c", {"added": "#56b4e9", "removed": "#ff9142", "changed": "#f0c34a"}
)


@dataclass(frozen=True)
class Box:
    """A layer as it is drawn: the texts of its parts, and its place."""

    node: Node
    title: str
    aside: str
    summary: str
    shape: str
    count: str
    color: str
    width: float
    height: float

    @property
    def at(self) -> Point:
        return self.node.position


def svg(
    graph: Graph,
    inference: Inference,
    look: Look = LIGHT,
    nodes: Mapping[str, Mark] | None = None,
    edges: Mapping[Edge, Mark] | None = None,
) -> str:
    """The picture of ``graph``; ``nodes`` and ``edges`` say what a comparison marks (diff.py)."""
    boxes = {n.id: _box(n, inference) for n in graph.nodes}
    down = is_downwards(graph)
    wires = {
        e: _wire(graph, boxes, e, down) for e in dict.fromkeys(graph.edges) if {e.source, e.target} <= boxes.keys()
    }
    x0, y0, x1, y1 = _frame(boxes.values(), wires.values(), graph.notes)
    body = [
        f'<rect x="{x0:g}" y="{y0:g}" width="{x1 - x0:g}" height="{y1 - y0:g}" fill="{look.paper}"/>',
        *(_note(n, look) for n in graph.notes),
        *(_edge(e, w, boxes[e.source].shape, look, (edges or {}).get(e)) for e, w in wires.items()),
        *(_node(b, look, (nodes or {}).get(b.node.id)) for b in boxes.values()),
    ]
    title = f"A network of {len(graph.nodes)} layers with {inference.params:,} parameters"
    size = f'width="{x1 - x0:g}" height="{y1 - y0:g}" viewBox="{x0:g} {y0:g} {x1 - x0:g} {y1 - y0:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{FONT}" font-size="13">'
    return "\n".join([head, f"<title>{title}</title>", *body, "</svg>"]) + "\n"


def is_downwards(graph: Graph) -> bool:
    """Whether the wires mostly run down, so that the ports stand on top and at the bottom (as the canvas decides)."""
    ends = [(graph.by_id[e.source].position, graph.by_id[e.target].position) for e in graph.edges if _whole(graph, e)]
    across, down = (sum(abs(b[axis] - a[axis]) for a, b in ends) for axis in (0, 1))
    return down > across


def _whole(graph: Graph, edge: Edge) -> bool:
    return edge.source in graph.by_id and edge.target in graph.by_id


def _box(node: Node, inference: Inference) -> Box:
    spec, info = spec_of(node, BY_TYPE), inference.nodes[node.id]
    name = (spec.title or spec.type) if spec else node.type
    title, aside = (node.label, name) if node.label else (name, node.id)
    summary = _summary(spec, node) if spec else ""
    shape = str(info.output) if info.output else "–"
    count = f"{info.params:,} params" if info.params else ""
    rows = (wide(title, 13) * 1.06 + wide(aside, 10) + 12, wide(summary, 12), wide(shape, 11) + wide(count, 11) + 12)
    width = min(max(LEAST, *(row + LEFT + 10 for row in rows)), MOST)
    color = GROUP_COLORS[spec.group] if spec else OTHER
    return Box(node, title, aside, summary, shape, count, color, width, HEAD + (LINE if summary else 0) + TAIL)


def _summary(spec: LayerSpec, node: Node) -> str:
    if is_block(node):
        inner = len(inside(node).nodes) - len(entries(inside(node))) - len(exits(inside(node)))
        layers = f"{inner} layer{'' if inner == 1 else 's'}"
        return f"{layers} × {times(node)}" if times(node) > 1 else layers
    params = spec.complete(node.params)
    return FIELD.sub(lambda field: _value(params.get(field[1]), field[2] or ""), spec.summary)


def _value(value: object, form: str) -> str:
    if isinstance(value, tuple | list):
        return " × ".join(map(str, value))
    return "–" if value is None else format(value, form) if isinstance(value, int | float) else str(value)


def _wire(graph: Graph, boxes: Mapping[str, Box], edge: Edge, down: bool) -> Wire:
    source, target = boxes[edge.source], boxes[edge.target]
    spec = spec_of(target.node, BY_TYPE)
    last = max(e.port for e in graph.inputs(edge.target)) + 1
    ports = max(last, len(spec.ports) if spec else 1)
    share = (edge.port + 1) / (ports + 1)
    (sx, sy), (tx, ty) = source.at, target.at
    if down:
        return course((sx + source.width / 2, sy + source.height), (tx + target.width * share, ty), down)
    y = ty + (PORT if ports == 1 else target.height * share)
    return course((sx + source.width, sy + PORT), (tx, y), down)


def _frame(boxes: Iterable[Box], wires: Iterable[Wire], notes: Iterable[Note]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of everything, with a margin; a badge stands 12 px above its layer."""
    corners = [p for b in boxes for p in ((b.at[0], b.at[1] - 12), (b.at[0] + b.width, b.at[1] + b.height))]
    corners += [p for w in wires for p in w.points]
    corners += [p for n in notes for p in (n.position, (n.position[0] + n.size[0], n.position[1] + n.size[1]))]
    xs, ys = ([p[axis] for p in corners] or [0.0, 200.0] for axis in (0, 1))
    return min(xs) - MARGIN, min(ys) - MARGIN, max(xs) + MARGIN, max(ys) + MARGIN


def _node(box: Box, look: Look, mark: Mark | None) -> str:
    (x, y), w, h = box.at, box.width, box.height
    color = look.marks[mark] if mark else mix(box.color, look.wire, 0.6)
    dash = ' stroke-dasharray="6 4"' if mark == "removed" else ""
    foot = y + h - 8
    parts = [
        *(_sheet(x + d, y + d, w, h, look.paper, color) for d in (SHEETS if is_block(box.node) else ())),
        f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="8" fill="{look.paper}"/>',
        f'<path d="{_head(x, y, w)}" fill="{mix(box.color, look.paper, 0.22)}"/>',
        f'<rect x="{x:g}" y="{y + 8:g}" width="5" height="{HEAD - 8:g}" fill="{box.color}"/>',
        f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="8" fill="none" stroke="{color}" '
        f'stroke-width="{2.5 if mark else 1.5}"{dash}/>',
        text(x + LEFT, y + 19, cut(box.title, w - LEFT - wide(box.aside, 10) - 22, 13), look.ink, weight="bold"),
        text(x + w - 10, y + 19, cut(box.aside, w / 2, 10), look.dim, 10, "end"),
        text(x + LEFT, y + HEAD + 15, cut(box.summary, w - LEFT - 10, 12), look.ink, 12),
        text(x + LEFT, foot, cut(box.shape, w - LEFT - wide(box.count, 11) - 16, 11), look.ink, 11),
        text(x + w - 10, foot, box.count, look.dim, 11, "end"),
    ]
    if mark:
        wide_ = wide(SIGNS[mark], 11) + 14
        badge = f'<rect x="{x + w - wide_ - 6:g}" y="{y - 12:g}" width="{wide_:g}" height="18" rx="9" fill="{color}"/>'
        parts += [badge, text(x + w - 6 - wide_ / 2, y + 1, SIGNS[mark], look.paper, 11, "middle", "bold")]
    said = f' data-mark="{mark}"' if mark else ""
    return f"<g data-node={quoteattr(box.node.id)}{said}>{''.join(filter(None, parts))}</g>"


def _sheet(x: float, y: float, w: float, h: float, paper: str, color: str) -> str:
    """One of those that lie under a block, which so looks like a pile."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="8" fill="{paper}" stroke="{color}" '
        f'stroke-width="1.2"/>'
    )


def _head(x: float, y: float, w: float) -> str:
    """The coloured top of a layer, round above and straight below."""
    return f"M{x:g} {y + HEAD:g}V{y + 8:g}a8 8 0 0 1 8 -8H{x + w - 8:g}a8 8 0 0 1 8 8V{y + HEAD:g}Z"


def _edge(edge: Edge, wire: Wire, label: str, look: Look, mark: Mark | None) -> str:
    color = look.marks[mark] if mark else look.wire
    dash = ' stroke-dasharray="6 4"' if mark == "removed" else ""
    name = quoteattr(f"{edge.source}>{edge.target}:{edge.port}")
    said = f' data-mark="{mark}"' if mark else ""
    line = f'<path d="{wire.path}" fill="none" stroke="{color}" stroke-width="{2.6 if mark else 1.6}"{dash}/>'
    parts = [line, f'<path d="{wire.arrow}" fill="{color}"/>']
    if wire.room > wide(label, 10) + 30 and label != "–":
        (x, y), w = wire.label, wide(label, 10) + 8
        parts += [
            f'<rect x="{x - w / 2:g}" y="{y - 7:g}" width="{w:g}" height="14" fill="{look.paper}"/>',
            text(x, y + 3.5, label, look.dim, 10, "middle"),
        ]
    return f"<g data-edge={name}{said}>{''.join(parts)}</g>"


def _note(note: Note, look: Look) -> str:
    """A sheet with as many lines of the text as fit."""
    (x, y), (w, h) = note.position, (max(1.0, side) for side in note.size)
    sheet = (
        f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="6" fill="{mix(PAD, look.paper, 0.22)}" '
        f'stroke="{mix(PAD, look.paper, 0.6)}"/>'
    )
    lines = wrap(note.text, w - 20, 12)[: max(1, int((h - 12) / 16))]
    words = (text(x + 10, y + 20 + 16 * i, line, look.ink, 12) for i, line in enumerate(lines))
    return f"<g data-note={quoteattr(note.id)}>{sheet}{''.join(words)}</g>"


def wrap(words: str, room: float, size: float) -> list[str]:
    """``words`` in lines of at most ``room`` px, broken between words; a word that is longer is cut."""
    lines = []
    for paragraph in words.splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and wide(longer, size) > room:
                lines.append(line)
                longer = word
            line = cut(longer, room, size)
        lines.append(line)
    return lines


def text(
    x: float, y: float, words: str, color: str, size: float = 13, anchor: str = "start", weight: str = "normal"
) -> str:
    if not words:
        return ""
    where = f'x="{x:g}" y="{y:g}" fill="{color}" font-size="{size:g}"'
    return f'<text {where} text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'


def wide(words: str, size: float) -> float:
    """About how many px ``words`` take in Helvetica at ``size`` (its metrics, in four classes of letters)."""
    return size * sum(
        0.3 if c in "iljtfrI.,:;'|!()[] " else 0.85 if c in "mwMW@%×" or ord(c) > 0x2E80 else 0.57 for c in words
    )


def cut(words: str, room: float, size: float) -> str:
    """``words``, or as much of them as ``room`` px hold, with an ellipsis."""
    if wide(words, size) <= room:
        return words
    while words and wide(words + "…", size) > room:
        words = words[:-1]
    return words + "…" if words else ""


def mix(color: str, other: str, share: float) -> str:
    """``share`` of ``color`` in ``other``, both as #rrggbb."""
    parts = (round(int(color[i : i + 2], 16) * share + int(other[i : i + 2], 16) * (1 - share)) for i in (1, 3, 5))
    return "#" + "".join(f"{p:02x}" for p in parts)
