"""The rules of preflight.py about the ends of a network: does it take what the data gives, and give what it asks for?

No torch. Each rule looks at every Input or every Output in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from builder.block import drawn
from builder.catalog import BY_TYPE
from builder.diagnostic import Diagnostic, Fix
from builder.drawing import Found
from builder.edit import AddNode, Edit, SetParams
from builder.fixes import GAP, before
from builder.graph import Node
from builder.params import shown
from engine.data.spec import Field
from engine.goals import KL, Feed, Goal, fits
from engine.plan import Plan, several

RECURRENT = ("RNN", "LSTM", "GRU")
CONVOLUTIONS = {"Conv1d": 2, "Conv2d": 3, "Conv3d": 4}  # by the rank of what they give
Rule = Callable[[Plan], Iterator[Found]]


def no_input(plan: Plan) -> Iterator[Found]:
    """An Input that the data has nothing for."""
    for feed in (f for f in plan.ends.feeds if f.field is None):
        fixes = tuple(_take(plan, feed.node, "field", f) for f in _preferred(plan.data.inputs, feed.asked))
        what, cure = _nothing(plan, feed, "Input", plan.data.inputs)
        yield Found(Diagnostic("data/no-input", what, cure, node=feed.node, field="field"), fixes)


def no_target(plan: Plan) -> Iterator[Found]:
    """An Output that the data has nothing for."""
    for goal in (g for g in plan.ends.goals if g.field is None and g.loss != KL):
        fixes = tuple(_take(plan, goal.node, "target", f) for f in _preferred(plan.data.targets, goal.asked))
        what, cure = _nothing(plan, goal, "Output", (*plan.data.targets, *plan.data.inputs))
        yield Found(Diagnostic("data/no-target", what, cure, node=goal.node, field="target"), fixes)


def _preferred(fields: Sequence[Field], asked: str) -> list[Field]:
    """The one with the most similar name first."""
    return sorted(fields, key=lambda f: f.name[:1] != asked[:1])


def _nothing(plan: Plan, end: Feed | Goal, type_: str, known: Sequence[Field]) -> tuple[str, str]:
    names = " or ".join(f.name for f in known)
    if end.asked:
        return f"{end.node} asks for {shown(end.asked)}, which {plan.title} does not have.", f"Choose {names}."
    inputs = type_ == "Input"
    n = len(plan.inference.inputs if inputs else plan.inference.outputs)
    have = len(plan.data.inputs if inputs else plan.data.targets)
    use = "to put in" if inputs else "to compare with"
    what = f"The network has {n} layers of type {type_}; {plan.title} has {several(have, 'thing')} {use}."
    return what, f"Let {end.node} use {names}, or remove it."


def _take(plan: Plan, node: str, param: str, field: Field) -> Fix:
    verb = "take" if param == "field" else "predict"
    return Fix(f"Let {node} {verb} {field.name}", (SetParams(node, {param: field.name}),))


def unused_input(plan: Plan) -> Iterator[Found]:
    """Something of each example that goes nowhere; the network may still learn without it."""
    if any(feed.field is None for feed in plan.ends.feeds):
        return
    taken = {feed.field.name for feed in plan.ends.feeds if feed.field}
    for field in (f for f in plan.data.inputs if f.name not in taken):
        what = f"Each example of {plan.title} also has '{field.name}' ({field.spec}), which no Input takes."
        cure = "Add an Input for it and connect it, or train without."
        yield Found(Diagnostic("data/unused-input", what, cure, severity="warning"), (_add_input(plan, field),))


def _add_input(plan: Plan, field: Field) -> Fix:
    low = max((n.position[1] for n in plan.graph.nodes if n.type == "Input"), default=0.0)
    params = {"shape": field.spec.shape, "dtype": field.spec.dtype, "field": field.name}
    new = Node(plan.graph.fresh_id("Input"), "Input", params, position=(0.0, low + GAP / 2))
    return Fix(f"Add an Input for {field.name}", (AddNode(new),))


def wrong_input(plan: Plan) -> Iterator[Found]:
    for feed in plan.ends.feeds:
        if feed.field is not None:
            yield from _wrong_shape(plan, feed, feed.field)


def _wrong_shape(plan: Plan, feed: Feed, field: Field) -> Iterator[Found]:
    gets, needs = field.spec, feed.spec
    if (gets.shape, gets.dtype) == (needs.shape, needs.dtype):
        return
    kinds = (f" ({gets.dtype})", f" ({needs.dtype})") if gets.dtype != needs.dtype else ("", "")
    one = f"One example of {plan.title} has" if field is plan.data.inputs[0] else f"'{field.name}' of {plan.title} has"
    what = f"{one} the shape {gets}{kinds[0]}; {feed.node} is set to {needs}{kinds[1]}."
    cure = f"Set the shape of {feed.node} to {gets}, or choose other data."
    fix = Fix(f"Set {feed.node} to {gets}", (SetParams(feed.node, {"shape": gets.shape, "dtype": gets.dtype}),))
    yield Found(Diagnostic("data/wrong-input", what, cure, node=feed.node, field="shape"), (fix,))


def vocabulary(plan: Plan) -> Iterator[Found]:
    """An Embedding with fewer rows than there are different numbers would read beyond its end."""
    flat = plan.inference.flat.graph
    fed = {f.node: f.field for f in plan.ends.feeds if f.field is not None and f.field.kinds}
    for node in (n for n in flat.nodes if n.type == "Embedding"):
        field = fed.get(flat.inputs(node.id)[0].source)
        has = BY_TYPE["Embedding"].complete(node.params)["num_embeddings"]
        if field is None or has >= field.kinds:
            continue
        id, many = drawn(node.id), f"'{field.name}' of {plan.title} has {field.kinds:,} different numbers"
        fix = Fix(f"Set {id} to {field.kinds:,}", (SetParams(id, {"num_embeddings": field.kinds}),))
        what = f"{many}; {id} has a vector for {has:,} of them."
        yield Found(Diagnostic("data/vocabulary", what, f"{fix.label}.", node=id, field="num_embeddings"), (fix,))


def wrong_output(plan: Plan) -> Iterator[Found]:
    """What an Output gets has another shape than its target asks for."""
    for goal in plan.ends.goals:
        field = goal.field
        if field is None or plan.fits(goal, field):
            continue
        rank = len(field.answer)
        if rank == 1 and len(goal.result.shape) != 1:
            if not any(wrong_input(plan)):
                yield _rank(plan, goal, field)
        elif len(goal.result.shape) == 1 and (rank == 1 or field.task == "regression"):
            yield _count(plan, goal, field)
        elif not any(wrong_input(plan)):
            yield _shape(plan, goal, field)


def _rank(plan: Plan, goal: Goal, field: Field) -> Found:
    """The output is a picture or a sequence where one row of numbers is asked for."""
    stepwise = [n.id for n in plan.nodes(*RECURRENT) if n.params.get("output") == "sequence"]
    last = [Fix(f"Let {id} give its last step only", (SetParams(id, {"output": "last"}),)) for id in stepwise[-1:]]
    linear = [n.id for n in plan.nodes("Linear") if len(plan.info(n.id).inputs[0].shape) > 1]
    places = [goal.node] if goal.result.numel == field.answer[0] else [*linear[:1], goal.node]
    flatten = [Fix(f"Add a Flatten before {id}", before(plan.graph, id, 0, Node("", "Flatten"))) for id in places]
    what = f"{goal.node} gets the shape {goal.result}; {plan.asks(field)}, in one row."
    fixes = (*last, *flatten)
    return Found(Diagnostic("data/wrong-rank", what, f"{fixes[0].label}.", node=goal.node), fixes)


def _count(plan: Plan, goal: Goal, field: Field) -> Found:
    """One row, of another length."""
    n = plan.numbers(field)
    fixes = _widen(plan, goal, "Linear", "out_features", "outputs", n)
    what = f"{goal.node} gets {several(goal.result.numel, 'number')}; {plan.asks(field)}."
    return Found(Diagnostic("data/wrong-output", what, f"{fixes[0].label}.", node=goal.node), fixes)


def _shape(plan: Plan, goal: Goal, field: Field) -> Found:
    """The target has several axes, and what there is has others, or other sizes along them."""
    gets, needs = goal.result.shape, field.answer
    fixes: tuple[Fix, ...] = ()
    conv = next((type_ for type_, rank in CONVOLUTIONS.items() if rank == len(needs)), "")
    if len(gets) == len(needs) and gets[:-1] == needs[:-1]:
        fixes = _widen(plan, goal, "Linear", "out_features", "outputs", needs[-1])
    elif len(gets) == len(needs) and gets[1:] == needs[1:] and conv:
        fixes = _widen(plan, goal, conv, "out_channels", "channels", needs[0], {"kernel_size": 1})
    elif len(gets) == 1 and len(needs) == 2:
        stepwise = [n.id for n in plan.nodes(*RECURRENT) if n.params.get("output", "last") != "sequence"]
        fixes = tuple(
            Fix(f"Let {id} give every step", (SetParams(id, {"output": "sequence"}),)) for id in stepwise[-1:]
        )
    elif field.task == "regression":
        fixes = (Fix(f"Add a Flatten before {goal.node}", before(plan.graph, goal.node, 0, Node("", "Flatten"))),)
    what = f"{goal.node} gets the shape {goal.result}; {plan.asks(field)}."
    cure = f"{fixes[0].label}." if fixes else f"Let the layers before {goal.node} give {plan.shape(needs)}."
    return Found(Diagnostic("data/wrong-shape", what, cure, node=goal.node), fixes)


def _widen(
    plan: Plan, goal: Goal, type_: str, param: str, noun: str, n: int, more: dict[str, int] | None = None
) -> tuple[Fix, ...]:
    """The last layer of ``type_`` set to ``n``, or one more of them."""
    new: tuple[Edit, ...] = before(plan.graph, goal.node, 0, Node("", type_, {param: n, **(more or {})}))
    what = several(n, noun.removesuffix("s"))
    fixes = [Fix(f"Add a {type_} with {what} before {goal.node}", new)]
    if last := plan.last(goal.node, type_):
        fixes.insert(0, Fix(f"Set the {noun} of {last} to {n}", (SetParams(last, {param: n}),)))
    return tuple(fixes)


def wrong_loss(plan: Plan) -> Iterator[Found]:
    """A loss for classes where there are numbers: of an Output, or of the settings."""
    for goal in plan.ends.goals:
        if goal.field is None or fits(goal.loss, goal.field.task):
            continue
        whose = plan.title if goal.field is plan.data.targets[0] else f"'{goal.field.name}' of {plan.title}"
        has = f"{whose} has a number to predict" if plan.numbers(goal.field) == 1 else f"{whose} has numbers to predict"
        what = f"The loss '{goal.loss}' compares classes, and {has}."
        cure = "Use 'auto', 'mse', 'mae' or 'huber'."
        if plan.inference.graph.by_id[goal.node].params.get("loss", "auto") == "auto":
            yield Found(Diagnostic("config/wrong-loss", what, cure, field="loss"))
            return
        auto = Fix(f"Let {goal.node} use what is usual", (SetParams(goal.node, {"loss": "auto"}),))
        yield Found(Diagnostic("data/wrong-loss", what, cure, node=goal.node, field="loss"), (auto,))


RULES: tuple[Rule, ...] = (no_input, no_target, unused_input, wrong_input, vocabulary, wrong_output, wrong_loss)
