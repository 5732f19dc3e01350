"""A drawing as a picture the size of a thumb: a coloured box for each layer, a line for each connection, no words."""

from __future__ import annotations

from builder.block import is_block
from builder.catalog import BY_TYPE
from builder.colors import GROUP_COLORS, OTHER
from builder.graph import Graph, Node

WIDTH, HEIGHT = 260.0, 72.0  # px of the picture
BOX = (150.0, 80.0)  # canvas px of a layer
LARGEST = 0.2  # how large a canvas px may get, so that a network of three layers is not drawn in giant boxes
BEHIND = 0.15  # of the height of a box: how far the sheets behind a block stick out
LINE = "#8b929c"  # seen on white and on black


def thumbnail(graph: Graph) -> str:
    """SVG of the layers where they stand on the canvas, in the middle; blocks look like a stack."""
    places = [n.position for n in graph.nodes] or [(0.0, 0.0)]
    left, top = (min(p[axis] for p in places) for axis in (0, 1))
    across = max(p[0] for p in places) - left + BOX[0]
    down = max(p[1] for p in places) - top + BOX[1]
    scale = min(LARGEST, (WIDTH - 16) / across, (HEIGHT - 16) / down)
    corner = (WIDTH - scale * across) / 2 - scale * left, (HEIGHT - scale * down) / 2 - scale * top
    at = {n.id: (corner[0] + scale * n.position[0], corner[1] + scale * n.position[1]) for n in graph.nodes}
    size = scale * BOX[0], scale * BOX[1]
    lines = [_line(at[e.source], at[e.target], size) for e in graph.edges]
    boxes = [_box(n, at[n.id], size) for n in graph.nodes]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" aria-hidden="true">'
    return f"{head}{''.join(lines)}{''.join(boxes)}</svg>"


def _line(source: tuple[float, float], target: tuple[float, float], size: tuple[float, float]) -> str:
    x, y, u, v = source[0] + size[0], source[1] + size[1] / 2, target[0], target[1] + size[1] / 2
    return f'<path d="M{x:.1f} {y:.1f}L{u:.1f} {v:.1f}" stroke="{LINE}" fill="none"/>'


def _box(node: Node, at: tuple[float, float], size: tuple[float, float]) -> str:
    spec = BY_TYPE.get(node.type)
    color = GROUP_COLORS.get(spec.group, OTHER) if spec else OTHER
    step = BEHIND * size[1]
    sheets = (2 * step, step, 0.0) if is_block(node) else (0.0,)
    return "".join(
        f'<rect x="{at[0] + d:.1f}" y="{at[1] + d:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}" rx="2" '
        f'fill="{color}" stroke="{LINE}" stroke-width="0.7"/>'
        for d in sheets
    )
