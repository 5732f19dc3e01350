"""The course of a wire in a picture: straight on, over the layers that a skip leaves out, or back to the next row.

The same courses as the canvas draws (pages/canvas/frontend/src/wire.ts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]
SKIP, LEVEL = 300.0, 90.0  # px: longer than to the next layer, and about in line with it
OVER, BESIDE = 60.0, 150.0  # px: past the edge of a layer, above it or beside it
OUT, ROUND = 24.0, 12.0  # px: how far a wire that turns back runs straight first, and the radius of its corners
TIP = 8.0  # px: length of the arrowhead


@dataclass(frozen=True)
class Wire:
    """``path`` and ``arrow`` are SVG paths, ``points`` lie around them; ``label`` has ``room`` px along the wire."""

    path: str
    arrow: str
    points: tuple[Point, ...]
    label: Point
    room: float


def course(source: Point, target: Point, down: bool) -> Wire:
    """From an output to an input; ``down`` is for ports on top and at the bottom."""
    (sx, sy), (tx, ty) = source, target
    along, aside = (ty - sy, tx - sx) if down else (tx - sx, ty - sy)
    end = (tx, ty - TIP) if down else (tx - TIP, ty)
    if along < 0:
        path, points, label = _back(source, end, down)
        room = abs(aside) + abs(along)
    elif along > (SKIP / 2 if down else SKIP) and abs(aside) < (2 * LEVEL if down else LEVEL):
        path, points, label = _around(source, end, down)
        room = along
    else:
        path, points, label = _straight(source, end, down)
        room = along if not down else 10 * along if along > 24 else 0
    return Wire(path, _arrow(target, down), points, label, room)


def _arrow(target: Point, down: bool) -> str:
    x, y = target
    a, b = ((x - 4, y - TIP), (x + 4, y - TIP)) if down else ((x - TIP, y - 4), (x - TIP, y + 4))
    return f"M{x:g} {y:g}L{a[0]:g} {a[1]:g}L{b[0]:g} {b[1]:g}Z"


Course = tuple[str, tuple[Point, ...], Point]


def _straight(source: Point, end: Point, down: bool) -> Course:
    (sx, sy), (tx, ty) = source, end
    mx, my = (sx + tx) / 2, (sy + ty) / 2
    a, b = ((sx, my), (tx, my)) if down else ((mx, sy), (mx, ty))
    path = f"M{sx:g} {sy:g}C{a[0]:g} {a[1]:g} {b[0]:g} {b[1]:g} {tx:g} {ty:g}"
    return path, (source, end), (mx, my)


def _around(source: Point, end: Point, down: bool) -> Course:
    (sx, sy), (tx, ty) = source, end
    if down:
        side = max(sx, tx) + BESIDE
        path = (
            f"M{sx:g} {sy:g}C{sx:g} {sy + 30:g} {side:g} {sy + 14:g} {side:g} {sy + 48:g}V{ty - 48:g}"
            f"C{side:g} {ty - 14:g} {tx:g} {ty - 30:g} {tx:g} {ty:g}"
        )
        return path, (source, (side + 40, sy), end), (side, (sy + ty) / 2)
    top = min(sy, ty) - OVER
    path = (
        f"M{sx:g} {sy:g}C{sx + 30:g} {sy:g} {sx + 14:g} {top:g} {sx + 48:g} {top:g}H{tx - 48:g}"
        f"C{tx - 14:g} {top:g} {tx - 30:g} {ty:g} {tx:g} {ty:g}"
    )
    return path, (source, (sx, top - 7), end), ((sx + tx) / 2, top)


def _back(source: Point, end: Point, down: bool) -> Course:
    (sx, sy), (tx, ty) = source, end
    if down:
        mid = (sx + tx) / 2
        corners = [source, (sx, sy + OUT), (mid, sy + OUT), (mid, ty - OUT), (tx, ty - OUT), end]
        label = (mid, (sy + ty) / 2)
    else:
        mid = (sy + ty) / 2
        corners = [source, (sx + OUT, sy), (sx + OUT, mid), (tx - OUT, mid), (tx - OUT, ty), end]
        label = ((sx + tx) / 2, mid)
    return rounded(corners), tuple(corners), label


def rounded(corners: Sequence[Point]) -> str:
    """A path through ``corners`` with round turns."""
    parts = [f"M{corners[0][0]:g} {corners[0][1]:g}"]
    for before, at, after in zip(corners, corners[1:], corners[2:], strict=False):
        (ax, ay), (bx, by) = _towards(at, before), _towards(at, after)
        parts.append(f"L{ax:g} {ay:g}Q{at[0]:g} {at[1]:g} {bx:g} {by:g}")
    return "".join(parts) + f"L{corners[-1][0]:g} {corners[-1][1]:g}"


def _towards(at: Point, other: Point) -> Point:
    """The point ROUND px from ``at`` towards ``other``, or half-way if that is nearer."""
    dx, dy = other[0] - at[0], other[1] - at[1]
    length = abs(dx) + abs(dy)  # one of them is 0
    share = min(ROUND / length, 0.5) if length else 0.0
    return at[0] + dx * share, at[1] + dy * share
