"""Measured tables: flowers, wines, tumours, patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from builder.spec import TensorSpec
from engine.data.spec import Dataset, DatasetSpec, Options, Task, share
from engine.data.split import classification, regression, split

FILES = Path(__file__).parent / "files"
UCI = "UCI Machine Learning Repository (CC BY 4.0 as UCI states), as shipped by scikit-learn 1.9.1 (BSD-3-Clause)."


def _table(
    name: str, title: str, about: str, shape: tuple[int, int, int], source: str, target: str = ""
) -> DatasetSpec:
    """``shape`` is (examples, features, outputs); a ``target`` makes it a regression."""
    examples, features, outputs = shape
    task: Task = "regression" if target else "classification"

    def load(options: Options, seed: int, _folder: Path | None) -> Dataset:
        with np.load(FILES / f"{name}.npz") as file:
            x, y = file["x"], file["y"]
            names, classes = (tuple(map(str, file[key])) for key in ("features", "classes"))
        parts = split(x, y, options["test_share"], seed, stratify=not target)
        if target:
            return regression(name, "table", x, y, parts, names, target)
        return classification(name, "table", x, y, parts, classes, names)

    return DatasetSpec(
        name,
        title,
        about,
        "table",
        task,
        load,
        source,
        (share(0.2),),
        input=TensorSpec((features,), axes=("feature",)),
        outputs=outputs,
        examples=examples,
    )


TABLES: tuple[DatasetSpec, ...] = (
    _table(
        "iris",
        "Iris",
        "Four measures of 150 flowers; which of three species is it? Small and easy.",
        (150, 4, 3),
        f"Fisher (1936), Anderson (1935). {UCI}",
    ),
    _table(
        "wine",
        "Wine",
        "Thirteen chemical measures of 178 Italian wines; from which of three grapes?",
        (178, 13, 3),
        f"Forina et al. (1988), Aeberhard & Forina (1992). {UCI}",
    ),
    _table(
        "breast_cancer",
        "Breast cancer",
        "Thirty measures of cell nuclei from 569 samples; malignant or benign? For learning, not for diagnosis.",
        (569, 30, 2),
        f"Wolberg, Street & Mangasarian (1995), Wisconsin Diagnostic. {UCI}",
    ),
    _table(
        "diabetes",
        "Diabetes",
        "Ten measures of 442 patients; how far does the disease go in a year? A hidden layer gains little here.",
        (442, 10, 1),
        "Efron, Hastie, Johnstone & Tibshirani (2004), raw units, as shipped by scikit-learn 1.9.1 (BSD-3-Clause).",
        target="progression after one year",
    ),
)
