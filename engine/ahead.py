"""The knobs that turn by themselves in a run: those that its origin planned, and those that a lost worker had turned.

No torch.
"""

from __future__ import annotations

from engine.origin import Turn, same_knob
from engine.store import RunFolder


def turns_ahead(run: RunFolder, step: int | None) -> list[Turn]:
    """The turns at or after ``step``, from which a run goes on: its checkpoint does not have them.

    Where the user turned a knob, what was ahead for that knob from there on no longer holds.
    """
    if step is None:
        return []
    ahead = list(run.origin.turns) if run.origin else []
    for record in run.log.every("knob"):
        ahead = _after(ahead, Turn(record.step, record.body["name"], record.body["new"]))
    return sorted((t for t in ahead if t.step >= step), key=lambda t: t.step)


def _after(ahead: list[Turn], turn: Turn) -> list[Turn]:
    """``ahead`` and ``turn``. One that is in it has turned by itself: nothing later on changes, and of several turns at
    one step it is the newest."""
    own = turn not in ahead
    gone = [t for t in ahead if same_knob(t.name, turn.name) and (t.step >= turn.step if own else t.step == turn.step)]
    return [*(t for t in ahead if t not in gone), turn]
