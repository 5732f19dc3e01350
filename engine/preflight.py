"""Before a run: does the network fit the data and the settings, and does the whole fit the machine? No torch.

Rules are small and stand in RULES. A fix is offered only if it works: it is applied to a copy, problems that come
up behind it are fixed too, and what is left may hold no error that was not there before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from builder.diagnostic import Diagnostic, Fix
from builder.edit import Connect, Edit, RemoveNode, SetParams, apply
from builder.fixes import before
from builder.graph import Edge, Graph, Node
from builder.infer import Inference, NodeInfo, infer
from builder.spec import TensorSpec
from builder.validate import Found
from engine import memory
from engine.config import TrainConfig
from engine.data import BY_NAME, Dataset
from engine.knobs import DROPOUT, change, initial

LONGEST_FIX = 5  # changes in a row
DOUBLED_SOFTMAX = "train/softmax-before-output"  # the catalogue's advice, which holds for cross-entropy only
CLASS_LOSSES = ("cross_entropy", "bce")
RECURRENT = ("RNN", "LSTM", "GRU")


@dataclass(frozen=True, eq=False)
class Plan:
    """A network, its settings and its data, with what the rules ask of them."""

    graph: Graph
    config: TrainConfig
    data: Dataset

    @cached_property
    def inference(self) -> Inference:
        return infer(self.graph)

    @cached_property
    def input(self) -> str:
        return next(iter(self.inference.inputs))

    @cached_property
    def output(self) -> str:
        return next(iter(self.inference.outputs))

    @property
    def result(self) -> TensorSpec:
        return self.inference.outputs[self.output]

    @property
    def title(self) -> str:
        return BY_NAME[self.data.name].title

    @property
    def loss(self) -> str:
        auto = "cross_entropy" if self.data.task == "classification" else "mse"
        return auto if self.config.loss == "auto" else self.config.loss

    def after(self, fix: Fix) -> Plan:
        return Plan(apply(self.graph, fix.edits), self.config, self.data)

    def nodes(self, *types: str) -> list[Node]:
        """In topological order."""
        found = (self.graph.by_id[id] for id in self.inference.order)
        return [n for n in found if n.type in types]

    def info(self, id: str) -> NodeInfo:
        return self.inference.nodes[id]


def preflight(graph: Graph, config: TrainConfig, data: Dataset) -> tuple[Diagnostic, ...]:
    """Everything that speaks against this run, errors first. With an error it must not start."""
    plan = Plan(graph, config, data)
    if not plan.inference.ok:
        return plan.inference.diagnostics
    diagnostics = [_with_fix(plan, found) for found in _problems(plan)]
    advice = [d for d in plan.inference.diagnostics if d.code != DOUBLED_SOFTMAX]
    return tuple(sorted((*diagnostics, *advice), key=lambda d: d.severity != "error"))


def _problems(plan: Plan) -> list[Found]:
    if not plan.inference.ok:
        return [Found(d, (d.fix,) if d.fix else ()) for d in plan.inference.errors]
    return list(one_way(plan)) or [found for rule in RULES for found in rule(plan)]


def _with_fix(plan: Plan, found: Found) -> Diagnostic:
    fixes = (_completed(plan, found.diagnostic, fix) for fix in found.fixes)
    return replace(found.diagnostic, fix=next((f for f in fixes if f), None))


def _completed(plan: Plan, diagnostic: Diagnostic, fix: Fix) -> Fix | None:
    """``fix`` and those of the errors behind it, or None if that does not cure ``diagnostic``."""
    known = {_key(f.diagnostic) for f in _problems(plan)}
    for _ in range(LONGEST_FIX):
        problems = _problems(plan.after(fix))
        errors = [f for f in problems if f.diagnostic.severity == "error"]
        following = next((f.fixes[0] for f in errors if f.fixes), None)
        if following is None:
            gone = all(_key(f.diagnostic) != _key(diagnostic) for f in problems)
            return fix if gone and all(_key(f.diagnostic) in known for f in errors) else None
        label = f"{fix.label}, then {following.label[0].lower()}{following.label[1:]}"
        fix = Fix(label, (*fix.edits, *following.edits))
    return None


def _key(d: Diagnostic) -> tuple[str, str | None, str | None]:
    return d.code, d.node, d.field


def one_way(plan: Plan) -> Iterator[Found]:
    """A data set has one thing to give and one to be compared with."""
    for ends, name in ((plan.inference.inputs, "Input"), (plan.inference.outputs, "Output")):
        if len(ends) > 1:
            what = f"The network has {len(ends)} layers of type {name} ({', '.join(ends)}); training takes one."
            yield Found(Diagnostic(f"data/many-{name.lower()}s", what, f"Keep one {name}.", node=[*ends][-1]))


def wrong_input(plan: Plan) -> Iterator[Found]:
    gets, needs = plan.data.input, plan.inference.inputs[plan.input]
    if (gets.shape, gets.dtype) == (needs.shape, needs.dtype):
        return
    kinds = (f" ({gets.dtype})", f" ({needs.dtype})") if gets.dtype != needs.dtype else ("", "")
    what = f"One example of {plan.title} is {gets}{kinds[0]}; {plan.input} is set to {needs}{kinds[1]}."
    cure = f"Set the shape of {plan.input} to {gets}, or choose other data."
    fix = Fix(f"Set {plan.input} to {gets}", (SetParams(plan.input, {"shape": gets.shape, "dtype": gets.dtype}),))
    yield Found(Diagnostic("data/wrong-input", what, cure, node=plan.input, field="shape"), (fix,))


def wrong_rank(plan: Plan) -> Iterator[Found]:
    """The output is a picture or a sequence where one row of numbers is asked for."""
    if len(plan.result.shape) == 1:
        return
    what = f"{plan.output} gets {plan.result}; {_asked(plan)}, in one row."
    stepwise = [n.id for n in plan.nodes(*RECURRENT) if n.params.get("output") == "sequence"]
    last = [Fix(f"Let {id} give its last step only", (SetParams(id, {"output": "last"}),)) for id in stepwise[-1:]]
    linear = [n.id for n in plan.nodes("Linear") if len(plan.info(n.id).inputs[0].shape) > 1]
    places = [plan.output] if plan.result.numel == plan.data.outputs else [*linear[:1], plan.output]
    flatten = [Fix(f"Add a Flatten before {id}", before(plan.graph, id, 0, Node("", "Flatten"))) for id in places]
    cure = "Add a Flatten before the first Linear, or let a recurrent layer give its last step only."
    yield Found(Diagnostic("data/wrong-rank", what, cure, node=plan.output), (*last, *flatten))


def wrong_output(plan: Plan) -> Iterator[Found]:
    outputs = plan.data.outputs
    if len(plan.result.shape) != 1 or plan.result.shape == (outputs,):
        return
    what = f"{plan.output} gets {plan.result} number{'s' * (plan.result.numel > 1)}; {_asked(plan)}."
    cure = f"Set the outputs of the last Linear to {outputs}."
    fixes = []
    if linear := _last_linear(plan):
        fixes.append(Fix(f"Set the outputs of {linear} to {outputs}", (SetParams(linear, {"out_features": outputs}),)))
    new = before(plan.graph, plan.output, 0, Node("", "Linear", {"out_features": outputs}))
    fixes.append(Fix(f"Add a Linear with {outputs} output{'s' * (outputs > 1)} before {plan.output}", new))
    yield Found(Diagnostic("data/wrong-output", what, cure, node=plan.output), tuple(fixes))


def _asked(plan: Plan) -> str:
    n = plan.data.outputs
    if plan.data.task == "classification":
        return f"{plan.title} has {n} classes and needs one number for each"
    return f"{plan.title} needs {n} number{'s' * (n > 1)} to be predicted"


def _last_linear(plan: Plan) -> str | None:
    """The Linear whose width is the network's, with only layers that keep the shape behind it."""
    id = plan.output
    while len(edges := plan.graph.inputs(id)) == 1:
        id = edges[0].source
        if plan.graph.by_id[id].type == "Linear":
            return id
        output = plan.info(id).output
        if output is None or output.shape != plan.info(id).inputs[0].shape:
            return None
    return None


