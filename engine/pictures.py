"""Small pictures of what a layer puts out, as PNG in a data URL, and the same in words. NumPy only, no torch.

Values are blue below zero, white at zero and orange above (Okabe & Ito 2008), so that colour-blind eyes read the sign.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.quantities.quantity import thin

Array = NDArray[np.floating]
Pixels = NDArray[np.uint8]  # (height, width), places in PALETTE
COLD, WHITE, HOT, BAR = (0, 114, 178), (245, 245, 245), (213, 94, 0), (96, 125, 150)
LEVELS, CLEAR, INK = 253, 253, 254  # places 0 to 252 are values, then "nothing here" and the bars of a histogram
CHANNELS, COLUMNS, CELL = 8, 4, 28  # at most so many channels, side by side, of so many pixels each way
STRIP = (24, 96)  # at most so many features (down) and time steps (across)
BINS, BAR_WIDTH, BARS_HIGH = 32, 3, 32


def picture(output: Array, axes: Sequence[str]) -> tuple[str, str]:
    """(data URL, words) of ``output`` (batch, …), whose axes behind the batch mean ``axes`` (see TensorSpec).

    Maps (channel, height, width) show the first channels of one example (of volumes the middle slice), sequences
    (time, feature) or (channel, time) one example as a strip, and rows of numbers their distribution over the batch.
    """
    shape = " × ".join(map(str, output.shape[1:])) or "one number"
    example = output[0]
    if example.ndim == 4:
        example = example[:, example.shape[1] // 2]
    if example.ndim == 3:
        shown = example[:CHANNELS]
        words = f"{len(shown)} of {len(example)} channels of one example ({shape})"
        return url(_grid(shown)), f"{words}; {_range(shown)}"
    if example.ndim == 2:
        strip = example if tuple(axes[:1]) == ("channel",) else example.T  # time stands first where nothing is said
        return url(_strip(strip)), f"One example ({shape}), time from left to right; {_range(strip)}"
    values = _finite(thin(output)).astype(np.float64)
    if values.size == 0:
        return "", "No value is a finite number."
    zeros = round(100 * float((values == 0).mean()))
    words = f"Distribution over {len(output)} examples ({shape}): mean {values.mean():.3g}, standard deviation "
    words += f"{values.std():.3g}, {_range(values)}" + (f" {zeros} % are exactly zero." if zeros else "")
    return url(_histogram(values)), words


def looks(weights: Array) -> tuple[str, str]:
    """(data URL, words) of where an attention layer looks: ``weights`` (head, query, key), whose rows sum to 1.

    One picture per head, in which a row is a step that looks and a column one that is seen, the first above and left.
    """
    heads, queries, keys = weights.shape
    shown = weights[:CHANNELS]
    words = f"{len(shown)} of {heads} heads, one example: how much each of {queries} steps (down) takes from each of "
    return url(_grid(shown)), f"{words}{keys} (across); {_range(shown)}"


def _finite(values: Array) -> Array:
    kept: Array = values[np.isfinite(values)]
    return kept


def _range(values: Array) -> str:
    finite = _finite(values)
    return f"values from {finite.min():.3g} to {finite.max():.3g}." if finite.size else "no value is a finite number."


def _grid(maps: Array) -> Pixels:
    """``maps`` (channel, height, width) in rows of COLUMNS, a clear pixel between them."""
    cells = _heat(np.stack([_fit(m, CELL, CELL) for m in maps]))
    times = CELL // max(cells.shape[1:])
    cells = cells.repeat(times, axis=1).repeat(times, axis=2)
    columns = min(COLUMNS, len(cells))
    rows = math.ceil(len(cells) / columns)
    padded = np.full((rows * columns, cells.shape[1] + 1, cells.shape[2] + 1), CLEAR, np.uint8)
    padded[: len(cells), :-1, :-1] = cells
    high, wide = padded.shape[1:]
    sheet = padded.reshape(rows, columns, high, wide).swapaxes(1, 2).reshape(rows * high, columns * wide)
    return sheet[:-1, :-1]


def _strip(plane: Array) -> Pixels:
    """``plane`` (feature, time), each value as many pixels high and wide as fit."""
    pixels = _heat(_fit(plane, *STRIP))
    high, wide = (most // n for n, most in zip(pixels.shape, STRIP, strict=True))
    return pixels.repeat(high, axis=0).repeat(wide, axis=1)


def _fit(plane: Array, height: int, width: int) -> Array:
    """``plane`` (height, width) thinned to at most so many rows and columns, at even distances."""
    rows, columns = (
        np.linspace(0, n - 1, min(n, most)).round().astype(int)
        for n, most in zip(plane.shape, (height, width), strict=True)
    )
    thin: Array = plane[np.ix_(rows, columns)]
    return thin


def _heat(values: Array) -> Pixels:
    """``values`` of any shape as places in the palette, zero in the middle; not finite ones are clear."""
    finite = np.isfinite(values)
    largest = float(np.abs(values[finite]).max(initial=0.0)) or 1.0
    middle = LEVELS // 2
    places = np.round(middle + middle * np.where(finite, values, 0).astype(np.float64) / largest)
    return np.where(finite, places, CLEAR).astype(np.uint8)


def _histogram(values: Array) -> Pixels:
    """Bars from the smallest value to the largest on a clear ground; no bar that counts anything is invisible.

    Exact zeros, of which a ReLU makes so many that they would flatten all other bars, are told in words only.
    """
    others = values[values != 0]
    drawn = others if others.size else values
    counts, _ = np.histogram(
        drawn / (np.abs(drawn).max() or 1.0), bins=BINS
    )  # 1e38 alone has no bins of a finite width
    high = np.ceil(BARS_HIGH * counts / counts.max())
    bars = np.where(np.arange(BARS_HIGH, 0, -1)[:, None] <= high[None, :], INK, CLEAR)
    return np.repeat(bars, BAR_WIDTH, axis=1).astype(np.uint8)


def url(pixels: Pixels) -> str:
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode("ascii")


def png(pixels: Pixels) -> bytes:
    """A PNG with one byte per pixel, a place in PALETTE (ISO/IEC 15948; filter 0 in front of each row)."""
    height, width = pixels.shape
    rows = np.hstack([np.zeros((height, 1), np.uint8), pixels])
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"PLTE", PALETTE),
        (b"tRNS", OPACITY),
        (b"IDAT", zlib.compress(rows.tobytes(), 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in parts)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _palette() -> bytes:
    half = np.linspace(0, 1, LEVELS // 2 + 1)[:, None]
    cold = (1 - half) * COLD + half * np.array(WHITE)
    hot = (1 - half) * WHITE + half * np.array(HOT)
    return np.vstack([cold, hot[1:], [WHITE], [BAR]]).round().astype(np.uint8).tobytes()


PALETTE = _palette()
OPACITY = bytes([255] * LEVELS + [0, 255])  # CLEAR lets the page shine through
