"""The state of a training, out into a checkpoint and back in, to the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builder.diagnostic import Diagnostic, Refused
from engine.checkpoint import Checkpoint, is_finite, snapshot
from engine.device import random_state, restore_random_state

if TYPE_CHECKING:
    from engine.loop import Training


def capture(training: Training) -> Checkpoint:
    """A copy of the whole state. Raises RunFault if it is no longer finite: what was saved before stays."""
    weights = snapshot(training.model)
    if not is_finite(weights):
        raise training.inquest.overflow(training.step)
    state = {key: tensor.clone() for key, tensor in training.optimizer.state.items()}
    for memory in state.values():
        if not bool(memory.isfinite().all()):
            raise training.inquest.forgotten(training.step, memory)
    return Checkpoint(weights, _meta(training), state, training.stopping.weights)


def capture_best(training: Training) -> Checkpoint | None:
    """The weights of the lowest validation loss, to look at or use; training goes on from whole states only."""
    best = training.stopping
    return Checkpoint(best.weights, {"step": best.step, "val_loss": best.loss}) if best.weights else None


def _meta(training: Training) -> dict[str, Any]:
    stopping = training.stopping
    return {
        "step": training.step,
        "val_loss": training.val_loss,
        "seconds": training.seconds,
        "knobs": dict(training.tuning.values),
        "optimizer": {"name": training.config.optimizer, "numbers": dict(training.optimizer.numbers)},
        "batches": training.batches.state(),
        "best": {"step": stopping.step, "loss": stopping.loss},
        "random": random_state(training.device),
    }


def restore(training: Training, checkpoint: Checkpoint) -> None:
    """Puts ``checkpoint`` into a fresh training of the same network. Raises Refused if it is of another one."""
    meta = checkpoint.meta
    try:
        training.model.load_state_dict(checkpoint.weights)
        if meta["optimizer"]["name"] == training.config.optimizer:
            training.optimizer.numbers = dict(meta["optimizer"]["numbers"])
            for key, tensor in training.optimizer.state.items():
                tensor.copy_(checkpoint.optimizer[key])
        training.tuning.restore(meta["knobs"])
        training.batches.restore(meta["batches"])
        training.step = training.resumed_from = int(meta["step"])
        training.seconds, training.val_loss = float(meta["seconds"]), meta["val_loss"]
        best = training.stopping
        best.step, best.loss, best.weights = meta["best"]["step"], meta["best"]["loss"], dict(checkpoint.best)
        if best.exhausted(training.step):  # it had stopped early: who goes on has new patience
            best.step = training.step
        restore_random_state(training.device, meta["random"])
    except (RuntimeError, KeyError, TypeError) as error:
        what = "The checkpoint belongs to another network or to another version of Layerloom."
        raise Refused(Diagnostic("checkpoint/other", what, "Start a new run.")) from error
