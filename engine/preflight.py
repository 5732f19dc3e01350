"""Before a run: does the network fit the data and the settings, and does the whole fit the machine? No torch.

A fix is offered only if it works: it is applied to a copy, errors that come up behind it are fixed too, and what
is left may hold no error that was not there before.
"""

from __future__ import annotations

from dataclasses import replace

from builder.diagnostic import Diagnostic, Fix
from builder.drawing import Found
from builder.edit import apply
from builder.graph import Graph
from builder.infer import infer
from engine import memory
from engine.checks import DOUBLED_SOFTMAX, problems
from engine.config import TrainConfig
from engine.data import Dataset
from engine.plan import Plan

LONGEST_FIX = 5  # changes in a row
Key = tuple[str, str | None, str | None]


def preflight(graph: Graph, config: TrainConfig, data: Dataset) -> tuple[Diagnostic, ...]:
    """Everything that speaks against this run, errors first. With an error it must not start."""
    plan = Plan(graph, config, data)
    if not plan.inference.ok:
        return plan.inference.diagnostics
    found = problems(plan)
    known = {_key(f.diagnostic) for f in found}
    diagnostics = [_with_fix(plan, each, known) for each in found]
    advice = [d for d in plan.inference.diagnostics if d.code != DOUBLED_SOFTMAX]
    return tuple(sorted((*diagnostics, *advice), key=lambda d: d.severity != "error"))


def estimate_bytes(graph: Graph, config: TrainConfig, data: Dataset) -> int:
    """What a run will need: weights, gradients, optimizer state, checkpoints, activations of a batch, data."""
    return memory.need(infer(graph), config, data).total


def _with_fix(plan: Plan, found: Found, known: set[Key]) -> Diagnostic:
    fixes = (_completed(plan, found.diagnostic, fix, known) for fix in found.fixes)
    return replace(found.diagnostic, fix=next((f for f in fixes if f), None))


def _completed(plan: Plan, diagnostic: Diagnostic, fix: Fix, known: set[Key]) -> Fix | None:
    """``fix`` and those of the errors behind it, or None if that does not cure ``diagnostic``."""
    for _ in range(LONGEST_FIX):
        left = problems(Plan(apply(plan.graph, fix.edits), plan.config, plan.data))
        errors = [f for f in left if f.diagnostic.severity == "error"]
        following = next((f.fixes[0] for f in errors if f.fixes), None)
        if following is None:
            gone = all(_key(f.diagnostic) != _key(diagnostic) for f in left)
            return fix if gone and all(_key(f.diagnostic) in known for f in errors) else None
        label = f"{fix.label}, then {following.label[0].lower()}{following.label[1:]}"
        fix = Fix(label, (*fix.edits, *following.edits))
    return None


def _key(d: Diagnostic) -> Key:
    return d.code, d.node, d.field
