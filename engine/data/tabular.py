"""Measured tables: flowers, wines, tumours, patients, penguins, cars."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from builder.spec import TensorSpec
from engine.data.spec import Dataset, DatasetSpec, Group, Options, Task, share
from engine.data.split import classification, regression, split

FILES = Path(__file__).parent / "files"
UCI = "UCI Machine Learning Repository (CC BY 4.0 as UCI states)"
SKLEARN = f"{UCI}, as shipped by scikit-learn 1.9.1 (BSD-3-Clause)."
BILL = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
MOTOR = ("cylinders", "displacement", "horsepower", "weight", "acceleration", "year")
ORIGINS = ("USA", "Europe", "Japan")


def _rows(file: str) -> list[dict[str, str]]:
    with (FILES / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def penguins(options: Options, seed: int, _folder: Path | None) -> Dataset:
    """Two of 344 birds were not measured and are left out."""
    birds = [row for row in _rows("penguins.csv") if row[BILL[0]] != "NA"]
    x = np.array([[float(bird[column]) for column in BILL] for bird in birds])
    species, y = np.unique([bird["species"] for bird in birds], return_inverse=True)
    parts = split(x, y, options["test_share"], seed, stratify=True)
    names = tuple(column.rsplit("_", 1)[0].replace("_", " ") for column in BILL)
    return classification("penguins", "table", x, y, parts, tuple(map(str, species)), names, target="species")


def auto_mpg(options: Options, seed: int, _folder: Path | None) -> Dataset:
    """One model of several years stays in one part: its next year would give it away."""
    cars = _rows("autompg.csv")
    measured = [[float(car[column]) for column in MOTOR] for car in cars]
    origin = np.eye(len(ORIGINS))[[int(car["origin"]) - 1 for car in cars]]
    x, y = np.hstack([measured, origin]), np.array([float(car["mpg"]) for car in cars])
    parts = split(x, y, options["test_share"], seed, stratify=False, groups=[car["name"] for car in cars])
    return regression("auto_mpg", "table", x, y, parts, (*MOTOR, *ORIGINS), "miles per gallon")


def _table(
    name: str, title: str, about: str, shape: tuple[int, int, int], source: str, group: Group, target: str = ""
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
        group=group,
    )


TABLES: tuple[DatasetSpec, ...] = (
    _table(
        "iris",
        "Iris",
        "Four measures of 150 flowers; which of three species is it? Small and easy.",
        (150, 4, 3),
        f"Fisher (1936), Anderson (1935). {SKLEARN}",
        "Tables",
    ),
    _table(
        "wine",
        "Wine",
        "Thirteen chemical measures of 178 Italian wines; from which of three grapes?",
        (178, 13, 3),
        f"Forina et al. (1988), Aeberhard & Forina (1992). {SKLEARN}",
        "Tables",
    ),
    DatasetSpec(
        "penguins",
        "Penguins",
        "Four measures of 342 penguins; which of three species is it? Seen in one place, over three years.",
        "table",
        "classification",
        penguins,
        "Horst, Hill & Gorman (2020), palmerpenguins 0.1.6, CC0 1.0.",
        (share(0.2),),
        input=TensorSpec((4,), axes=("feature",)),
        outputs=3,
        examples=342,
        group="Tables",
    ),
    DatasetSpec(
        "auto_mpg",
        "Cars",
        "Motor, weight, year and origin of 392 cars of 1970 to 1982; how far do they go on a gallon? Cars of today "
        "are not like these.",
        "table",
        "regression",
        auto_mpg,
        f"Quinlan (1993), Auto MPG, {UCI}, as shipped by mlxtend 0.25.0.",
        (share(0.2),),
        input=TensorSpec((9,), axes=("feature",)),
        outputs=1,
        examples=392,
        group="Tables",
    ),
    _table(
        "breast_cancer",
        "Breast cancer",
        "Thirty measures of cell nuclei from 569 samples; malignant or benign? For learning, not for diagnosis.",
        (569, 30, 2),
        f"Wolberg, Street & Mangasarian (1995), Wisconsin Diagnostic. {SKLEARN}",
        "Medicine",
    ),
    _table(
        "diabetes",
        "Diabetes",
        "Ten measures of 442 patients; how far does the disease go in a year? A hidden layer gains little here.",
        (442, 10, 1),
        "Efron, Hastie, Johnstone & Tibshirani (2004), raw units, as shipped by scikit-learn 1.9.1 (BSD-3-Clause).",
        "Medicine",
        target="progression after one year",
    ),
)