def wrong_loss(plan: Plan) -> Iterator[Found]:
    if plan.data.task == "regression" and plan.loss in CLASS_LOSSES:
        what = f"The loss '{plan.loss}' compares classes, and {plan.title} has a number to predict."
        yield Found(Diagnostic("config/wrong-loss", what, "Use 'auto', 'mse', 'mae' or 'huber'.", field="loss"))


def doubled_softmax(plan: Plan) -> Iterator[Found]:
    """The catalogue's advice, where it holds, and with the cure on a button."""
    for d in plan.inference.diagnostics:
        if d.code == DOUBLED_SOFTMAX and d.node and plan.loss == "cross_entropy":
            source = plan.graph.inputs(d.node)[0].source
            past: list[Edit] = [Connect(Edge(source, e.target, e.port)) for e in plan.graph.outputs(d.node)]
            yield Found(d, (Fix(f"Remove {d.node}", (RemoveNode(d.node), *past)),))


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
        what = "Dropout is set, but the network has no Dropout layer."
        cure = "Add a Dropout layer behind a hidden layer."
        yield Found(Diagnostic("config/no-dropout", what, cure, field="dropout", severity="warning"))
    if knobs.get("label_smoothing") and plan.data.task == "regression":
        what = f"Label smoothing moves targets between classes, and {plan.title} has none: it changes nothing."
        yield Found(Diagnostic("config/no-labels", what, "Set it to 0.", field="label_smoothing", severity="warning"))


