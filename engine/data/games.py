"""Tic-tac-toe, played out to the end: every position with the best move."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from builder.spec import TensorSpec
from engine.data.baseline import commonest
from engine.data.spec import Array, Dataset, DatasetSpec, Options, share
from engine.data.split import labels, numbers, split

SQUARES = tuple(f"{row} {column}" for row in ("top", "middle", "bottom") for column in ("left", "centre", "right"))
LINES = tuple(
    sum(1 << square for square in line)
    for line in ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
)
FULL = 0b111_111_111
PREFERRED = (4, 0, 2, 6, 8, 1, 3, 5, 7)  # of equally good moves the centre, then corners
WORTH = ("taken", "loses", "draws", "wins")
GRID = np.arange(9).reshape(3, 3)
SYMMETRIES = tuple(
    np.rot90(board, turns).ravel() for board in (GRID, GRID.T) for turns in range(4)
)  # where each square comes from


def won(stones: int) -> bool:
    return any(stones & line == line for line in LINES)


@cache
def value(mine: int, theirs: int) -> int:
    """What the one to move can reach against best play: 1 wins, 0 draws, −1 loses. Stones are bits 0 to 8."""
    if won(theirs):
        return -1
    if mine | theirs == FULL:
        return 0
    return max(-value(theirs, mine | 1 << square) for square in free(mine, theirs))


def free(mine: int, theirs: int) -> list[int]:
    return [square for square in range(9) if not (mine | theirs) >> square & 1]


@lru_cache(maxsize=1)
def positions() -> tuple[Array, Array, Array, Array]:
    """Every position that can be reached and is not over: boards (n, 2, 3, 3), first the stones of the one to move;
    the best move (n,); what each square is worth (n, 9); a number that turned and mirrored boards share (n,)."""
    reached = {(0, 0)}
    row = [(0, 0)]
    while row:
        after = {(t, m | 1 << s) for m, t in row for s in free(m, t)}
        row = [(m, t) for m, t in after if not won(t) and m | t != FULL]
        reached |= set(row)
    kept = sorted(reached)
    boards = np.array([[[stones >> s & 1 for s in range(9)] for stones in pair] for pair in kept])
    worth = np.array([[_worth(m, t, square) for square in range(9)] for m, t in kept])
    best = np.array(PREFERRED)[worth[:, PREFERRED].argmax(axis=1)]
    codes = np.stack([(boards[:, 0, s] + 2 * boards[:, 1, s]) @ 3 ** np.arange(9) for s in SYMMETRIES])
    return boards.reshape(-1, 2, 3, 3), best, worth, codes.min(axis=0)


def _worth(mine: int, theirs: int, square: int) -> int:
    """A place in WORTH."""
    return 0 if (mine | theirs) >> square & 1 else 2 - value(theirs, mine | 1 << square)


def tic_tac_toe(options: Options, seed: int, _folder: Path | None) -> Dataset:
    """A board and its turned and mirrored images stay in one part: who knows one knows all."""
    board, best, worth, alike = positions()
    parts = split(board, best, options["test_share"], seed, stratify=False, groups=alike)
    x = numbers("board", board.astype(np.float64), parts, ("channel", "height", "width"), pooled=True)
    targets = (labels("move", best, parts, SQUARES), labels("worth", worth, parts, WORTH, ignore=0))
    return Dataset("tic_tac_toe", "image", (x,), targets, ("stone",), commonest(targets[0]))


GAMES: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        "tic_tac_toe",
        "Tic-tac-toe",
        "All 4,520 positions in which someone is to move (blue); where should they? Of equally good moves the target "
        "is the centre, then a corner. A second target says what each square is worth.",
        "image",
        "classification",
        tic_tac_toe,
        "Played out by Layerloom (minimax).",
        (share(0.2),),
        input=TensorSpec((2, 3, 3), axes=("channel", "height", "width")),
        outputs=9,
        examples=4520,
        group="Games",
    ),
)
