"""What a program compares and adds up, as lines: ``Plain`` for one Input x and one target y, ``Named`` for all else.

Losses and their order are those of engine/objective.py. No torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from engine.data.spec import Field
from engine.export import phrases
from engine.export.arrays import plain, redrawn
from engine.export.recipe import Recipe
from engine.goals import KL, Goal
from engine.knobs import WEIGHT
from engine.memory import EVALUATED

Knob = Callable[[str], str]


class Lines(Protocol):
    """``examples`` and ``held_out`` are what a program calls the training part and the arguments of ``evaluate``;
    ``names`` are the arrays in data.npz, without the part."""

    names: tuple[str, ...]
    examples: str
    held_out: str

    def constants(self) -> list[str]: ...
    def functions(self) -> list[list[str]]: ...
    def load(self) -> list[str]: ...
    def forward(self, noise: Callable[[str], list[str]] | None) -> Iterator[str]:
        """From the row numbers to ``loss``; ``noise`` puts a line under the condition that the knob is on."""
        ...


def objective(recipe: Recipe, knob: Knob, smoothed: bool) -> Lines:
    """``knob`` names a knob in the program; ``smoothed`` says whether labels ever are."""
    return Plain(recipe, knob, smoothed) if plain(recipe.ends) else Named(recipe, knob, smoothed)


class Plain:
    held_out, examples = "x_val, y_val", "x_train"

    def __init__(self, recipe: Recipe, knob: Knob, smoothed: bool) -> None:
        self.goal, self.knob, self.digits = recipe.ends.goals[0], knob, recipe.config.early_stopping
        assert self.goal.field is not None, "a recipe has passed preflight"
        self.field, self.outputs = self.goal.field, self.goal.field.kinds or recipe.numbers(self.goal.field)
        self.redrawn = redrawn(recipe.ends)
        self.smoothed = smoothed and self.field.task == "classification"
        self.names: tuple[str, ...] = ("x",) if self.redrawn else ("x", "y")

    def constants(self) -> list[str]:
        return []

    def functions(self) -> list[list[str]]:
        outputs = f"net(part){self._aligned} for part in x.split({EVALUATED})"
        value = phrases.loss(self.goal.loss, "output", self._target("y"), self._options)
        return [
            [
                *phrases.EVALUATE,
                f"        output = torch.cat([{outputs}])",
                f"        loss = {value}.item()",
                *phrases.evaluated(self.digits),
            ]
        ]

    def load(self) -> list[str]:
        if self.redrawn:
            row = ".flatten(1)" if self.goal.result.shape != self.field.spec.shape else ""
            return [
                'x_train, x_val = load("x_train"), load("x_val")',
                f"y_train, y_val = x_train{row}, x_val{row}  # what goes in is to come out",
            ]
        if self._one_hot:
            hot = [f"{y} = F.one_hot({y}, {self.outputs}).float()" for y in ("y_train", "y_val")]
            return [*phrases.LOAD_BOTH, *hot]
        return phrases.LOAD_BOTH

    def forward(self, noise: Callable[[str], list[str]] | None) -> Iterator[str]:
        yield "rows = next(stream)"
        yield "x, y = x_train[rows], y_train[rows]"
        if noise:
            yield from noise(f"x = x + {self.knob('input_noise')} * torch.randn_like(x)")
        yield f"output = net(x){self._aligned}"
        smoothing, target, options = self.knob("label_smoothing"), self._target("y"), dict(self._options)
        if self.smoothed and self.goal.loss == "cross_entropy":
            options["label_smoothing"] = smoothing
        elif self.smoothed:
            yield f"target = y * (1 - {smoothing}) + {smoothing} / {self.outputs}"
            target = "target"
        yield from phrases.assigned("loss", phrases.loss(self.goal.loss, "output", target, options), 8)

    @property
    def _one_hot(self) -> bool:
        return self.field.task == "classification" and self.goal.loss != "cross_entropy"

    @property
    def _aligned(self) -> str:
        if not self.field.simple:
            return ".flatten(0, 1)" if len(self.field.spec.shape) == 1 else ""
        in_place = (self.field.answer, (self.outputs,))
        return "" if self.goal.result.shape in in_place else f".reshape(-1, {self.outputs})"

    def _target(self, y: str) -> str:
        return f"{y}.flatten()" if not self.field.simple and len(self.field.spec.shape) == 1 else y

    @property
    def _options(self) -> dict[str, str]:
        return {} if self.field.ignore is None else {"ignore_index": str(self.field.ignore)}


class Named:
    examples, held_out = "train_set[INPUTS[0]]", "val_set"

    def __init__(self, recipe: Recipe, knob: Knob, smoothed: bool) -> None:
        self.recipe, self.ends, self.knob = recipe, recipe.ends, knob
        self.digits = recipe.config.early_stopping
        self.smoothed = smoothed and any(g.field and g.field.task == "classification" for g in self.ends.goals)
        self.names = tuple(self.ends.fields)

    def constants(self) -> list[str]:
        inputs = [f.field.name for f in self.ends.feeds if f.field]
        return [*phrases.words("INPUTS", inputs), *phrases.words("FIELDS", self.names), "Batch = dict[str, Tensor]"]

    def functions(self) -> list[list[str]]:
        kl = [phrases.DIVERGENCE] if any(g.loss == KL for g in self.ends.goals) else []
        together = "torch.cat(each) for each in zip(*parts, strict=True)" if self.ends.several else "torch.cat(parts)"
        evaluate = [
            "def evaluate(net: Net, held_out: Batch) -> float:",
            *phrases.EVALUATE[1:],
            f"        pieces = zip(*(held_out[name].split({EVALUATED}) for name in INPUTS), strict=True)",
            "        parts = [net(*some) for some in pieces]",
            f"        outputs = [{together}]",
            "        loss = total(outputs, held_out).item()",
            *phrases.evaluated(self.digits),
        ]
        smoothing = ", smoothing: float = 0.0" if self.smoothed else ""
        total = [
            f"def total(outputs: list[Tensor], batch: Batch{smoothing}) -> Tensor:",
            f'    """{phrases.TOTAL if self.ends.several else phrases.ALONE}"""',
            *(f"    {line}" for k, goal in enumerate(self.ends.goals) for line in self._value(k, goal)),
            "    return loss",
        ]
        return [*kl, total, evaluate]

    def load(self) -> list[str]:
        return [f'{part}_set = {{name: load(f"{{name}}_{part}") for name in FIELDS}}' for part in ("train", "val")]

    def forward(self, noise: Callable[[str], list[str]] | None) -> Iterator[str]:
        yield "rows = next(stream)"
        yield "batch = {name: values[rows] for name, values in train_set.items()}"
        yield "inputs = [batch[name] for name in INPUTS]"
        if noise:
            yield from self._noise(noise)
        yield "outputs = list(net(*inputs))" if self.ends.several else "outputs = [net(*inputs)]"
        yield f"loss = total(outputs, batch{', ' + self.knob('label_smoothing') if self.smoothed else ''})"

    def _noise(self, noise: Callable[[str], list[str]]) -> Iterator[str]:
        disturbed = f"x + {self.knob('input_noise')} * torch.randn_like(x)"
        if all(f.spec.dtype == "float32" for f in self.ends.feeds):
            yield from noise(f"inputs = [{disturbed} for x in inputs]")
            return
        yield "for k, x in enumerate(inputs):"
        yield "    if x.is_floating_point():"
        yield from (f"        {line}" for line in noise(f"inputs[k] = {disturbed}"))

    def _value(self, k: int, goal: Goal) -> Iterator[str]:
        """The loss of output number ``k``, and how it joins the sum ``loss``."""
        if self.ends.several:
            yield f"# {goal.node}"
        weighted = (WEIGHT + goal.node) in self.recipe.weights
        name = "value" if k or weighted else "loss"
        if goal.field is None:
            yield f"{name} = kl(outputs[{k}])"
        else:
            yield from self._compared(name, k, goal, goal.field)
        if name == "value":
            factor = f"{self.knob(WEIGHT + goal.node)} * " if weighted else ""
            yield f"loss = {'loss + ' if k else ''}{factor}value"

    def _compared(self, name: str, k: int, goal: Goal, field: Field) -> Iterator[str]:
        output, y, options = f"outputs[{k}]", f'batch["{field.name}"]', dict[str, str]()
        outputs = field.kinds or self.recipe.numbers(field)
        if not field.simple and (goal.loss != "cross_entropy" or len(field.spec.shape) < 2):
            output, y = output + _rows(len(field.spec.shape)), f"{y}.flatten()"
        elif field.simple and goal.result.shape not in (field.answer, (outputs,)):
            output = f"{output}.reshape(-1, {outputs})"
        elif field.task == "regression" and goal.result.shape != field.spec.shape:
            y = f"{y}.flatten(1)" if field.spec.shape else f"{y}[:, None]"
        if field.task == "classification" and goal.loss != "cross_entropy":
            yield f"output = {output}"
            yield from self._one_hot(y, outputs, field)
            output, y = "output", "y"
        elif "(" in output + y:
            yield f"output = {output}"
            yield f"y = {y}"
            output, y = "output", "y"
        if goal.loss == "cross_entropy" and field.ignore is not None:
            options["ignore_index"] = str(field.ignore)
        if goal.loss == "cross_entropy" and self.smoothed:
            options["label_smoothing"] = "smoothing"
        yield from phrases.assigned(name, phrases.loss(goal.loss, output, y, options), 4)

    def _one_hot(self, y: str, outputs: int, field: Field) -> Iterator[str]:
        yield f"labels = {y}"
        if field.ignore is not None:
            yield f"output, labels = output[labels != {field.ignore}], labels[labels != {field.ignore}]"
        yield f"y = F.one_hot(labels, {outputs}).float()"
        if self.smoothed:
            yield f"y = y * (1 - smoothing) + smoothing / {outputs}"


def _rows(axes: int) -> str:
    """The scores of every place, one below the other."""
    return {0: "", 1: ".flatten(0, 1)"}.get(axes, ".movedim(1, -1).flatten(0, -2)")
