"""Pictures of activations: readable by another decoder, right where it matters, and small."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from engine.pictures import BAR, CELL, CHANNELS, COLD, HOT, STRIP, WHITE, picture, png


def seen(url: str) -> np.ndarray:
    """(height, width, 4) as Pillow reads it."""
    head, _, body = url.partition(",")
    assert head == "data:image/png;base64"
    return np.array(Image.open(io.BytesIO(base64.b64decode(body))).convert("RGBA"))


def batch(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((5, *shape)).astype(np.float32)


@given(height=some.integers(1, 40), width=some.integers(1, 40), seed=some.integers(0, 99))
def test_another_decoder_reads_every_pixel(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width)).astype(np.uint8)
    assert (np.array(Image.open(io.BytesIO(png(pixels)))) == pixels).all()


def test_maps_show_the_first_channels_of_one_example_with_zero_white() -> None:
    output = batch(3, 4, 6)
    output[0, 0, 0, :3] = [9, 0, -9]
    img, words = picture(output, ("channel", "height", "width"))
    view = seen(img)
    assert view.shape[:2] == (4 * 4, 3 * 6 * 4 + 2), "small maps are enlarged, pixel by pixel"
    assert [tuple(p) for p in view[3, 3:12:4, :3]] == [HOT, WHITE, COLD]
    assert (view[:, 24, 3] == 0).all(), "a clear line parts two channels"
    assert words == "3 of 3 channels of one example (3 × 4 × 6); values from -9 to 9."


def test_large_maps_are_thinned_and_many_channels_cut() -> None:
    img, words = picture(batch(64, 90, 70), ("channel", "height", "width"))
    rows = CHANNELS // 4
    assert seen(img).shape[:2] == (rows * (CELL + 1) - 1, 4 * (CELL + 1) - 1)
    assert words.startswith("8 of 64 channels of one example (64 × 90 × 70)")


@pytest.mark.parametrize(
    ("axes", "shape"), [(("time", "feature"), (24, 3)), ((), (24, 3)), (("channel", "time"), (3, 24))]
)
def test_time_runs_from_left_to_right(axes: tuple[str, ...], shape: tuple[int, int]) -> None:
    output = np.zeros((5, *shape), np.float32)
    last = (0, -1, 1) if shape == (24, 3) else (0, 1, -1)
    output[last] = 4
    view = seen(picture(output, axes)[0])
    assert view.shape[:2] == STRIP
    assert (view[8:16, -4:, :3] == HOT).all()
    assert (view[:, :-4, :3] == WHITE).all()


def test_a_long_sequence_fits_into_its_strip() -> None:
    assert seen(picture(batch(1000, 300), ("time", "feature"))[0]).shape[:2] == STRIP


def test_rows_of_numbers_show_their_distribution_and_the_share_of_zeros_in_words() -> None:
    output = np.maximum(batch(400), 0)
    view, words = seen(picture(output, ("feature",))[0]), picture(output, ("feature",))[1]
    bars = (view[:, ::3, 3] > 0).sum(0)
    assert bars[0] > bars[-1] > 0
    assert set(map(tuple, view[view[..., 3] > 0][:, :3])) == {BAR}
    assert words.startswith(f"Distribution over 5 examples (400): mean {output.mean():.3g}, standard deviation")
    assert words.endswith(f"{round(100 * (output == 0).mean())} % are exactly zero.")


@pytest.mark.parametrize("shape", [(), (7,), (4, 3), (2, 5, 5), (2, 3, 5, 5), (1, 1), (2, 2, 2, 2, 2)])
@pytest.mark.parametrize("fill", [np.nan, np.inf, 0.0, 3.0, 1e38])
def test_whatever_the_values_there_is_a_picture_or_words_that_say_why_not(shape: tuple[int, ...], fill: float) -> None:
    img, words = picture(np.full((3, *shape), fill, np.float32), ())
    assert img == "" or seen(img).size
    assert ("finite" in words) == (not np.isfinite(fill))


def test_class_numbers_have_a_picture_too() -> None:
    assert picture(np.arange(12).reshape(4, 3), ("time",))[1].startswith("Distribution over 4 examples")


def test_a_picture_is_a_few_kilobytes() -> None:
    assert len(picture(batch(64, 56, 56), ("channel", "height", "width"))[0]) < 12_000
