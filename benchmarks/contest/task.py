"""What all contestants train, as arrays and numbers: no library but NumPy.

The data and the starting weights of a workload lie in one .npz file: ``x``, ``y`` (labels, or numbers for "spiral")
and the weights ``w0``, ``w1``, … in the order and layout of PyTorch's ``model.parameters()``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Workload:
    """``parity`` are the epochs after which the losses are compared, before any clock runs."""

    name: str
    about: str
    batch: int
    optimizer: str
    lr: float
    parity: int


WORKLOADS = {
    w.name: w
    for w in (
        Workload("spiral", "MLP 2-8-8-1, tanh, two spirals", 10, "sgd", 0.1, 40),
        Workload("mlp", "MLP 64-128-64-10, ReLU, digits", 32, "adam", 1e-3, 8),
        Workload("cnn", "conv 16, pool, conv 32, pool, dense, 28 × 28", 64, "adam", 1e-3, 3),
        Workload("lstm", "LSTM 64, 50 steps of 4 numbers", 32, "adam", 2e-3, 6),
        Workload("deep", "MLP of 20 layers of 64, ReLU, digits", 32, "adam", 5e-4, 8),
        Workload("transformer", "encoder, 64 wide, 4 heads, 2 layers, 64 tokens", 32, "adam", 1e-3, 2),
    )
}
SIZES = {"spiral": (2, 8, 8, 1), "mlp": (64, 128, 64, 10), "deep": (*[64] * 21, 10)}  # of the MLPs
WORDS, WIDTH, HEADS, HIDDEN, BLOCKS, TOKENS = 64, 64, 4, 256, 2, 64  # of the transformer


def read(path: Path) -> tuple[Array, Array, list[Array]]:
    with np.load(path) as file:
        return file["x"], file["y"], [file[f"w{i}"] for i in range(len(file.files) - 2)]


def write(path: Path, name: str, digits: tuple[Array, Array]) -> None:
    """``digits`` are images (n, 8, 8) standardised, and their labels. Always the same arrays."""
    x, y = _data(name, digits)
    weights = _weights(name)
    np.savez(path, x=x, y=y, **{f"w{i}": w for i, w in enumerate(weights)})


def _data(name: str, digits: tuple[Array, Array]) -> tuple[Array, Array]:
    random = np.random.default_rng(0)
    images, labels = digits[0][:1408].astype(np.float32), digits[1][:1408]  # whole batches of 32 and 64
    match name:
        case "spiral":
            turn = np.arange(250) / 250
            angle = 1.75 * turn * 2 * np.pi
            arm = np.stack([turn * np.sin(angle), turn * np.cos(angle)], axis=1)
            x, y = np.concatenate([arm, -arm]).astype(np.float32), np.repeat(np.float32([1, -1]), 250)[:, None]
            order = random.permutation(500)
            return x[order] / x.std(), y[order]
        case "cnn":
            x = np.full((len(images), 1, 28, 28), images.min(), np.float32)
            x[:, 0, 2:26, 2:26] = images.repeat(3, axis=1).repeat(3, axis=2)
            return x, labels
        case "lstm":  # which of four frequencies, under noise
            y, t = random.integers(0, 4, 1600), np.arange(50)
            wave = np.sin(0.1 * (1 + y)[:, None, None] * t[:, None] + random.uniform(0, np.pi, (1600, 1, 4)))
            return (wave + 0.3 * random.standard_normal(wave.shape)).astype(np.float32), y
        case "transformer":  # which of four words occurs most often
            y, x = random.integers(0, 4, 1600), random.integers(0, WORDS, (1600, TOKENS))
            for row, word in zip(x, y, strict=True):
                row[random.choice(TOKENS, 8, replace=False)] = word
            return x, y
    return images.reshape(len(images), -1), labels


def _weights(name: str) -> list[Array]:
    """Uniform in ±1/√fan_in, as PyTorch starts, but for normal weights with variance 2/fan_in in the deep MLP."""
    random = np.random.default_rng(1)

    def uniform(fan_in: int, *shape: int) -> Array:
        return random.uniform(-(fan_in**-0.5), fan_in**-0.5, shape).astype(np.float32)

    def dense(a: int, b: int) -> list[Array]:
        return [uniform(a, b, a), uniform(a, b)]

    match name:
        case "deep":
            pairs = zip(SIZES[name], SIZES[name][1:], strict=False)
            drawn = [[random.standard_normal((b, a)) * (2 / a) ** 0.5, np.zeros(b)] for a, b in pairs]
            return [w.astype(np.float32) for pair in drawn for w in pair]
        case "cnn":
            first, second = [uniform(9, 16, 1, 3, 3), uniform(9, 16)], [uniform(144, 32, 16, 3, 3), uniform(144, 32)]
            return [*first, *second, *dense(32 * 49, 10)]
        case "lstm":
            return [uniform(64, 256, 4), uniform(64, 256, 64), uniform(64, 256), uniform(64, 256), *dense(64, 4)]
        case "transformer":
            tables = [random.standard_normal((n, WIDTH)) * s for n, s in ((WORDS, 1.0), (TOKENS, 0.02))]
            blocks = [w for _ in range(BLOCKS) for w in _block(dense)]
            return [*(t.astype(np.float32) for t in tables), *blocks, *dense(WIDTH, 4)]
    return [w for a, b in zip(SIZES[name], SIZES[name][1:], strict=False) for w in dense(a, b)]


def _block(dense: object) -> list[Array]:
    """The weights of one nn.TransformerEncoderLayer, in its order."""
    assert callable(dense)
    (inner, inner_bias), (outer, _) = dense(WIDTH, 3 * WIDTH), dense(WIDTH, WIDTH)
    norm = [np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)]
    start = [inner, 0 * inner_bias, outer, np.zeros(WIDTH, np.float32)]
    return [*start, *dense(WIDTH, HIDDEN), *dense(HIDDEN, WIDTH), *norm, *norm]
