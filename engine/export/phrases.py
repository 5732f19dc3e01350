"""The sentences that exported trainings are made of: losses, optimizers, schedules, what stays the same. No torch."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine import schedules

WIDTH = 88  # what formatters keep to when nobody tells them otherwise
ALMOST_0 = 1e-12

LOSSES = {
    "cross_entropy": "F.cross_entropy",
    "mse": "F.mse_loss",
    "mae": "F.l1_loss",
    "huber": "F.huber_loss",
    "bce": "F.binary_cross_entropy_with_logits",
}


@dataclass(frozen=True)
class OptimizerPhrase:
    """The class of torch.optim; ``beta`` where the momentum knob is its β₁."""

    name: str
    uses: tuple[str, ...] = ()
    beta: bool = False
    nesterov: bool = False


OPTIMIZERS = {
    "sgd": OptimizerPhrase("optim.SGD"),
    "momentum": OptimizerPhrase("optim.SGD", ("momentum",)),
    "nesterov": OptimizerPhrase("optim.SGD", ("momentum",), nesterov=True),
    "rmsprop": OptimizerPhrase("optim.RMSprop", ("momentum",)),
    "adagrad": OptimizerPhrase("optim.Adagrad"),
    "adam": OptimizerPhrase("optim.Adam", ("momentum",), beta=True),
    "adamw": OptimizerPhrase("optim.Adam", ("momentum",), beta=True),  # its decay is a line of its own, for all alike
}

LOAD = [
    "def load(name: str) -> Tensor:",
    '    """One of the arrays that the run used, split and standardised: (example, ...)."""',
]
BATCHES = (
    [
        "def batches(n: int) -> Iterator[Tensor]:",
        '    """Row numbers of one batch after the other; every epoch has its own order."""',
        "    for epoch in count():",
        "        order = np.random.default_rng([SEED, epoch]).permutation(n)",
        "        start = 0",
        "        while start < n:",
    ],
    [
        "            yield torch.from_numpy(order[start:stop])",
        "            start = stop",
    ],
)
PENALTY = [
    "def penalty(w: Tensor) -> Tensor:",
    '    """What the values of one weight matrix cost."""',
]
EVALUATE = [
    "def evaluate(net: Net, x: Tensor, y: Tensor) -> float:",
    '    """The loss without dropout, noise, smoothing and penalties."""',
    "    net.eval()",
    "    with torch.no_grad():",
]
DIVERGENCE = [
    "def kl(output: Tensor) -> Tensor:",
    '    """How far the Gaussians of ``output``, means and log-variances, are from the standard."""',
    "    mean, log_variance = output.chunk(2, -1)",
    "    terms = log_variance.exp() + mean.square() - 1 - log_variance",
    "    return terms.sum() / (2 * len(output))",
]
TOTAL = "The loss of each output, times its weight, added up."
ALONE = "How far the output is from what it is compared with."
SETUP = [
    "torch.set_num_threads(1)  # small networks run fastest on one",
    "torch.set_flush_denormal(True)",
]
LOAD_BOTH = [
    'x_train, y_train = load("x_train"), load("y_train")',
    'x_val, y_val = load("x_val"), load("y_val")',
]
BEST = [
    "best, best_step = math.inf, 0",
    "best_weights: dict[str, Tensor] = {}",
]
PUT_BACK = [
    "if best_weights:",
    '    print(f"The weights of step {best_step:,} were the best.")',
    "    net.load_state_dict(best_weights)",
]
CORRECTION = [
    'beta1 = knobs["momentum"]',
    "product *= beta1",
    "# Adam corrects by a power of today's beta 1; what is right is the product of all",
    "correction = (1 - beta1 ** (i + 1)) / (1 - product)",
]


def network(to_device: str) -> list[str]:
    return [
        "torch.manual_seed(SEED)  # for the starting weights",
        f"net = Net(){to_device}",
        "torch.manual_seed(SEED)  # for what is random in training",
    ]


def device(wanted: str) -> list[str]:
    if wanted == "cpu":
        return []
    if wanted != "auto":
        return [f'DEVICE = torch.device("{wanted}")']
    return [
        "ACCELERATOR = torch.accelerator.current_accelerator(check_available=True)",
        'DEVICE = ACCELERATOR or torch.device("cpu")',
    ]


def decay(lr: str, strength: str) -> list[str]:
    return [
        "with torch.no_grad():  # decay apart from the gradient, as in AdamW",
        "    for w in weights:",
        f"        w.mul_(1 - {lr} * {strength})",
    ]


def loss(name: str, output: str, target: str, options: Mapping[str, str]) -> str:
    more = "".join(f", {key}={value}" for key, value in options.items())
    return f"{LOSSES[name]}({output}, {target}{more})"


def assigned(name: str, call: str, indent: int) -> list[str]:
    """``name = call``, one argument per line where it is too long for a line at ``indent``."""
    if indent + len(f"{name} = {call}") <= WIDTH:
        return [f"{name} = {call}"]
    function, _, arguments = call.removesuffix(")").partition("(")
    return [f"{name} = {function}(", *(f"    {a}," for a in arguments.split(", ")), ")"]


def words(name: str, values: Sequence[str]) -> list[str]:
    """A constant tuple of ``values``."""
    line = f"{name} = ({', '.join(map(_quoted, values))}{',' * (len(values) == 1)})"
    return [line] if len(line) <= WIDTH else [f"{name} = (", *(f"    {_quoted(v)}," for v in values), ")"]


def _quoted(value: str) -> str:
    return f'"{value}"'


def evaluated(digits: bool) -> list[str]:
    """The end of ``evaluate``. The engine compares losses as it records them; with more digits early stopping could
    stop a plateau elsewhere."""
    exact = '    return float(f"{loss:.7g}")  # as many digits as the run recorded'
    return ["    net.train()", exact if digits else "    return loss"]


def stop_early(every: int, held_out: str) -> list[str]:
    return [
        f"if (i + 1) % {every} == 0:",
        f"    held_out = evaluate(net, {held_out})",
        "    if held_out < best:",
        "        best, best_step = held_out, i + 1",
        "        best_weights = {k: v.clone() for k, v in net.state_dict().items()}",
        "    if i + 1 - best_step >= PATIENCE:",
        "        break",
    ]


def number(value: float) -> str:
    return repr(value) if isinstance(value, float) else f"{value:_}"


def table(left: str, values: Mapping[str, float], right: str = "") -> list[str]:
    """A dict between ``left`` and ``right``, one line per value where it is too long for one."""
    parts = [f'"{key}": {number(value)}' for key, value in values.items()]
    line = f"{left}{{{', '.join(parts)}}}{right}"
    if len(line) <= WIDTH:
        return [line]
    indent = " " * (len(left) - len(left.lstrip()))
    return [f"{left}{{", *(f"{indent}    {part}," for part in parts), f"{indent}}}{right}"]


def schedule(name: str) -> list[list[str]]:
    """The engine's own function of that name, with what it calls: there is only one."""
    text = inspect.getsource(schedules)
    known = {name: node for node in ast.parse(text).body for name in _defines(node)}
    wanted, found = [name], set[str]()
    while wanted:
        if (each := wanted.pop()) in known and each not in found:
            found.add(each)
            wanted += _uses(known[each])
    nodes = [node for each, node in known.items() if each in found]
    return [(ast.get_source_segment(text, node) or "").splitlines() for node in nodes]


def _uses(node: ast.stmt) -> set[str]:
    own = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - own


def _defines(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]
