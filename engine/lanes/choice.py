"""Which lane a training runs in: the fastest that can do it, chosen by itself, with the reason in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.lanes.eager import Eager
from engine.lanes.lane import Lane, Wanted
from engine.lanes.lean import Lean, attentions
from engine.lanes.native import build, worth
from engine.lanes.native.lane import Native
from engine.lanes.native.layout import Unfit, layout

if TYPE_CHECKING:
    from engine.loop import Training

ASKED = "PyTorch computes each step, as was asked for."
PREPARING = "The fast kernel for this network is being compiled; PyTorch trains meanwhile, and it takes over by itself."
NO_COMPILER = (
    "This network could train many times faster. That takes a C compiler (cc) on the machine that trains, and there "
    "is none: install one, then start a new run."
)
ENDS = "The fast kernel takes one Input and one Output, for one class or for numbers. PyTorch takes every network."
FAILED = "The fast kernel could not be compiled on this machine, so PyTorch computes each step."


def choose(training: Training, wanted: Wanted) -> Lane:
    """ "eager", "lean" and "native" are for tests and benchmarks: "native" waits for the compiler and raises Unfit."""
    if wanted in ("eager", "lean"):
        return (Eager if wanted == "eager" else Lean)(training, ASKED)
    try:
        if not training.objective.alone:
            raise Unfit(ENDS)
        return Native(training, build.made()) if wanted == "native" else _fastest(training)
    except Unfit as unfit:
        if wanted == "native":
            raise
        return (Lean if attentions(training.model) else Eager)(training, str(unfit))


def _fastest(training: Training) -> Lane:
    worth.check(layout(training), int(training.tuning.values["batch_size"]))  # raises Unfit before anything is begun
    if library := build.library():
        return Native(training, library)
    compiler = build.compiler()
    if compiler is None:
        return Eager(training, NO_COMPILER)
    building = build.begin(compiler)

    def better() -> Lane | None:
        if building.running:
            return None
        library = build.library()
        return Native(training, library) if library else Eager(training, FAILED)

    return Eager(training, PREPARING, better)
