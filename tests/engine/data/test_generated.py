"""What Layerloom draws itself follows its definition."""

from __future__ import annotations

import numpy as np
import pytest

from engine.config import DataRef
from engine.data import load
from engine.data.games import LINES, PREFERRED, SQUARES, WORTH, positions
from engine.data.pairs import pair
from engine.data.preview import text
from engine.data.questions import PEOPLE, PLACES, WORDS, tell
from engine.data.segmentation import draw_scenes, draw_shapes
from engine.data.sequences import COPIED


def test_parity_says_at_each_bit_whether_the_ones_so_far_are_odd() -> None:
    data = load(DataRef("parity", {"size": 500, "length": 20}))
    bits = np.rint(data.scaler.inverse(data.x_train))[:, :, 0].astype(int)
    for row, said in zip(bits[:50].tolist(), data.y_train, strict=False):
        assert said.tolist() == [sum(row[: i + 1]) % 2 for i in range(20)]


def test_adding_marks_one_number_in_each_half_and_asks_for_their_sum() -> None:
    data = load(DataRef("adding", {"size": 500, "length": 21}))
    raw = data.scaler.inverse(data.x_train)
    marked = np.rint(raw[:, :, 1])
    assert (marked[:, :10].sum(1) == 1).all()
    assert (marked[:, 10:].sum(1) == 1).all()
    sums = (raw[:, :, 0] * marked).sum(1)
    assert np.allclose(data.targets[0].scaler.inverse(data.y_train)[:, 0], sums, atol=1e-5)


@pytest.mark.parametrize("delay", [0, 10])
def test_copying_asks_for_the_first_symbols_from_the_cue_on(delay: int) -> None:
    data = load(DataRef("copying", {"size": 500, "delay": delay}))
    for x, y in zip(data.x_train[:50], data.y_train, strict=False):
        heard, said = text(data.inputs[0], x), text(data.targets[0], y)
        assert heard == f"{said}{'·' * delay}?{'·' * (COPIED - 1)}"
        assert (np.flatnonzero(y) >= COPIED + delay).all()


def test_the_answer_is_where_the_person_went_last() -> None:
    stories, questions, answers, last = tell(300, 6, np.random.default_rng(0))
    for story, question, answer, final in zip(stories, questions, answers, last, strict=True):
        words = [WORDS[i] for i in story]
        where, is_, who = (WORDS[i] for i in question)
        assert (where, is_) == ("where", "is")
        went = {words[i]: words[i + 4] for i in range(0, len(words), 5)}  # the later sentence wins
        assert who in went
        assert PLACES[answer] == went[who]
        assert PLACES[final] == words[-1]
        assert [words[i + 2 : i + 4] for i in range(0, len(words), 5)] == [["to", "the"]] * 6
    assert set(PEOPLE) == {WORDS[q[2]] for q in questions}


def test_shapes_are_where_the_mask_says() -> None:
    images, masks = draw_shapes(200, np.random.default_rng(0))
    inside = [images[:, 0][masks == kind] for kind in range(1, 4)]
    ground = images[:, 0][masks == 0]
    assert ground.std() < 0.2
    assert all(np.abs(values - 0.5).mean() > 0.25 for values in inside)
    areas = np.array([[(mask == kind).sum() for kind in range(1, 4)] for mask in masks])
    assert ((areas > 0).sum(1) <= 2).all()
    assert (areas.sum(1) > 20).all()


def test_of_each_kind_of_shape_the_outline_is_the_one_of_its_name() -> None:
    _, masks = draw_shapes(400, np.random.default_rng(1))
    for kind, low, high in ((1, 0.72, 0.88), (2, 1, 1), (3, 0.48, 0.66)):  # of the box around it: π/4, 1, ½ and edges
        shares = []
        for mask in masks:
            if set(np.unique(mask)) == {0, kind}:  # both of this kind, apart or one over the other
                rows, columns = np.flatnonzero((mask == kind).any(1)), np.flatnonzero((mask == kind).any(0))
                box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                shares.append((box == kind).mean())
        assert low <= max(shares) <= high


def test_a_scene_is_made_of_the_digits_it_may_use_and_its_mask_names_them() -> None:
    x = np.full((4, 1, 8, 8), [[[[0.2]]], [[[1.0]]], [[[0.9]]], [[[0.8]]]])
    scenes, masks = draw_scenes(x, np.array([5, 6, 7, 8]), np.array([0, 2, 3]), 200, np.random.default_rng(0))
    ink = scenes[:, 0]
    assert set(np.unique(masks)) == {0, 8, 9}  # one more than the digit; of the first the ink is too thin
    assert abs(ink[masks == 8].mean() - 0.9) < 0.01
    assert abs(ink[masks == 9].mean() - 0.8) < 0.01
    assert ink[masks == 0].mean() < 0.1
    assert ink[masks == 0].max() < 0.8
    quarters = (masks > 0).reshape(200, 2, 12, 2, 12).any((2, 4))
    assert abs(quarters.mean() - 0.5 * 2 / 3) < 0.05
    assert set((masks > 0).sum((1, 2))) <= {64 * k for k in range(5)}


def slow_value(board: list[int]) -> int:
    """For the player 1 to move on ``board`` (9 of 1, −1 and 0)."""
    if any(all(board[i] == -1 for i in range(9) if line >> i & 1) for line in LINES):
        return -1
    moves = [i for i in range(9) if board[i] == 0]
    if not moves:
        return 0
    return max(-slow_value([-stone for stone in played(board, i)]) for i in moves)


def played(board: list[int], square: int) -> list[int]:
    return [1 if i == square else stone for i, stone in enumerate(board)]


def test_tic_tac_toe_has_every_position_once_and_its_squares_have_their_worth() -> None:
    boards, best, worth, _ = positions()
    assert len(boards) == len(np.unique(boards.reshape(-1, 18), axis=0)) == 4520
    flat = (boards[:, 0] - boards[:, 1]).reshape(-1, 9)
    late = np.flatnonzero((flat == 0).sum(1) <= 5)
    for i in np.random.default_rng(0).choice(late, 120, replace=False):
        board = flat[i].tolist()
        for square in range(9):
            after = [-stone for stone in played(board, square)]
            assert WORTH[worth[i, square]] == (
                "taken" if board[square] else {1: "loses", 0: "draws", -1: "wins"}[slow_value(after)]
            )
        equals = [s for s in PREFERRED if worth[i, s] == worth[i].max()]
        assert best[i] == equals[0]


def test_who_plays_the_targets_of_tic_tac_toe_never_loses() -> None:
    boards, best, _, _ = positions()
    known = {tuple((b[0] - b[1]).ravel().tolist()): int(m) for b, m in zip(boards, best, strict=True)}

    def lost(board: tuple[int, ...], ours: bool) -> int:
        if any(all(board[i] == -1 for i in range(9) if line >> i & 1) for line in LINES):
            return int(ours)  # the one to move has lost
        moves = [i for i in range(9) if board[i] == 0]
        moves = [known[board]] if ours and moves else moves
        return sum(lost(tuple(-stone for stone in played(list(board), i)), not ours) for i in moves)

    assert len(SQUARES) == 9
    assert lost((0,) * 9, True) == 0
    assert lost((0,) * 9, False) == 0


def test_every_second_pair_is_of_one_digit_and_never_of_one_picture() -> None:
    y = np.arange(50) % 10
    left, right = pair(y, np.arange(10, 50), 400, np.random.default_rng(0))
    assert ((y[left] == y[right]) == (np.arange(400) % 2 == 0)).all()
    assert (left != right).all()
    assert min(left.min(), right.min()) >= 10
