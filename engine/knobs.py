"""What can be turned while a network trains: one table, read by forms, sliders, the command line and the log."""

from __future__ import annotations

from builder.catalog import BY_TYPE
from builder.diagnostic import Diagnostic
from builder.flatten import flatten
from builder.graph import Graph
from builder.spec import Param

DROPOUT = "dropout:"  # knob "dropout:<node id>" sets one layer of kind "dropout"; "dropout" sets them all
WEIGHT = "weight:"  # knob "weight:<node id>": how much the loss of one Output counts, where there are several

KNOBS: tuple[Param, ...] = (
    Param(
        "lr",
        "float",
        0.01,
        1e-6,
        10.0,
        label="Learning rate",
        symbol="η",
        log=True,
        help="How far each step moves the weights.",
    ),
    Param(
        "momentum",
        "float",
        0.9,
        0.0,
        0.999,
        label="Momentum",
        symbol="μ",
        help="How much of the last step is kept (SGD with momentum, Nesterov, RMSprop); β₁ of Adam and AdamW.",
    ),
    Param(
        "batch_size",
        "int",
        32,
        1,
        4096,
        label="Batch size",
        symbol="B",
        log=True,
        help="How many examples one step looks at.",
    ),
    Param(
        "speed",
        "float",
        0.0,
        0.0,
        100_000.0,
        label="Speed limit",
        symbol="steps/s",
        log=True,
        help="At most so many steps per second, so that one can watch. Changes nothing else. 0 is as fast as it goes.",
    ),
    Param(
        "l1",
        "float",
        0.0,
        0.0,
        1.0,
        label="L1 penalty",
        symbol="λ₁",
        log=True,
        help="Adds λ₁·Σ|w| to the loss: pulls weights that are not needed to zero.",
    ),
    Param(
        "l2",
        "float",
        0.0,
        0.0,
        1.0,
        label="L2 penalty",
        symbol="λ₂",
        log=True,
        help="Adds λ₂/2·Σw² to the loss: keeps weights small.",
    ),
    Param(
        "elastic",
        "float",
        0.0,
        0.0,
        1.0,
        label="Elastic net",
        symbol="λ",
        log=True,
        help="Adds λ·(α·Σ|w| + (1−α)/2·Σw²): L1 and L2 in one (Zou & Hastie 2005).",
    ),
    Param(
        "elastic_mix",
        "float",
        0.5,
        0.0,
        1.0,
        label="Elastic mix",
        symbol="α",
        help="Share of L1 in the elastic net: 0 is all L2, 1 is all L1.",
    ),
    Param(
        "weight_decay",
        "float",
        0.0,
        0.0,
        1.0,
        label="Weight decay",
        symbol="wd",
        log=True,
        help="Shrinks weights by η·wd each step, apart from the gradient (Loshchilov & Hutter 2019).",
    ),
    Param(
        "input_noise",
        "float",
        0.0,
        0.0,
        2.0,
        label="Input noise",
        symbol="σ",
        help="Adds Gaussian noise of this standard deviation to the standardised inputs.",
    ),
    Param(
        "label_smoothing",
        "float",
        0.0,
        0.0,
        0.5,
        label="Label smoothing",
        symbol="ε",
        help="Moves this share of each target to the other classes (Szegedy et al. 2016).",
    ),
    Param(
        "clip_norm",
        "float",
        0.0,
        0.0,
        1000.0,
        label="Clip gradient norm",
        symbol="c",
        log=True,
        help="Scales the whole gradient down to this length when it is longer. 0 is off.",
    ),
    Param(
        "clip_value",
        "float",
        0.0,
        0.0,
        1000.0,
        label="Clip gradient values",
        symbol="v",
        log=True,
        help="Cuts every entry of the gradient to ±v. 0 is off.",
    ),
)
BY_NAME = {k.name: k for k in KNOBS}
DROPOUT_PARAM = Param(
    "dropout",
    "float",
    0.0,
    0.0,
    0.95,
    label="Dropout",
    symbol="p",
    help="Share of the values that a Dropout layer sets to zero while training.",
)
OUTPUT = BY_TYPE["Output"]
WEIGHT_PARAM = next(p for p in OUTPUT.params if p.name == "weight")

OF_OPTIMIZER = {"adamw": {"weight_decay": 0.01}}  # where a knob starts elsewhere with an optimizer (PyTorch's default)


def knob(name: str) -> Param | None:
    """The Param that ranges ``name``; None if there is no such knob."""
    if name.startswith(WEIGHT):
        return WEIGHT_PARAM
    return DROPOUT_PARAM if name == "dropout" or name.startswith(DROPOUT) else BY_NAME.get(name)


def spoken(name: str) -> str:
    """What ``name`` is called within a sentence: learning rate, L2 penalty."""
    param = knob(name)
    title = param.title if param else name
    return title if title[1:2].isdigit() else title[:1].lower() + title[1:]


def initial(graph: Graph, optimizer: str = "") -> dict[str, float]:
    """Every knob at its default (with ``optimizer``, where it has its own); one for each dropout, and where there are
    several Outputs for the weight of each, as drawn."""
    specs = ((n, BY_TYPE[n.type]) for n in flatten(graph).nodes if n.type in BY_TYPE)
    drawn = {DROPOUT + n.id: float(spec.complete(n.params)["p"]) for n, spec in specs if spec.kind == "dropout"}
    return {k.name: k.default for k in KNOBS} | OF_OPTIMIZER.get(optimizer, {}) | drawn | _weights(graph)


def _weights(graph: Graph) -> dict[str, float]:
    outputs = [n for n in graph.nodes if n.type == OUTPUT.type]
    several = len(outputs) > 1
    return {WEIGHT + n.id: float(OUTPUT.complete(n.params)["weight"]) for n in outputs if several}


def change(values: dict[str, float], name: str, value: object) -> tuple[dict[str, float], Diagnostic | None]:
    """``values`` with ``name`` set ("dropout" sets every Dropout layer), or unchanged with the reason."""
    param = knob(name)
    known = name in values or name == "dropout"
    if param is None or not known:
        return values, Diagnostic(
            "knob/unknown",
            f"There is no knob {name!r} in this run.",
            f"Use one of {', '.join(sorted(values))}.",
            field=name,
        )
    if problem := param.check(value):
        return values, problem
    new = int(value) if param.kind == "int" else float(value)  # type: ignore[arg-type, call-overload]
    names = [n for n in values if n.startswith(DROPOUT)] if name == "dropout" else [name]
    return values | dict.fromkeys(names, new), None
