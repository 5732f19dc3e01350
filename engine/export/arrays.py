"""The examples of a training as ``data.npz`` holds them. No torch."""

from __future__ import annotations

from engine.data import Dataset
from engine.data.spec import Array


def arrays(data: Dataset) -> dict[str, Array]:
    """As the engine uses them: x (example, ...) standardised; y (example,) class numbers or (example, target)."""
    targets = {"y_train": data.y_train, "y_val": data.y_val}
    if data.task == "regression":
        targets = {name: y.reshape(len(y), -1) for name, y in targets.items()}
    return {"x_train": data.x_train, "x_val": data.x_val, **targets}
