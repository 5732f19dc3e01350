"""The knobs that turn by themselves in a run: those that its origin planned, and those that a lost worker had turned.

No torch.
"""

from __future__ import annotations

from engine.origin import Turn, same_knob
from engine.store import RunFolder


def turns_ahead(run: RunFolder, step: int | None) -> list[Turn]:
    """The turns at or after ``step``, from which a run goes on: its checkpoint does not have them.

    Where the user turned a knob, what was planned for that knob later on no longer holds.
    """
    if step is None:
        return []
    planned = run.origin.turns if run.origin else ()
    done = [Turn(r.step, r.body["name"], r.body["new"]) for r in run.log.every("knob")]
    own = [t for t in done if t not in planned]
    still = [t for t in planned if not any(same_knob(t.name, o.name) and o.step <= t.step for o in own)]
    return sorted({t for t in (*still, *done) if t.step >= step}, key=lambda t: t.step)
