"""What each layer costs: numbers, arithmetic and memory. Counted from shapes, before anything is built.

The bytes of training are the same ones that memory.py adds up for a whole run, layer by layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from builder.block import drawn
from builder.infer import Inference, NodeInfo
from engine import memory
from engine.config import TrainConfig
from engine.memory import FLOAT


@dataclass(frozen=True)
class Cost:
    """Of one layer, or of several. ``params`` are weights; ``flops`` operations for one example, forward;
    ``step_flops`` those of one training step, on a whole batch; ``inference`` and ``training`` are bytes."""

    params: int = 0
    flops: int = 0
    step_flops: int = 0
    inference: int = 0
    training: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, name) + getattr(other, name) for name in Cost.__dataclass_fields__))

    def times(self, n: int) -> Cost:
        """The cost of training ``n`` copies side by side; one of them is run."""
        return replace(self, step_flops=n * self.step_flops, training=n * self.training)


@dataclass(frozen=True)
class Costs:
    """``nodes`` by their path in the drawing; a block costs what its layers do, all its repeats together. ``total`` is
    the sum, but for what runs without gradients: what is not read any more is let go, so that only the fullest moment
    counts; a training takes more than its layers together where that of scoring does. ``data`` are the bytes of the
    examples, in both cases on top."""

    nodes: Mapping[str, Cost]
    total: Cost
    data: int


def costs(inference: Inference, config: TrainConfig, n_train: int, n_val: int, data: int = 0) -> Costs:
    """For batches of ``config`` out of ``n_train`` examples. ``data`` are the bytes of all examples."""
    flat = inference.flat
    batch = min(memory.batch_size(config), n_train)
    copies = memory.copies(config)
    learns = _learning(flat)
    nodes: dict[str, Cost] = {}
    total = Cost()
    for id, info in flat.nodes.items():
        behind = any(e.source in learns for e in flat.graph.inputs(id))
        cost = _cost(info, _passes(info, behind), batch, copies).times(config.copies)
        total += cost
        for path in _above(drawn(id)):
            nodes[path] = nodes.get(path, Cost()) + cost
    fullest = FLOAT * (total.params + batch * memory.peak(flat))
    scoring = memory.scored(inference, n_val) - memory.stepped(inference, batch)
    training = total.training + FLOAT * config.copies * max(0, scoring)
    return Costs(nodes, replace(total, inference=fullest, training=training), data)


def _cost(info: NodeInfo, passes: int, batch: int, copies: int) -> Cost:
    kept = info.inner + info.output.numel if info.output else 0
    held = kept + sum(x.numel for x in info.inputs)
    running, training = info.params + batch * held, info.params * copies + memory.GRADIENT * batch * kept
    return Cost(info.params, info.flops, batch * info.flops * passes, FLOAT * running, FLOAT * training)


def _above(path: str) -> list[str]:
    """``path`` and the blocks around it."""
    parts = path.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


def _learning(inference: Inference) -> set[str]:
    """Nodes whose output depends on a weight: only through these does a gradient flow back."""
    found: set[str] = set()
    for id in inference.order:
        if inference.nodes[id].weights or any(e.source in found for e in inference.graph.inputs(id)):
            found.add(id)
    return found


def _passes(info: NodeInfo, behind_weights: bool) -> int:
    """How often a step does the forward arithmetic: once; again for the gradient of its weights, if it has any; and
    again for the gradient of its input, if anything before it learns (Baydin et al. 2018, JMLR 18)."""
    return 1 + bool(info.weights) + behind_weights