def batches(plan: Plan) -> Iterator[Found]:
    size, n = memory.batch_size(plan.config), plan.data.n_train
    if size > n:
        what = f"The batch size is {size:,}, and there are {n:,} examples to train on: each step will take them all."
        cure = f"Use {n:,} or less; a small part, such as 32, learns in fewer passes."
        yield Found(Diagnostic("config/large-batch", what, cure, field="batch_size", severity="warning"))
    for node in plan.nodes("BatchNorm1d", "BatchNorm2d"):
        shape = plan.info(node.id).inputs[0].shape
        if size == 1 and all(n == 1 for n in shape[1:]):
            what = f"{node.id} compares the examples of a batch, and a batch size of 1 leaves nothing to compare."
            cure = "Use a batch size of 2 or more, or a LayerNorm."
            yield Found(Diagnostic("config/lone-example", what, cure, node=node.id, field="batch_size"))


def size(plan: Plan) -> Iterator[Found]:
    need, limit = memory.need(plan.inference, plan.config, plan.data), memory.allowed()
    if need.total <= limit:
        return
    parts = f"{memory.said(need.weights)} for weights, {memory.said(need.activations)} for activations"
    what = f"This run needs about {memory.said(need.total)} of memory ({parts}); it may take {memory.said(limit)}."
    cure = "Use a smaller batch." if need.activations > need.weights else "Make the largest layers smaller."
    yield Found(Diagnostic("config/memory", what, cure))


Rule = Callable[[Plan], Iterator[Found]]
RULES: tuple[Rule, ...] = (
    wrong_input,
    wrong_rank,
    wrong_output,
    wrong_loss,
    doubled_softmax,
    knob_values,
    idle_knobs,
    batches,
    size,
)


def estimate_bytes(graph: Graph, config: TrainConfig, data: Dataset) -> int:
    """What a run will need: weights, gradients, optimizer state, checkpoints, activations of a batch, data."""
    return memory.need(infer(graph), config, data).total
