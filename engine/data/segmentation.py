"""Pictures with a class for every pixel: tissues of a brain, and shapes drawn on a tilted ground."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from builder.spec import Param, TensorSpec
from engine.data.baseline import by_place
from engine.data.images import DIGITS, DIGITS_8, read
from engine.data.spec import Array, Dataset, DatasetSpec, Options, share
from engine.data.split import Parts, labels, numbers, split

FILES = Path(__file__).parent / "files"
AXES = ("channel", "height", "width")
TISSUES = ("background", "other", "grey matter", "white matter")
BLOCK = 7  # neighbouring slices that stay together
SHAPES = ("background", "circle", "square", "triangle")
SIDE = 32
INK = ("background", *DIGITS)
SCENE = 24  # pixels


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


def digit_scenes(options: Options, seed: int, _folder: Path | None) -> Dataset:
    """Digits are split first and laid out then, so that no digit of a held-out scene was seen in training."""
    x, y = read("digits")
    digits = split(x, y, options["test_share"], seed, stratify=True)
    rng, n = np.random.default_rng([seed, 0]), options["size"]
    n_val = round(options["test_share"] * n)
    drawn = [draw_scenes(x, y, rows, m, rng) for rows, m in ((digits.train, n - n_val), (digits.val, n_val))]
    scenes, masks = (np.concatenate(both) for both in zip(*drawn, strict=True))
    parts = Parts(np.arange(n - n_val), np.arange(n - n_val, n))
    image, target = numbers("image", scenes, parts, AXES, pooled=True), labels("digit", masks, parts, INK)
    return Dataset("digit_scenes", "mask", (image,), (target,), ("ink",), by_place(target))


def draw_scenes(x: Array, y: Array, rows: Array, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Scenes (n, 1, SCENE, SCENE) of digits of ``rows``, one in each quarter with a chance of ½ and at random within
    it, with noise N(0, 0.1); masks (n, SCENE, SCENE), 0 or one more than the digit where its ink is above 0.3."""
    scenes, masks = np.zeros((n, 1, SCENE, SCENE), np.float32), np.zeros((n, SCENE, SCENE), np.int64)
    side, half = x.shape[-1], SCENE // 2
    for top in (0, half):
        for left in (0, half):
            for i in np.flatnonzero(rng.random(n) < 0.5):
                chosen, (down, across) = rng.choice(rows), rng.integers(0, half - side + 1, 2)
                place = slice(top + down, top + down + side), slice(left + across, left + across + side)
                scenes[i, 0][place] = x[chosen, 0]
                masks[i][place] = np.where(x[chosen, 0] > 0.3, y[chosen] + 1, 0)
    return scenes + rng.normal(0, 0.1, scenes.shape).astype(np.float32), masks


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
        "digit_scenes",
        "Scenes of digits",
        "Small handwritten digits strewn over 24 × 24 pixels; which digit is at each pixel? Real digits, laid out by "
        "rules.",
        "mask",
        "classification",
        digit_scenes,
        DIGITS_8.source,
        (Param("size", "int", 1000, 200, 5000, label="Scenes", log=True, help="How many are laid out."), share(0.2)),
        input=TensorSpec((1, SCENE, SCENE), axes=AXES),
        outputs=len(INK),
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
