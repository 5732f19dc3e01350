"""How much memory a run will need, and how much there is. Counted from shapes, before anything is built."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from builder.infer import Inference
from engine.config import TrainConfig
from engine.data.spec import Dataset
from engine.knobs import BY_NAME

FLOAT = 4  # bytes of a float32
SHARE = 0.5  # of what is free; the rest is for others and for what cannot be counted
GRADIENT = 2  # each value of a step, and its gradient
ANSWERS = 2  # times that what a network gives is there while it is scored
EVALUATED = 1024  # examples that go through the network at once when it is scored
STATE = {"sgd": 0, "momentum": 1, "nesterov": 1, "rmsprop": 2, "adagrad": 1, "adam": 2, "adamw": 2}  # per weight
MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Need:
    """Bytes: ``weights`` with gradients, optimizer state and checkpoints; ``activations`` of a batch, or of scoring
    where that takes more; ``data``."""

    weights: int
    activations: int
    data: int

    @property
    def total(self) -> int:
        return self.weights + self.activations + self.data


def need(inference: Inference, config: TrainConfig, data: Dataset) -> Need:
    weights = FLOAT * inference.params * copies(config)
    batch = min(batch_size(config), data.n_train)
    activations = FLOAT * max(stepped(inference, batch), scored(inference, data.n_val))
    return Need(weights * config.copies, activations * config.copies, data.nbytes)


def copies(config: TrainConfig) -> int:
    """Numbers kept per weight: itself, gradient, optimizer state; the last and the best checkpoint in the making."""
    state = STATE[config.optimizer]
    return 2 + state + 2 * (1 + state)


def stepped(inference: Inference, batch: int) -> int:
    """Values that a step of training keeps: every output with its gradient."""
    return GRADIENT * batch * per_example(inference)


def scored(inference: Inference, n_val: int) -> int:
    """Values at the fullest moment of scoring: while the last examples go through the network, or later, when what it
    gave for all of them is there in pieces, as a whole, or beside what the loss makes of it."""
    given = sum(out.numel for out in inference.outputs.values())
    at_once = min(EVALUATED, n_val)
    return max(at_once * peak(inference.flat) + (n_val - at_once) * given, ANSWERS * n_val * given)


def batch_size(config: TrainConfig) -> int:
    """The default where the setting is no batch size, which preflight says in its own words."""
    param = BY_NAME["batch_size"]
    value = config.knobs.get("batch_size", param.default)
    return int(param.default if param.check(value) else value)


def per_example(inference: Inference) -> int:
    """Values kept for one example: every output, and what layers such as LSTM and attention keep inside."""
    found = (inference.nodes[n.id] for n in inference.graph.nodes)  # a block stands for all that is in it
    return sum(info.inner + info.output.numel for info in found if info.output)


def peak(inference: Inference) -> int:
    """The most values of one example that are there at once in a pass without gradients, for a flat network.

    An output is let go after its last reader. A layer at work holds what goes in and comes out a second time, in a
    layout of its own or as indices (oneDNN's blocks, where the maxima are), or what it keeps inside.
    """
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
        works = info.inputs and id not in inference.outputs
        most = max(most, alive + (max(info.inner, size + sum(x.numel for x in info.inputs)) if works else 0))
        alive -= leaving.pop(i, 0)
    return most


def allowed() -> int:
    """Bytes that one run may take now: SHARE of what is free, and no more than LAYERLOOM_MEMORY_MB."""
    share = int(SHARE * available())
    limit = os.environ.get("LAYERLOOM_MEMORY_MB")
    return min(share, int(limit) * 2**20) if limit else share


def available() -> int:
    """Bytes free on this machine or in its container, whichever is less."""
    return min(_free(), _container())


def _free() -> int:
    if MEMINFO.exists():
        kilobytes = next(
            line.split()[1] for line in MEMINFO.read_text().splitlines() if line.startswith("MemAvailable")
        )
        return int(kilobytes) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _container() -> int:
    """What is left of the container's limit; pages of files that can be dropped count as free."""
    try:
        limit, used = (int((CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no container, or "max"
        return 2**63
    return max(0, limit - used + int(stat.get("inactive_file", 0)))


def said(nbytes: int) -> str:
    return f"{nbytes / 2**30:,.1f} GB" if nbytes >= 2**30 else f"{math.ceil(nbytes / 2**20):,} MB"
