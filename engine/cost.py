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
    the sum, but for inference: what is not read any more is let go, so that only the fullest moment counts. ``data``
    are the bytes of the examples, in both cases on top."""

    nodes: Mapping[str, Cost]
    total: Cost
    data: int


def costs(inference: Inference, config: TrainConfig, n_train: int, n_val: int, data: int = 0) -> Costs:
    """For batches of ``config`` out of ``n_train`` examples. ``data`` are the bytes of all examples."""
    flat = inference.flat
    batch = min(memory.batch_size(config), n_train)
    rows, copies = memory.examples(config, n_train, n_val), memory.copies(config)
    learns = _learning(flat)
    nodes: dict[str, Cost] = {}
    total = Cost()
    for id, info in flat.nodes.items():
        behind = any(e.source in learns for e in flat.graph.inputs(id))
        kept = rows + (memory.answers(n_val) if id in flat.outputs else 0)
        cost = _cost(info, _passes(info, behind), batch, kept, copies).times(config.copies)
        total += cost
        for path in _above(drawn(id)):
            nodes[path] = nodes.get(path, Cost()) + cost
    fullest = FLOAT * (total.params + batch * peak(flat))
    return Costs(nodes, replace(total, inference=fullest), data)


def _cost(info: NodeInfo, passes: int, batch: int, rows: int, copies: int) -> Cost:
    kept = info.inner + info.output.numel if info.output else 0
    held = kept + sum(x.numel for x in info.inputs)
    running, training = info.params + batch * held, info.params * copies + rows * kept
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


def peak(inference: Inference) -> int:
    """The most values of one example that are alive at once, in the order of the network, without gradients."""
    place = {id: i for i, id in enumerate(inference.order)}
    ends: dict[str, int] = {}  # when the last reader of an output has run
    for id in inference.order:
        ends[id] = max([place[id], *(place[e.target] for e in inference.graph.outputs(id) if e.target in place)])
    leaving: dict[int, int] = {}
    alive = most = 0
    for i, id in enumerate(inference.order):
        info = inference.nodes[id]
        size = info.output.numel if info.output else 0
        leaving[ends[id]] = leaving.get(ends[id], 0) + size
        alive += size
        most = max(most, alive + info.inner)
        alive -= leaving.pop(i, 0)
    return most
