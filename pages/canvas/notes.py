"""What Python knows of each node, in the words that the canvas shows on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from builder.diagnostic import Diagnostic, Fix
from builder.infer import Inference
from builder.suggest import after

Notes = dict[str, dict[str, Any]]


def notes(inference: Inference, extra: Iterable[Diagnostic] = (), costs: Mapping[str, str] | None = None) -> Notes:
    """Per node id ``{shape, dtype, params, cost, next, error, warn, code, fix, grey}``, where it says something.

    ``shape`` is the output, which is also what flows along the node's wires; ``next`` are the types of layers that
    take it, best first. ``extra`` are Diagnostics from elsewhere (does the network fit the data?); ``costs`` say per
    node what it needs. ``grey`` marks a node without a shape that is not itself at fault.
    """
    found = {node: list(info.diagnostics) for node, info in inference.nodes.items()}
    for d in extra:
        if d.node in found and d not in found[d.node]:
            found[d.node].append(d)
    said = {node: _note(inference, node, problems) for node, problems in found.items()}
    for node, note in said.items():
        if costs and "shape" in note:
            note["cost"] = costs[node]
    return said


def _note(inference: Inference, node: str, problems: list[Diagnostic]) -> dict[str, Any]:
    info = inference.nodes[node]
    note: dict[str, Any] = {}
    if info.output is not None:
        note = {"shape": str(info.output), "params": count(info.params) if info.params else ""}
        note |= {"dtype": info.output.dtype if info.output.dtype != "float32" else ""}
        note |= {"next": after(inference.graph.by_id[node].type, info.output)}
    worst = sorted(problems, key=lambda d: d.severity)  # "error" sorts before "warning"
    if worst:
        note |= {"error" if worst[0].severity == "error" else "warn": worst[0].text, "code": worst[0].code}
        note |= {"fix": worst[0].fix.label} if worst[0].fix else {}
    elif info.output is None:
        note["grey"] = True
    return {k: v for k, v in note.items() if v}


def count(n: int) -> str:
    """``n`` weights as a person reads them: 416, 61,706, 1.24 M."""
    return f"{n:,}" if n < 1_000_000 else f"{n / 1e6:.2f} M" if n < 1_000_000_000 else f"{n / 1e9:.2f} G"


def fix_for(diagnostics: Iterable[Diagnostic], node: str, code: str) -> Fix | None:
    """The cure of the problem ``code`` at ``node``, as the canvas's button asks for it."""
    return next((d.fix for d in diagnostics if d.fix and (d.node, d.code) == (node, code)), None)
