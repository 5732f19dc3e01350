"""Will it vanish? What a preview says of the gradient, in plain words, beside what theory expects. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from builder.block import drawn
from builder.catalog import BY_TYPE
from builder.diagnostic import Diagnostic, Fix
from builder.edit import Edit, SetParams, within
from builder.graph import Graph
from builder.infer import Inference, infer
from engine.flow import health
from engine.meanfield import Stage, bias_variance, gradient_norms, slope, weight_variance
from engine.network import Network
from engine.probing import Answer
from engine.stack import stack

STEADY = 1.15  # a factor per layer up to this is none that matters
CURED = 1.4  # what theory may at most expect after a cure that is offered
VANISHING, HARDLY, EXPLODING = 0.45, 0.05, 0.55  # health of the worst layer from which it is said, and how strongly
SCHEMES = ("kaiming_normal", "xavier_normal", "orthogonal")  # tried in this order
ELSE = "Use ReLU with Kaiming weights, or add normalisation or skip connections."
ZEROS = "Choose initial weights other than zeros: units that start alike stay alike."
DEAD = "Something behind lets no gradient pass: use LeakyReLU, or smaller initial weights."


@dataclass(frozen=True)
class Verdict:
    """``problem`` is a warning at the layer at fault; without one, ``summary`` says that all is well.

    ``layers`` are those whose weights multiply (two or more axes), from input to output, and ``norms`` their gradients.
    ``expected`` are those of theory, the last as measured; None where theory has nothing to say. ``theory`` says either
    in a sentence.
    """

    problem: Diagnostic | None
    summary: str
    layers: tuple[str, ...]
    norms: tuple[float, ...]
    expected: tuple[float, ...] | None
    theory: str


def verdict(graph: Graph, answer: Answer) -> Verdict:
    """What ``answer``, which has no problem of its own, means for ``graph``."""
    inference = infer(graph).flat
    pairs = zip(answer.layers, answer.norms, strict=True)
    found = {id: norm for id, norm in pairs if norm is not None and _multiplies(inference, id)}
    stages = stack(inference, Network(graph).order) if found else ""
    if not isinstance(stages, str) and (answer.input_square is None or [s.node for s in stages] != list(found)):
        stages = "the input is not a set of plain numbers"
    shares = None if isinstance(stages, str) else gradient_norms(stages, answer.input_square or 1.0)
    norms = tuple(found.values())
    return Verdict(
        _problem(inference, found, stages, answer.input_square or 1.0),
        _healthy(norms),
        tuple(found),
        norms,
        tuple(s * norms[-1] for s in shares) if shares else None,
        _theory(inference, stages, shares),
    )


def _multiplies(inference: Inference, id: str) -> bool:
    return any(len(shape) > 1 for shape in inference.nodes[id].weights.values())


def _healthy(norms: Sequence[float]) -> str:
    if not norms:
        return "This network has no weights to learn."
    if len(norms) == 1:
        return "There is one layer with weights, and nothing stands between it and the loss."
    return f"The gradient {_change(slope(norms))} on its way back: every layer learns."


def _problem(
    inference: Inference, norms: dict[str, float], stages: list[Stage] | str, square: float
) -> Diagnostic | None:
    if silent := [id for id, norm in norms.items() if norm == 0]:
        zeros = any(inference.graph.by_id[id].params.get("init") == "zeros" for id in norms)
        what = f"No gradient reaches {_listed(silent)}: with these weights, {_they(silent)} will not learn."
        return Diagnostic("probe/silent", what, ZEROS if zeros else DEAD, drawn(silent[0]), severity="warning")
    largest = max(norms.values(), default=0.0)
    healths = {id: health(norm, largest) for id, norm in norms.items()}
    if healths and max(healths.values()) > EXPLODING:
        return _told(inference, "probe/exploding", _exploding(norms), stages, square)
    if healths and min(healths.values()) < VANISHING:
        return _told(inference, "probe/vanishing", _vanishing(norms, min(healths.values())), stages, square)
    return None


def _exploding(norms: dict[str, float]) -> tuple[str, str]:
    """(what, node)"""
    node, factor = max(norms, key=norms.__getitem__), slope([*norms.values()])
    way = f"The gradient {_change(factor)} on its way back. " if len(norms) > 1 else ""
    long = f"At {node} it is {_short(norms[node])} long, where 10 or less is healthy"
    return f"{way}{long}: one step throws the weights far off.", node


def _vanishing(norms: dict[str, float], worst: float) -> tuple[str, str]:
    node, best = min(norms, key=norms.__getitem__), max(norms, key=norms.__getitem__)
    way = f"The gradient {_change(slope([*norms.values()]))} on its way back; " if len(norms) > 1 else ""
    share = norms[node] / norms[best]
    gets = (
        f"{node} gets {_short(share)} of what {best} gets"
        if share < 0.1
        else f"at {node} it is only {_short(norms[node])} long"
    )
    return f"{way}{gets}, and will {'hardly learn' if worst < HARDLY else 'learn slowly'}.", node


def _told(
    inference: Inference, code: str, found: tuple[str, str], stages: list[Stage] | str, square: float
) -> Diagnostic:
    what, node = found
    scheme = None if isinstance(stages, str) else _better(inference, stages, square)
    if scheme is None:
        return Diagnostic(code, what, ELSE, drawn(node), severity="warning")
    layers = dict.fromkeys(drawn(stage.node) for stage in stages if isinstance(stage, Stage))
    edits = tuple(e for path in layers for e in _set(path, {"init": scheme}))
    fix = Fix(f"Start from {_words(scheme)}", edits)
    return Diagnostic(code, what, f"Choose {_words(scheme)} for every layer.", drawn(node), severity="warning", fix=fix)


def _set(path: str, params: dict[str, str]) -> tuple[Edit, ...]:
    block, _, id = path.rpartition(".")
    return within(block, [SetParams(id, params)])


def _better(inference: Inference, stages: list[Stage], square: float) -> str | None:
    """The first scheme with which theory expects a healthy gradient, if any does."""
    for scheme in SCHEMES:
        changed = [
            replace(s, weight_variance=weight_variance(scheme, s.shape), bias_variance=bias_variance(scheme, s.shape))
            for s in stages
        ]
        factor = slope(gradient_norms(changed, square))
        if 1 / CURED < factor < CURED and scheme not in _inits(inference, stages):
            return scheme
    return None


def _inits(inference: Inference, stages: list[Stage]) -> set[str]:
    nodes = [inference.graph.by_id[s.node] for s in stages]
    return {str(BY_TYPE[n.type].complete(n.params)["init"]) for n in nodes}


def _theory(inference: Inference, stages: list[Stage] | str, shares: list[float] | None) -> str:
    if isinstance(stages, str) or shares is None:
        plain = "plain stacks of dense layers or convolutions with an activation each"
        return f"Mean-field theory speaks of {plain}, and {stages}." if stages else ""
    if len(stages) < 2:
        return ""
    kinds = sorted({s.activation for s in stages[:-1]} - {"Identity"}) or ["no activation"]
    inits = [_words(init) for init in sorted(_inits(inference, stages))]
    change = _change(slope(shares))
    return f"Mean-field theory expects that it {change} for {' and '.join(kinds)} with {' and '.join(inits)}."


def _change(factor: float) -> str:
    """``factor``, from layer to layer towards the output, as a verb on the way back."""
    if 1 / STEADY <= factor <= STEADY:
        return "keeps its size"
    return f"shrinks {_short(factor)} × per layer" if factor > 1 else f"grows {_short(1 / factor)} × per layer"


def _short(x: float) -> str:
    """Two digits: 2.6, 310, 1e-7."""
    if 0.01 <= x < 10_000:
        return f"{float(f'{x:.2g}'):,g}"
    digits, _, power = f"{x:.0e}".partition("e")
    return f"{digits}e{int(power)}"


def _words(scheme: str) -> str:
    named = {"pytorch": "PyTorch's default weights", "normal_small": "small weights", "normal_large": "large weights"}
    return named.get(scheme, f"{scheme.replace('_', ' ').capitalize()} weights")


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")


def _they(ids: Sequence[str]) -> str:
    return "it" if len(ids) == 1 else "they"
