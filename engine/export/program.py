"""A training as the lines of PyTorch that repeat it, piece by piece; script.py and notebook.py put them together.

Only what the settings use is written. Equations and order are those of engine/loop.py; torch.optim has the same
optimizers (tests/engine/test_optimizers.py). No torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial

from builder.plan import plan
from engine.export import phrases
from engine.export.objectives import objective
from engine.export.recipe import HORIZON, Recipe
from engine.knobs import DROPOUT, WEIGHT, initial

REPORTS = 10  # lines that a training prints


class Program:
    """The pieces: ``constants``, ``functions``, ``setup``, ``loop`` and ``ending``, each as lines without indent."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.optimizer = phrases.OPTIMIZERS[recipe.config.optimizer]
        self.lr = "lr" if self.scheduled or recipe.turned("lr") else "LR"
        self.objective = objective(recipe, self.knob, "label_smoothing" in self.used)

    # ---- knobs

    def knob(self, name: str) -> str:
        """How the program calls a knob: a constant, or an entry of ``knobs`` where it was turned."""
        return f'knobs["{self.key(name)}"]' if self.recipe.turned(name) else self.key(name).upper()

    def key(self, name: str) -> str:
        """``dropout:<node>`` by the attribute of the network, ``weight:<node>`` by the number of the Output, and other
        knobs as they are."""
        if name.startswith(WEIGHT):
            return f"weight_{[WEIGHT + g.node for g in self.recipe.ends.goals].index(name) + 1}"
        node = name.removeprefix(DROPOUT)
        return f"{self.attributes[node]}.p" if name.startswith(DROPOUT) else name

    def place(self, dropout: str) -> str:
        """Where the program sets the knob of a dropout layer; what is in a list of repeats has no type there."""
        path = self.attributes[dropout.removeprefix(DROPOUT)]
        repeated = any(part.isdigit() for part in path.split("."))
        return f'vars(net.get_submodule("{path}"))["p"]' if repeated else f"net.{path}.p"

    @cached_property
    def attributes(self) -> dict[str, str]:
        return {step.node: step.name for step in plan(self.recipe.graph).steps}

    @cached_property
    def used(self) -> list[str]:
        """The knobs that make a difference in this training, in the order of the table of knobs."""
        return [name for name in self.recipe.knobs if self._matters(name)]

    def _matters(self, name: str) -> bool:
        recipe = self.recipe
        match name:
            case "lr" | "batch_size":
                return True
            case "speed":
                return False
            case "momentum":
                return "momentum" in self.optimizer.uses
            case "elastic_mix":
                return recipe.acts("elastic")
            case _ if name == HORIZON:
                return self.scheduled and (recipe.turned(name) or recipe.knobs[name] != recipe.steps)
            case _ if name.startswith(WEIGHT):
                return name in recipe.weights
            case _ if name.startswith(DROPOUT):
                node = name.removeprefix(DROPOUT)
                drawn = initial(recipe.graph)[name]
                return node in self.attributes and (recipe.turned(name) or recipe.knobs[name] != drawn)
        return recipe.acts(name)

    @property
    def scheduled(self) -> bool:
        return self.recipe.config.schedule != "constant"

    @property
    def penalized(self) -> bool:
        return any(name in self.used for name in ("l1", "l2", "elastic"))

    # ---- pieces

    @cached_property
    def constants(self) -> list[str]:
        config = self.recipe.config
        lines = [f"STEPS = {self.recipe.steps:_}", f"SEED = {config.seed}"]
        lines += [] if config.order is None else [f"ORDER = {config.order}"]
        for name in self.used:
            if not self.recipe.turned(name) and not name.startswith(DROPOUT):
                note = "  # beta 1" if name == "momentum" and self.optimizer.beta else ""
                note = f"  # of {name.removeprefix(WEIGHT)}" if name.startswith(WEIGHT) else note
                lines.append(f"{self.knob(name)} = {phrases.number(self.recipe.knobs[name])}{note}")
        if config.early_stopping:
            lines.append(f"PATIENCE = {config.patience:_}")
        if self.scheduled:
            lines += [line for lines in phrases.schedule(config.schedule) if len(lines) == 1 for line in lines]
        return [*lines, *self.objective.constants(), *phrases.device(self.recipe.device), *self._turned()]

    def _turned(self) -> Iterator[str]:
        """The table of knobs that were turned while the run went on."""
        names = [name for name in self.used if self.recipe.turned(name)]
        if not names:
            return
        yield "# turned while the run went on: the values at the start, and those from a step on"
        start = {self.key(n): self._value(n, self.recipe.knobs[n]) for n in names}
        yield from phrases.table("knobs: dict[str, float] = ", start)
        yield "CHANGES: dict[int, dict[str, float]] = {"
        for step, values in sorted(self.recipe.changes.items()):
            if found := {self.key(n): self._value(n, v) for n, v in values.items() if n in names}:
                yield from phrases.table(f"    {step}: ", found, ",")
        yield "}"

    def _value(self, name: str, value: float) -> float:
        """Momentum 0 as almost 0: torch.optim would not keep a buffer, which a later momentum starts from."""
        return phrases.ALMOST_0 if name == "momentum" and value == 0 and not self.optimizer.beta else value

    @cached_property
    def functions(self) -> list[list[str]]:
        """Definitions, each on its own."""
        found = [[*phrases.LOAD, f'    return torch.from_numpy(np.load(HERE / "data.npz")[name]){self._to_device}']]
        found.append(self._batches())
        if self.scheduled:
            found += [lines for lines in phrases.schedule(self.recipe.config.schedule) if len(lines) > 1]
        if self.penalized:
            found.append(self._penalty())
        return [*found, *self.objective.functions()]

    @property
    def _to_device(self) -> str:
        return "" if self.recipe.device == "cpu" else ".to(DEVICE)"

    def _batches(self) -> list[str]:
        size, lone = self.knob("batch_size"), []
        if self.recipe.turned("batch_size"):
            size = "size"
            lone = [
                "            if n - stop == 1 and size > 1:  # a lone last example joins",
                "                stop = n",
            ]
        elif self.recipe.knobs["batch_size"] > 1:
            lone = ["            if n - stop == 1:  # a lone last example joins this batch", "                stop = n"]
        read = [f"            size = int({self.knob('batch_size')})"] if size == "size" else []
        head, tail = phrases.BATCHES
        found = [*head, *read, f"            stop = start + {size}", *lone, *tail]
        return found if self.recipe.config.order is None else [line.replace("[SEED, ", "[ORDER, ") for line in found]

    def _penalty(self) -> list[str]:
        """L1 and L2, alone or with the elastic net's parts."""
        l1, l2 = ([self.knob(name)] if name in self.used else [] for name in ("l1", "l2"))
        if "elastic" in self.used:
            elastic, mix = self.knob("elastic"), self.knob("elastic_mix")
            l1, l2 = [*l1, f"{elastic} * {mix}"], [*l2, f"{elastic} * (1 - {mix})"]
        lines, terms = list(phrases.PENALTY), []
        for name, parts, term in (("l1", l1, "w.abs().sum()"), ("l2", l2, "w.square().sum()")):
            factor = parts[0] if len(parts) == 1 and " " not in parts[0] else name
            if factor == name and parts:
                lines.append(f"    {name} = {' + '.join(parts)}")
            terms += [f"{factor}{' / 2' * (name == 'l2')} * {term}"] if parts else []
        return [*lines, f"    return {' + '.join(terms)}"]

    @cached_property
    def setup(self) -> list[str]:
        lines = [*phrases.SETUP, *self.objective.load()]
        lines += phrases.network(self._to_device)
        lines += [
            f"{self.place(name)} = {self.recipe.knobs[name]}"
            for name in self.used
            if name.startswith(DROPOUT) and not self.recipe.turned(name)
        ]
        if self.penalized or "weight_decay" in self.used:
            lines.append("weights = [p for p in net.parameters() if p.dim() > 1]  # biases and scales go free")
        return [*lines, self._make_optimizer(), *self._counters()]

    def _make_optimizer(self) -> str:
        turned = self.recipe.turned
        options = [] if self.lr == "lr" else ["lr=LR"]
        if "momentum" in self.optimizer.uses:
            value = str(self._value("momentum", self.recipe.knobs["momentum"])) if turned("momentum") else "MOMENTUM"
            if self.optimizer.nesterov and float(self.recipe.knobs["momentum"]) == 0 and not turned("momentum"):
                return f"optimizer = {self.optimizer.name}(net.parameters(), {', '.join(options)})"
            options.append(f"betas=({value}, 0.999)" if self.optimizer.beta else f"momentum={value}")
        options += ["nesterov=True"] * self.optimizer.nesterov
        return f"optimizer = {self.optimizer.name}({', '.join(['net.parameters()', *options])})"

    def _counters(self) -> list[str]:
        lines = ["losses: list[float] = []", f"stream = batches(len({self.objective.examples}))"]
        if self.corrected:
            lines.append("product = 1.0  # of every beta 1 so far")
        return [*lines, *(phrases.BEST if self.recipe.config.early_stopping else [])]

    @property
    def corrected(self) -> bool:
        """Whether Adam's bias correction, which assumes one β₁ for the whole training, has to be set right."""
        return self.optimizer.beta and self.recipe.turned("momentum")

    @cached_property
    def loop(self) -> list[str]:
        """One step, from top to bottom, in the order of the engine's."""
        return [
            "for i in range(STEPS):",
            *(f"    {line}" for line in (*self._turn(), *self._forward(), *self._update(), *self._report())),
        ]

    def _turn(self) -> Iterator[str]:
        turned = [name for name in self.used if self.recipe.turned(name)]
        if turned:
            yield "knobs.update(CHANGES.get(i, {}))"
            yield from (f"{self.place(n)} = {self.knob(n)}" for n in turned if n.startswith(DROPOUT))

    def _forward(self) -> Iterator[str]:
        floats = any(feed.spec.dtype == "float32" for feed in self.recipe.ends.feeds)
        noisy = floats and "input_noise" in self.used
        yield from self.objective.forward(partial(self._guarded, "input_noise") if noisy else None)
        yield "optimizer.zero_grad()"
        yield "(loss + sum(penalty(w) for w in weights)).backward()" if self.penalized else "loss.backward()"
        yield "losses.append(loss.item())"

    def _guarded(self, knob: str, line: str) -> list[str]:
        """``line``, under a condition where the knob was off for a while."""
        if min(self.recipe.over_time(knob)) > 0:
            return [line]
        return [f"if {self.knob(knob)} > 0:", f"    {line}"]

    def _update(self) -> Iterator[str]:
        for name in ("clip_value", "clip_norm"):
            if name in self.used:
                clip = f"nn.utils.clip_grad_{name.removeprefix('clip_')}_(net.parameters(), {self.knob(name)})"
                yield from self._guarded(name, clip)
        if self.lr == "lr":
            over = self.knob(HORIZON) if HORIZON in self.used else "STEPS"
            over = f"int({over})" if self.recipe.turned(HORIZON) else over
            factor = f" * {self.recipe.config.schedule}(i, {over})" if self.scheduled else ""
            yield f"lr = {self.knob('lr')}{factor}"
        if "weight_decay" in self.used:
            yield from phrases.decay(self.lr, self.knob("weight_decay"))
        if self.corrected:
            yield from phrases.CORRECTION
        yield from self._groups()
        yield "optimizer.step()"

    def _groups(self) -> Iterator[str]:
        """What the optimizer is told anew before each step."""
        values = {"lr": "lr"} if self.lr == "lr" else {}
        if "momentum" in self.used and self.recipe.turned("momentum"):
            beta = self.optimizer.beta
            values |= {"betas": '(knobs["momentum"], 0.999)'} if beta else {"momentum": 'knobs["momentum"]'}
        if self.corrected:
            values["lr"] = f"{self.lr} * correction"
        if values:
            yield "for group in optimizer.param_groups:"
            yield from (f'    group["{name}"] = {value}' for name, value in values.items())

    def _report(self) -> Iterator[str]:
        yield f"if (i + 1) % {max(1, self.recipe.steps // REPORTS)} == 0 or i + 1 == STEPS:"
        yield f"    held_out = evaluate(net, {self.objective.held_out})"
        yield '    print(f"step {i + 1:>7,}  loss {losses[-1]:.4f}  held out {held_out:.4f}")'
        if self.recipe.config.early_stopping:
            yield from phrases.stop_early(self.recipe.config.look_every, self.objective.held_out)

    @cached_property
    def ending(self) -> list[str]:
        return phrases.PUT_BACK if self.recipe.config.early_stopping else []
