"""``python -m builder check NET.json`` and ``python -m builder export NET.json``. ``-`` reads standard input.

Ends with 0 if all is well, 1 if the network has an error, 2 if the file cannot be read or written.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from builder import document
from builder.diagnostic import Diagnostic, Refused
from builder.flatten import TOO_MANY
from builder.graph import Graph
from builder.infer import Inference, NodeInfo, infer

HEAD = ("id", "type", "output", "parameters", "FLOPs")


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        graph = _read(args.net)
        return _check(graph, args.json) if args.command == "check" else _export(graph, args.output)
    except Refused as refused:
        if args.command == "check" and args.json:
            print(json.dumps({"ok": False, "diagnostics": [d.to_json() for d in refused.diagnostics]}, indent=2))
        else:
            _tell(refused.diagnostics)
    except OSError as e:
        print(f"{e.filename}: {e.strerror}.", file=sys.stderr)
    return 2


def report(inference: Inference) -> dict[str, Any]:
    """What ``check --json`` prints."""
    nodes = [{"id": n.id, "type": n.type, **_numbers(inference.nodes[n.id])} for n in inference.graph.nodes]
    return {
        "ok": inference.ok,
        "params": inference.params if _counted(inference) else None,
        "flops": inference.flops if _counted(inference) else None,
        "nodes": nodes,
        "diagnostics": [d.to_json() for d in inference.diagnostics],
    }


def table(inference: Inference) -> str:
    """One line per layer and a total: id, type, output shape without the batch, parameters, FLOPs per example."""
    rows = [HEAD]
    for n in inference.graph.nodes:
        info = inference.nodes[n.id]
        known = (str(info.output), f"{info.params:,}", f"{info.flops:,}") if info.output else ("?", "", "")
        rows.append((n.id, n.type, *known))
    totals = ("", f"{inference.params:,}", f"{inference.flops:,}") if _counted(inference) else ("?", "", "")
    rows.append(("total", "", *totals))
    wide = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = (
        "  ".join(cell.ljust(w) if i < 3 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, wide, strict=True)))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _counted(inference: Inference) -> bool:
    """Whether the sums are of all layers: of a drawing that repeats too often only the first are written out."""
    return not any(d.code == TOO_MANY for d in inference.errors)


def _check(graph: Graph, as_json: bool) -> int:
    inference = infer(graph)
    if as_json:
        print(json.dumps(report(inference), indent=2))
    else:
        print(table(inference))
        _tell(inference.diagnostics)
    return 0 if inference.ok else 1


def _export(graph: Graph, output: Path | None) -> int:
    inference = infer(graph)
    if not inference.ok:
        _tell(inference.errors)
        return 1
    from builder.source import source  # only here: it would cost `check` its time

    if output:
        output.write_text(source(graph), encoding="utf-8")
    else:
        print(source(graph), end="")
    return 0


def _numbers(info: NodeInfo) -> dict[str, Any]:
    out = info.output
    shape = {"output": list(out.shape), "dtype": out.dtype} if out else {"output": None, "dtype": None}
    return {**shape, "params": info.params, "flops": info.flops}


def _read(net: str) -> Graph:
    """At most one byte more is read than a document may have, whatever is behind ``net``."""
    if net == "-":
        return document.loads(sys.stdin.buffer.read(document.MAX_BYTES + 1))
    with Path(net).open("rb") as file:
        return document.loads(file.read(document.MAX_BYTES + 1))


def _tell(diagnostics: Iterable[Diagnostic]) -> None:
    for d in diagnostics:
        print(f"{d.severity}: {d.node + ': ' if d.node else ''}{d.text} [{d.code}]", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m builder", description="Look at a network drawn with Layerloom.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="print shapes, parameter counts, FLOPs and what is wrong")
    check.add_argument("--json", action="store_true", help="print JSON")
    export = commands.add_parser("export", help="print the network as stand-alone PyTorch source")
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it to FILE")
    for command in (check, export):
        command.add_argument("net", metavar="NET.json", help="a network document; - reads standard input")
    return parser


if __name__ == "__main__":
    sys.exit(main())
