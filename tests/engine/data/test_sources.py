"""The committed files are the published data, and the generators follow their definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import engine.data
from engine.config import DataRef
from engine.data import load
from engine.data.split import fingerprints, split
from engine.data.toys import circle, gauss, moons, multi_gauss, plane, sine, spiral, xor

datasets = pytest.importorskip("sklearn.datasets")
FILES = Path(engine.data.__file__).parent / "files"


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_a_table_is_the_one_of_scikit_learn(name: str) -> None:
    published = getattr(datasets, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
    data = load(DataRef(name))
    raw = data.scaler.inverse(np.concatenate([data.x_train, data.x_val]))
    y = np.concatenate([data.y_train, data.y_val])
    y = data.target_scaler.inverse(y)[:, 0] if data.target_scaler else y
    for found, wanted in zip((*raw.T, y), (*published.data.T, published.target), strict=True):
        assert np.allclose(np.sort(found), np.sort(wanted), rtol=1e-5, atol=1e-5)
    assert len(data.features) == published.data.shape[1]
    with np.load(FILES / f"{name}.npz") as file:
        assert (file["x"] == published.data).all()
        assert (file["y"] == published.target).all()


def test_digits_are_those_of_scikit_learn() -> None:
    published = datasets.load_digits()
    with np.load(FILES / "digits.npz") as file:
        assert (file["x"] == published.images).all()
        assert (file["y"] == published.target).all()


def test_mnist_has_500_of_each_digit_and_splits_4000_to_1000() -> None:
    data = load(DataRef("mnist"))
    assert np.bincount(data.y_train).tolist() == [400] * 10
    assert np.bincount(data.y_val).tolist() == [100] * 10


def test_every_file_is_named_in_the_notice() -> None:
    notice = (FILES / "NOTICE.md").read_text(encoding="utf-8")
    for file in FILES.iterdir():
        assert file.suffix == ".md" or not file.is_file() or f"`{file.name}`" in notice
    assert "Yann LeCun and Corinna Cortes hold the copyright of the MNIST dataset" in notice
    assert "CC BY-SA 3.0" in notice


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_without_noise_each_plane_set_is_what_its_name_says() -> None:
    x, y = circle(1000, 0, rng())
    assert (y == (np.linalg.norm(x, axis=1) < 2.5)).all()
    assert np.linalg.norm(x, axis=1).max() <= 5
    x, y = xor(1000, 0, rng())
    assert (y == (x[:, 0] * x[:, 1] >= 0)).all()
    assert np.abs(x).min() >= 0.3
    x, y = moons(1000, 0, rng())
    assert np.allclose(np.linalg.norm(x - np.where(y[:, None], (1, 0.5), (0, 0)), axis=1), 1)
    x, y = plane(1000, 0, rng())
    assert np.allclose(y, x.sum(1) / 10)
    x, y = sine(1000, 0, rng())
    assert np.allclose(y, np.sin(x[:, 0]))


def test_the_spiral_has_two_arms_that_are_each_other_turned_by_half() -> None:
    x, y = spiral(1000, 0, rng())
    assert np.allclose(x[y], -x[~y])
    assert np.allclose(np.linalg.norm(x[y], axis=1), 5 * np.arange(500) / 500)
    i = 100  # t = 3.5π · 0.2 = 0.7π, r = 1
    assert np.allclose(x[y][i], (np.sin(0.7 * np.pi), np.cos(0.7 * np.pi)))


def test_the_clouds_widen_with_noise_as_defined() -> None:
    for noise in (0.0, 0.5):
        x, y = gauss(5000, noise, rng())
        assert np.allclose(x[y].mean(0), 2, atol=0.15)
        assert np.allclose(x[y].var(0), 0.5 + 7 * noise, rtol=0.1)


def test_hills_alternate_and_vanish_two_away_from_their_centre() -> None:
    class Fixed:
        """Draws the six centres, then points between them, then no noise."""

        points = np.array([(-4, 2.5), (0, 2.5), (4, 2.5), (-4, -2.5), (0, -2.5), (4, -2.5), (2, 2.5), (1, 2.5), (6, 6)])

        def uniform(self, *_args: object) -> np.ndarray:
            return self.points

    _, y = multi_gauss(9, 0.0, Fixed())  # type: ignore[arg-type]
    assert np.allclose(y, [1, -1, 1, -1, 1, -1, 0, -0.5, 0])


def test_noise_moves_labels_not_points_in_the_circle() -> None:
    x, y = circle(2000, 0, rng())
    noisy_x, noisy_y = circle(2000, 0.5, rng())
    assert (x == noisy_x).all()
    assert 0.05 < (y != noisy_y).mean() < 0.4


def test_rows_that_repeat_stay_on_one_side_of_the_split() -> None:
    x = np.random.default_rng(1).integers(0, 6, (400, 2)).astype(float)
    parts = split(x, np.zeros(400), 0.25, seed=0, stratify=False)
    train, val = ({tuple(row) for row in x[rows]} for rows in (parts.train, parts.val))
    assert not train & val
    assert sorted(np.concatenate([parts.train, parts.val])) == list(range(400))
    assert 60 <= len(parts.val) <= 100


def test_fingerprints_tell_apart_exactly_what_differs() -> None:
    x = np.random.default_rng(1).integers(0, 9, (3000, 3)).astype(float)
    by_bytes = {row.tobytes() for row in x}
    assert len(np.unique(fingerprints(x))) == len(by_bytes)
    assert fingerprints(np.array([[0.0]])) == fingerprints(np.array([[-0.0]]))


def test_no_year_of_the_held_out_sunspots_occurs_in_training() -> None:
    data = load(DataRef("sunspots"))
    window = data.input.shape[0]
    values = np.loadtxt(FILES / "sunspots.csv", delimiter=",", skiprows=1)[:, 1]
    z = data.scaler.apply(values)
    cut = data.n_train + window
    for i in range(data.n_train):
        assert (data.x_train[i, :, 0] == z[i : i + window]).all()
        assert data.y_train[i, 0] == z[i + window]
    for i in range(data.n_val):
        assert (data.x_val[i, :, 0] == z[cut + i : cut + i + window]).all()
        assert data.y_val[i, 0] == z[cut + i + window]
    assert data.scaler.mean[0] == pytest.approx(values[:cut].mean())
