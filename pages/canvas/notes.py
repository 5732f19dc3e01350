"""What Python knows of each node, in the words that the canvas shows on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from builder.diagnostic import Diagnostic, Fix
from builder.graph import Node
from builder.infer import Inference, NodeInfo
from builder.spec import TensorSpec
from builder.suggest import after, blocks_after
from pages.canvas.paths import above, walk

Notes = dict[str, dict[str, Any]]
USUAL = 6  # layers that stand before the blocks in the list of what comes next


def notes(inference: Inference, extra: Iterable[Diagnostic] = (), costs: Mapping[str, str] | None = None) -> Notes:
    """Per path of a node ``{shape, dtype, params, cost, next, error, warn, code, fix, at, grey}``, where it says
    something.

    ``shape`` is the output, which is also what flows along the node's wires; ``next`` are the types of layers that
    take it, best first. ``extra`` are Diagnostics from elsewhere (does the network fit the data?); ``costs`` say per
    node what it needs. ``at`` is the path of the layer at fault, where that stands in this block. ``grey`` marks a node
    without a shape that is not itself at fault.
    """
    beside: dict[str, list[Diagnostic]] = {}
    for d in extra:
        for path in above(d.node or ""):
            beside.setdefault(path, []).append(d)
    said = {}
    for path, flat, node in walk(inference.graph):
        info = inference.nodes.get(flat, NodeInfo())
        problems = [*info.diagnostics, *(d for d in beside.get(path, ()) if d not in info.diagnostics)]
        said[path] = _note(node, path, info, problems)
        if costs and path in costs and info.output:
            said[path]["cost"] = costs[path]
    return said


def _note(node: Node, path: str, info: NodeInfo, problems: list[Diagnostic]) -> dict[str, Any]:
    note: dict[str, Any] = {}
    if info.output is not None:
        note = {"shape": str(info.output), "params": count(info.params) if info.params else ""}
        note |= {"dtype": info.output.dtype if info.output.dtype != "float32" else ""}
        note |= {"next": following(node.type, info.output)}
    worst = min(problems, key=lambda d: d.severity, default=None)  # "error" sorts before "warning"
    if worst:
        within = worst.node and worst.node.startswith(f"{path}.")
        said = f"In {worst.node[len(path) + 1 :]}: {worst.text}" if within and worst.node else worst.text
        note |= {"error" if worst.severity == "error" else "warn": said, "code": worst.code}
        note |= {"fix": worst.fix.label if worst.fix else "", "at": worst.node if within else ""}
    elif info.output is None:
        note["grey"] = True
    return {k: v for k, v in note.items() if v}


def following(type_: str, output: TensorSpec) -> tuple[str, ...]:
    """Types of the layers and names of the built-in blocks that take ``output``; blocks behind what mostly follows."""
    layers = after(type_, output)
    return (*layers[:USUAL], *(blocks_after(output) if layers else ()), *layers[USUAL:])


def count(n: int) -> str:
    """``n`` weights as a person reads them: 416, 61,706, 1.24 M."""
    return f"{n:,}" if n < 1_000_000 else f"{n / 1e6:.2f} M" if n < 1_000_000_000 else f"{n / 1e9:.2f} G"


def fix_for(diagnostics: Iterable[Diagnostic], node: str, code: str) -> Fix | None:
    """The cure of the problem ``code`` at ``node``, as the canvas's button asks for it."""
    return next((d.fix for d in diagnostics if d.fix and (d.node, d.code) == (node, code)), None)
