"""Pictures with a class for every pixel: tissues of a brain, and shapes drawn on a tilted ground."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from builder.spec import Param, TensorSpec
from engine.data.baseline import by_place
from engine.data.spec import Array, Dataset, DatasetSpec, Options, share
from engine.data.split import labels, numbers, split

FILES = Path(__file__).parent / "files"
AXES = ("channel", "height", "width")
TISSUES = ("background", "other", "grey matter", "white matter")
BLOCK = 7  # neighbouring slices that stay together
SHAPES = ("background", "circle", "square", "triangle")
SIDE = 32


def brain_slices(options: Options, seed: int, _folder: Path | None) -> Dataset:
    """Slices next to each other look alike, so that they are held out in blocks."""
    with np.load(FILES / "brain_slices.npz") as arrays:
        scan, tissue = arrays["t1"][:, None].astype(np.float32) / 255, arrays["label"]
    step = {"half": 2, "full": 1}[options["detail"]]
    scan = scan.reshape(len(scan), 1, 96 // step, step, 112 // step, step).mean(axis=(3, 5))
    blocks = np.arange(len(scan)) // BLOCK
    parts = split(scan, tissue, options["test_share"], seed, stratify=False, groups=blocks)
    image = numbers("scan", scan, parts, AXES, pooled=True)
    target = labels("tissue", tissue[:, ::step, ::step], parts, TISSUES)
    return Dataset("brain_slices", "mask", (image,), (target,), ("brightness",), by_place(target))


def shapes(options: Options, seed: int, _folder: Path | None) -> Dataset:
    rng = np.random.default_rng([seed, 0])
    x, y = draw_shapes(options["size"], rng)
    parts = split(x, y, options["test_share"], seed, stratify=False)
    image, target = numbers("image", x, parts, AXES, pooled=True), labels("shape", y, parts, SHAPES)
    return Dataset("shapes", "mask", (image,), (target,), ("brightness",), by_place(target))


def draw_shapes(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Images (n, 1, SIDE, SIDE) from about 0 to 1 and masks (n, SIDE, SIDE).

    Two shapes of half-size U(4, 8) pixels on a ground that rises from one edge to another, with noise N(0, 0.1). A
    shape differs from the grey of the ground by 0.3 to 0.5, to either side. The second lies over the first.
    """
    y, x = np.mgrid[:SIDE, :SIDE][:, None].astype(np.float64)
    slope = rng.uniform(-0.15, 0.15, (2, n, 1, 1))
    image = 0.5 + slope[0] * (2 * x / SIDE - 1) + slope[1] * (2 * y / SIDE - 1)
    mask = np.zeros((n, SIDE, SIDE), dtype=np.int64)
    for _ in range(2):
        half = rng.uniform(4, 8, (n, 1, 1))
        across, down = (rng.uniform(half, SIDE - 1 - half) for _ in range(2))
        u, v = (x - across) / half, (y - down) / half
        kind = rng.integers(1, len(SHAPES), (n, 1, 1))
        square = np.maximum(abs(u), abs(v)) <= 0.85
        triangle = (v <= 0.85) & (abs(u) <= (v + 1) / 1.85)
        inside = np.choose(kind - 1, [u**2 + v**2 <= 1, square, triangle])
        grey = rng.uniform(0.3, 0.5, (n, 1, 1)) * rng.choice([-1.0, 1.0], (n, 1, 1))
        image = np.where(inside, 0.5 + grey, image)
        mask = np.where(inside, kind, mask)
    image += rng.normal(0, 0.1, image.shape)
    return image[:, None].astype(np.float32), mask


MASKS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "shapes",
        "Shapes",
        "Circles, squares and triangles on a grey ground; which one is at each pixel? Drawn, so that there is as much "
        "as you like.",
        "mask",
        "classification",
        shapes,
        "Drawn by Layerloom.",
        (Param("size", "int", 600, 100, 3000, label="Pictures", log=True, help="How many are drawn."), share(0.2)),
        input=TensorSpec((1, SIDE, SIDE), axes=AXES),
        outputs=len(SHAPES),
        group="Vision",
    ),
    DatasetSpec(
        "brain_slices",
        "Brain slices",
        "70 slices of a brain; which tissue is at each pixel? It is the average of 152 people, so this shows how a "
        "network fills in between slices, and nothing about patients.",
        "mask",
        "classification",
        brain_slices,
        "MNI152, copyright Louis Collins, Montreal Neurological Institute, McGill University, as shipped by nilearn "
        "0.14.1. Tissues where a probability map exceeds ½, not drawn by hand.",
        (
            Param(
                "detail",
                "choice",
                "half",
                choices=("half", "full"),
                label="Detail",
                help="Half of 96 × 112 pixels trains four times as fast.",
            ),
            share(0.2),
        ),
        input=TensorSpec((1, 48, 56), axes=AXES),
        outputs=len(TISSUES),
        examples=70,
        group="Medicine",
    ),
)
