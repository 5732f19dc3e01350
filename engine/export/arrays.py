"""The examples of a training as ``data.npz`` holds them. No torch."""

from __future__ import annotations

from engine.data.spec import Array, Field
from engine.export.recipe import Recipe
from engine.goals import Ends


def plain(ends: Ends) -> bool:
    """Whether the program can call what goes in x and what it is compared with y; else fields keep their names."""
    if len(ends.feeds) > 1 or ends.several or ends.first is None or ends.first.field is None:
        return False
    return ends.first.field.simple or ends.first.loss == "cross_entropy"


def redrawn(ends: Ends) -> bool:
    """Whether what goes in is to come out, in a plain program."""
    return ends.goals[0].field is ends.feeds[0].field


def arrays(recipe: Recipe) -> dict[str, Array]:
    """As the engine uses them, standardised: (example, ...). One number per example lies as (example, 1)."""
    ends = recipe.ends
    if not plain(ends):
        return {f"{name}_{part}": a for name, f in ends.fields.items() for part, a in _parts(f).items()}
    goal, found = ends.goals[0], _named("x", ends.feeds[0].field)
    if redrawn(ends):
        return found
    targets = _named("y", goal.field)
    if goal.field and goal.field.task == "regression" and goal.result.shape != goal.field.spec.shape:
        targets = {name: y.reshape(len(y), -1) for name, y in targets.items()}
    return {**found, **targets}


def words(recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """What the whole numbers of ``arrays`` stand for (classes, characters), by the same names without the part."""
    ends = recipe.ends
    fields: dict[str, Field | None] = {**ends.fields}
    if plain(ends):
        fields = {"x": ends.feeds[0].field, "y": None if redrawn(ends) else ends.goals[0].field}
    return {name: f.words for name, f in fields.items() if f and f.words}


def _named(name: str, field: Field | None) -> dict[str, Array]:
    assert field is not None, "a recipe has passed preflight"
    return {f"{name}_{part}": a for part, a in _parts(field).items()}


def _parts(field: Field) -> dict[str, Array]:
    return {"train": field.train, "val": field.val}
