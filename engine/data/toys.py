"""Points in the plane and on a curve, drawn afresh from a definition.

The six plane sets are those of TensorFlow Playground (github.com/tensorflow/playground, src/dataset.ts, Apache-2.0),
written anew from their definitions. U(a, b) is uniform, e the noise option. Coordinates are standardised like every
other data set's; ``Dataset.scaler`` leads back to the coordinates given here, which span about −6 to 6.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from builder.spec import Param, TensorSpec
from engine.data.spec import Array, Dataset, DatasetSpec, Kind, Options, share
from engine.data.split import classification, regression, split

Rng = np.random.Generator
Draw = Callable[[int, float, Rng], tuple[Array, Array]]  # n, noise, rng -> x (n, feature), y (n,)
OPTIONS = (
    Param("size", "int", 500, 50, 5000, label="Points", log=True, help="How many points are drawn in all."),
    Param("noise", "float", 0.1, 0.0, 0.5, label="Noise", symbol="e", help="How much the points or labels are shaken."),
    share(0.5, high=0.9),
)


def _square(n: int, half: float, rng: Rng) -> Array:
    return rng.uniform(-half, half, (n, 2))


def circle(n: int, noise: float, rng: Rng) -> tuple[Array, Array]:
    """Radius U(0, 2.5) inside, U(3.5, 5) outside; the label asks whether |p + noise| < 2.5, noise U(−5, 5)·e."""
    inside = np.arange(n) < n // 2
    radius = np.where(inside, rng.uniform(0, 2.5, n), rng.uniform(3.5, 5, n))
    angle = rng.uniform(0, 2 * np.pi, n)
    x = radius[:, None] * np.stack((np.sin(angle), np.cos(angle)), axis=1)
    return x, np.linalg.norm(x + _square(n, 5, rng) * noise, axis=1) < 2.5


def xor(n: int, noise: float, rng: Rng) -> tuple[Array, Array]:
    """U(−5, 5)² pushed 0.3 away from both axes; the label is the sign of the product of the shaken coordinates."""
    x = _square(n, 5, rng)
    x += np.where(x > 0, 0.3, -0.3)
    return x, np.prod(x + _square(n, 5, rng) * noise, axis=1) >= 0


def gauss(n: int, noise: float, rng: Rng) -> tuple[Array, Array]:
    """N((2, 2), v) against N((−2, −2), v) with v = 0.5 + 7e."""
    y = np.arange(n) < n // 2
    centre = np.where(y, 2.0, -2.0)[:, None]
    return centre + rng.normal(0, np.sqrt(0.5 + 7 * noise), (n, 2)), y


def spiral(n: int, noise: float, rng: Rng) -> tuple[Array, Array]:
    """Arm of n/2 points: r = 5i/(n/2), t = 3.5π·i/(n/2) (+π for the other), point (r sin t, r cos t) + U(−1, 1)·e."""
    y = np.arange(n) < n // 2
    along = np.where(y, np.arange(n) / (n // 2), (np.arange(n) - n // 2) / (n - n // 2))
    angle = 3.5 * np.pi * along + np.where(y, 0, np.pi)
    arm = 5 * along[:, None] * np.stack((np.sin(angle), np.cos(angle)), axis=1)
    return arm + _square(n, 1, rng) * noise, y


def moons(n: int, noise: float, rng: Rng) -> tuple[Array, Array]:
    """Two half circles, (cos t, sin t) and (1 − cos t, ½ − sin t), t from U(0, π), each coordinate + N(0, e)."""
    y = np.arange(n) < n // 2
    t = rng.uniform(0, np.pi, n)
    x = np.where(y, 1 - np.cos(t), np.cos(t))
    height = np.where(y, 0.5 - np.sin(t), np.sin(t))
    return np.stack((x, height), axis=1) + rng.normal(0, 1, (n, 2)) * noise, y


def plane(n: int, noise: float, rng: Rng) -> tuple[Array, Array]:
    """Points of U(−6, 6)²; the target is the sum of the shaken coordinates / 10, noise U(−6, 6)·e."""
    x = _square(n, 6, rng)
    return x, (x + _square(n, 6, rng) * noise).sum(axis=1) / 10


CENTRES = np.array([(-4, 2.5), (0, 2.5), (4, 2.5), (-4, -2.5), (0, -2.5), (4, -2.5)])
SIGNS = np.array([1, -1, 1, -1, 1, -1])


def multi_gauss(n: int, noise: float, rng: Rng) -> tuple[Array, Array]:
    """Six cones of height max(0, 1 − d/2) with alternating sign; the target is the largest in magnitude."""
    x = _square(n, 6, rng)
    shaken = x + _square(n, 6, rng) * noise
    distance = np.linalg.norm(shaken[:, None] - CENTRES, axis=2)
    heights = SIGNS * np.maximum(0, 1 - distance / 2)
    return x, heights[np.arange(n), np.abs(heights).argmax(axis=1)]


def sine(n: int, noise: float, rng: Rng) -> tuple[Array, Array]:
    """x from U(−6, 6); the target is sin x + N(0, e)."""
    x = rng.uniform(-6, 6, (n, 1))
    return x, np.sin(x[:, 0]) + rng.normal(0, 1, n) * noise


def _classes(name: str, title: str, about: str, draw: Draw) -> DatasetSpec:
    def load(options: Options, seed: int, _folder: Path | None) -> Dataset:
        x, y = draw(options["size"], options["noise"], np.random.default_rng([seed, 0]))
        parts = split(x, y, options["test_share"], seed, stratify=True)
        return classification(name, "points2d", x, y.astype(np.int64), parts, ("orange", "blue"), ("x₁", "x₂"))

    return DatasetSpec(
        name,
        title,
        about,
        "points2d",
        "classification",
        load,
        "Drawn by Layerloom.",
        OPTIONS,
        input=TensorSpec((2,), axes=("feature",)),
        outputs=2,
        group="Toys",
    )


def _values(name: str, title: str, about: str, draw: Draw, features: tuple[str, ...]) -> DatasetSpec:
    kind: Kind = "points2d" if len(features) == 2 else "curve"

    def load(options: Options, seed: int, _folder: Path | None) -> Dataset:
        x, y = draw(options["size"], options["noise"], np.random.default_rng([seed, 0]))
        parts = split(x, y, options["test_share"], seed, stratify=False)
        return regression(name, kind, x, y, parts, features, "y")

    return DatasetSpec(
        name,
        title,
        about,
        kind,
        "regression",
        load,
        "Drawn by Layerloom.",
        OPTIONS,
        input=TensorSpec((len(features),), axes=("feature",)),
        outputs=1,
        group="Toys",
    )


TOYS: tuple[DatasetSpec, ...] = (
    _classes("circle", "Circle", "A disc inside a ring. One straight line cannot part them; four units can.", circle),
    _classes("xor", "Exclusive or", "Opposite corners belong together, so neither coordinate helps alone.", xor),
    _classes("gauss", "Two clouds", "Two round clouds. A single straight line parts them well.", gauss),
    _classes("spiral", "Spiral", "Two arms wound around each other. Hard: needs width, depth and time.", spiral),
    _classes("moons", "Moons", "Two half moons that reach into each other.", moons),
    _values(
        "plane",
        "Plane",
        "A tilted plane: each point's value grows to the upper right. One linear layer is enough.",
        plane,
        ("x₁", "x₂"),
    ),
    _values(
        "multi_gauss",
        "Hills and hollows",
        "Three hills and three hollows in the plane; predict the height.",
        multi_gauss,
        ("x₁", "x₂"),
    ),
    _values("sine", "Sine curve", "One input, one output: fit a wave from noisy points.", sine, ("x",)),
)
