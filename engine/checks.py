"""The rules of preflight.py: small, each about one thing that speaks against a run. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from builder.block import at, drawn
from builder.diagnostic import Diagnostic, Fix
from builder.drawing import Found
from builder.edit import within
from builder.fixes import without
from engine import fitting, memory
from engine.knobs import DROPOUT, change, initial
from engine.plan import Plan
from engine.replicas.variants import SEEDS, check

DOUBLED_SOFTMAX = "train/softmax-before-output"  # the catalogue's advice, which holds for cross-entropy only


def problems(plan: Plan) -> list[Found]:
    """Of the drawing itself, as long as it has any; then the rules'."""
    if not plan.inference.ok:
        return [Found(d, (d.fix,) if d.fix else ()) for d in plan.inference.errors]
    return [found for rule in (*fitting.RULES, *RULES) for found in rule(plan)]


def doubled_softmax(plan: Plan) -> Iterator[Found]:
    """The catalogue's advice, where it holds, and with the cure on a button."""
    entropies = {g.node for g in plan.ends.goals if g.loss == "cross_entropy"}
    flat = plan.inference.flat.graph
    before = {drawn(e.source) for e in flat.edges if e.target in entropies}
    for d in plan.inference.diagnostics:
        if d.code == DOUBLED_SOFTMAX and d.node in before:
            block, _, id = d.node.rpartition(".")
            yield Found(d, (Fix(f"Remove {id}", within(block, without(at(plan.graph, block), id))),))


def knob_values(plan: Plan) -> Iterator[Found]:
    """Every knob exists in this network and is in its range."""
    values = initial(plan.graph)
    for name, value in plan.config.knobs.items():
        values, problem = change(values, name, value)
        if problem:
            yield Found(problem)


def idle_knobs(plan: Plan) -> Iterator[Found]:
    knobs = plan.config.knobs
    if knobs.get("dropout") and not any(name.startswith(DROPOUT) for name in initial(plan.graph)):
        what, cure = "Dropout is set, but the network has no Dropout layer.", "Add one behind a hidden layer."
        yield Found(Diagnostic("config/no-dropout", what, cure, field="dropout", severity="warning"))
    if knobs.get("label_smoothing") and not any(f.task == "classification" for f in plan.predicted):
        what = f"Label smoothing moves targets between classes, and {plan.title} has none: it changes nothing."
        yield Found(Diagnostic("config/no-labels", what, "Set it to 0.", field="label_smoothing", severity="warning"))


def batches(plan: Plan) -> Iterator[Found]:
    size, n = memory.batch_size(plan.config), plan.data.n_train
    if size > n:
        what = f"The batch size is {size:,}, and there are {n:,} examples to train on: each step will take them all."
        cure = f"Use {n:,} or less; a small part, such as a tenth, needs fewer passes."
        yield Found(Diagnostic("config/large-batch", what, cure, field="batch_size", severity="warning"))
    flat = plan.inference.flat
    for node in (n for n in flat.graph.nodes if n.type in ("BatchNorm1d", "BatchNorm2d")):
        shape = flat.nodes[node.id].inputs[0].shape
        if size == 1 and all(n == 1 for n in shape[1:]):
            id = drawn(node.id)
            what = f"{id} compares the examples of a batch, and a batch size of 1 leaves nothing to compare."
            cure = "Use a batch size of 2 or more, or a LayerNorm."
            yield Found(Diagnostic("config/lone-example", what, cure, node=id, field="batch_size"))


def alike(plan: Plan) -> Iterator[Found]:
    """What the copies of the run differ in has a value for each, in its range."""
    problems = check(plan.config.copies, plan.config.vary)
    yield from map(Found, problems)
    values = initial(plan.graph)
    for name in () if problems else plan.config.vary:
        wrong = (change(values, name, value)[1] for value in plan.config.vary[name] if name not in SEEDS)
        yield from (Found(problem) for problem in list(filter(None, wrong))[:1])


def size(plan: Plan) -> Iterator[Found]:
    need, limit = memory.need(plan.inference, plan.config, plan.data), memory.allowed()
    if need.total <= limit:
        return
    sizes = {"weights": need.weights, "activations": need.activations, "data": need.data}
    parts = ", ".join(f"{memory.said(n)} for {name}" for name, n in sizes.items())
    what = f"This run needs about {memory.said(need.total)} of memory ({parts}); it may take {memory.said(limit)}."
    batch = (limit - need.weights - need.data) // max(1, memory.per_example(plan.inference) * memory.FLOAT * 2)
    smaller = replace(plan.config, knobs={**plan.config.knobs, "batch_size": max(1, batch)})
    if memory.need(plan.inference, smaller, plan.data).total <= limit:
        cure, field = f"Use a batch size of {batch:,} or less.", "batch_size"
    elif plan.config.copies > 1:
        cure, field = "Train fewer copies at once.", "copies"
    else:
        cure, field = "Make the largest layers smaller.", None
    yield Found(Diagnostic("config/memory", what, cure, field=field))


Rule = Callable[[Plan], Iterator[Found]]
RULES: tuple[Rule, ...] = (
    doubled_softmax,
    knob_values,
    idle_knobs,
    batches,
    alike,
    size,
)
