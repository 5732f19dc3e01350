"""The rules of preflight.py: small, each about one thing that speaks against a run. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from builder.diagnostic import Diagnostic, Fix
from builder.drawing import Found
from builder.edit import SetParams
from builder.fixes import before, without
from builder.graph import Graph, Node
from builder.infer import Inference, NodeInfo, infer
from builder.spec import TensorSpec
from engine import memory
from engine.config import TrainConfig
from engine.data import BY_NAME, Dataset
from engine.knobs import DROPOUT, change, initial

DOUBLED_SOFTMAX = "train/softmax-before-output"  # the catalogue's advice, which holds for cross-entropy only
CLASS_LOSSES = ("cross_entropy", "bce")
RECURRENT = ("RNN", "LSTM", "GRU")


@dataclass(frozen=True, eq=False)
class Plan:
    """A network, its settings and its data, with what the rules ask of them. ``result`` is what Output gets."""

    graph: Graph
    config: TrainConfig
    data: Dataset

    @cached_property
    def inference(self) -> Inference:
        return infer(self.graph)

    @cached_property
    def problems(self) -> list[Found]:
        """Of the drawing itself, as long as it has any; then whether it has one way in and out; then the rules'."""
        if not self.inference.ok:
            return [Found(d, (d.fix,) if d.fix else ()) for d in self.inference.errors]
        return list(one_way(self)) or [found for rule in RULES for found in rule(self)]

    @property
    def input(self) -> str:
        return next(iter(self.inference.inputs))

    @property
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

    @property
    def asks(self) -> str:
        n = self.data.outputs
        if self.data.task == "classification":
            return f"{self.title} has {n} classes and needs one number for each"
        return f"{self.title} has {n} number{'s' * (n > 1)} to predict"

    def nodes(self, *types: str) -> list[Node]:
        """In topological order."""
        found = (self.graph.by_id[id] for id in self.inference.order)
        return [n for n in found if n.type in types]

    def info(self, id: str) -> NodeInfo:
        return self.inference.nodes[id]


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
    what = f"One example of {plan.title} has the shape {gets}{kinds[0]}; {plan.input} is set to {needs}{kinds[1]}."
    cure = f"Set the shape of {plan.input} to {gets}, or choose other data."
    fix = Fix(f"Set {plan.input} to {gets}", (SetParams(plan.input, {"shape": gets.shape, "dtype": gets.dtype}),))
    yield Found(Diagnostic("data/wrong-input", what, cure, node=plan.input, field="shape"), (fix,))


def wrong_rank(plan: Plan) -> Iterator[Found]:
    """The output is a picture or a sequence where one row of numbers is asked for."""
    if len(plan.result.shape) == 1 or any(wrong_input(plan)):
        return
    stepwise = [n.id for n in plan.nodes(*RECURRENT) if n.params.get("output") == "sequence"]
    last = [Fix(f"Let {id} give its last step only", (SetParams(id, {"output": "last"}),)) for id in stepwise[-1:]]
    linear = [n.id for n in plan.nodes("Linear") if len(plan.info(n.id).inputs[0].shape) > 1]
    places = [plan.output] if plan.result.numel == plan.data.outputs else [*linear[:1], plan.output]
    flatten = [Fix(f"Add a Flatten before {id}", before(plan.graph, id, 0, Node("", "Flatten"))) for id in places]
    what = f"{plan.output} gets the shape {plan.result}; {plan.asks}, in one row."
    fixes = (*last, *flatten)
    yield Found(Diagnostic("data/wrong-rank", what, f"{fixes[0].label}.", node=plan.output), fixes)


def wrong_output(plan: Plan) -> Iterator[Found]:
    n = plan.data.outputs
    if len(plan.result.shape) != 1 or plan.result.shape == (n,):
        return
    new = before(plan.graph, plan.output, 0, Node("", "Linear", {"out_features": n}))
    fixes = [Fix(f"Add a Linear with {n} output{'s' * (n > 1)} before {plan.output}", new)]
    if linear := _last_linear(plan):
        fixes.insert(0, Fix(f"Set the outputs of {linear} to {n}", (SetParams(linear, {"out_features": n}),)))
    what = f"{plan.output} gets {plan.result} number{'s' * (plan.result.numel > 1)}; {plan.asks}."
    yield Found(Diagnostic("data/wrong-output", what, f"{fixes[0].label}.", node=plan.output), tuple(fixes))


def _last_linear(plan: Plan) -> str | None:
    """The Linear whose width is the network's, with only layers that keep the shape behind it."""
    id = plan.output
    while len(edges := plan.graph.inputs(id)) == 1:
        id = edges[0].source
        if plan.graph.by_id[id].type == "Linear":
            return id
        info = plan.info(id)
        if not info.inputs or info.output is None or info.output.shape != info.inputs[0].shape:
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
            yield Found(d, (Fix(f"Remove {d.node}", without(plan.graph, d.node)),))


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
    if knobs.get("label_smoothing") and plan.data.task == "regression":
        what = f"Label smoothing moves targets between classes, and {plan.title} has none: it changes nothing."
        yield Found(Diagnostic("config/no-labels", what, "Set it to 0.", field="label_smoothing", severity="warning"))


def batches(plan: Plan) -> Iterator[Found]:
    size, n = memory.batch_size(plan.config), plan.data.n_train
    if size > n:
        what = f"The batch size is {size:,}, and there are {n:,} examples to train on: each step will take them all."
        cure = f"Use {n:,} or less; a small part, such as a tenth, needs fewer passes."
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
    sizes = {"weights": need.weights, "activations": need.activations, "data": need.data}
    parts = ", ".join(f"{memory.said(n)} for {name}" for name, n in sizes.items())
    what = f"This run needs about {memory.said(need.total)} of memory ({parts}); it may take {memory.said(limit)}."
    batch = (limit - need.weights - need.data) // max(1, memory.per_example(plan.inference) * memory.FLOAT * 2)
    smaller = replace(plan.config, knobs={**plan.config.knobs, "batch_size": max(1, batch)})
    if memory.need(plan.inference, smaller, plan.data).total <= limit:
        cure, field = f"Use a batch size of {batch:,} or less.", "batch_size"
    else:
        cure, field = "Make the largest layers smaller.", None
    yield Found(Diagnostic("config/memory", what, cure, field=field))


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
