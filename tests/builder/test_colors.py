"""The colours of the groups stay apart, for whatever eyes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from builder.catalog import GROUPS
from builder.colors import GROUP_COLORS

Matrix = NDArray[np.float64]
# What is left of linear RGB without one kind of cone: Machado, Oliveira & Fernandes (2009), IEEE TVCG 15(6).
EYES: dict[str, Matrix] = {
    "three cones": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.95047, 1.0, 1.08883])


def linear(color: str) -> Matrix:
    c = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: Matrix) -> Matrix:
    """CIELAB (1976) of linear RGB."""
    t = XYZ @ np.clip(rgb, 0, 1) / WHITE
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_every_group_has_a_colour_of_its_own() -> None:
    assert set(GROUPS) <= set(GROUP_COLORS)
    assert len(set(GROUP_COLORS.values())) == len(GROUP_COLORS)


@pytest.mark.parametrize("eyes", EYES)
def test_two_groups_can_be_told_apart(eyes: str) -> None:
    seen = {group: lab(EYES[eyes] @ linear(color)) for group, color in GROUP_COLORS.items()}
    pairs = itertools.combinations(seen, 2)
    assert [(a, b) for a, b in pairs if np.linalg.norm(seen[a] - seen[b]) < 16] == []


@pytest.mark.parametrize("group", GROUP_COLORS)
def test_a_colour_is_seen_on_white_and_on_black(group: str) -> None:
    assert 30 < lab(linear(GROUP_COLORS[group]))[0] < 85
