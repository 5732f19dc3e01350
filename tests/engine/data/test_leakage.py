"""What belongs together stays on one side of the split, where equal examples alone would not tell."""

from __future__ import annotations

import csv
import gzip
from typing import Any

import numpy as np
import pytest

from engine.config import DataRef
from engine.data import BY_NAME, Dataset, load, segmentation
from engine.data.games import positions
from engine.data.images import read
from engine.data.molecules import skeleton
from engine.data.preview import text
from engine.data.segmentation import BLOCK
from engine.data.series import FILES, WINDOW, airline, co2, elnino
from engine.data.split import split

MEASURED = ("horsepower", "weight", "acceleration", "year", "mpg")


def indices(some: np.ndarray, every: np.ndarray) -> list[int]:
    """Where each row of ``some`` stands in ``every``; of equal rows the last."""
    places = {row.tobytes(): i for i, row in enumerate(every)}
    return [places[row.tobytes()] for row in some]


def of(data: Dataset, raw: np.ndarray) -> tuple[set[int], set[int]]:
    every = data.scaler.apply(raw)
    return set(indices(data.x_train, every)), set(indices(data.x_val, every))


def test_groups_are_never_torn_apart() -> None:
    groups = np.random.default_rng(0).integers(0, 30, 400)
    parts = split(np.arange(400)[:, None], groups % 3, 0.3, seed=2, stratify=True, groups=groups)
    assert not set(groups[parts.train]) & set(groups[parts.val])
    assert sorted(np.concatenate([parts.train, parts.val])) == list(range(400))
    assert 80 <= len(parts.val) <= 120


@pytest.mark.parametrize("seed", [0, 1])
def test_no_voice_is_heard_in_both_parts(seed: int) -> None:
    with np.load(FILES / "espeak_digits.npz") as file:
        raw, voice = file["X"].astype(np.float32) / 255, file["voice"]
    train, val = of(load(DataRef("spoken_digits"), seed), raw)
    assert not {voice[i] for i in train} & {voice[i] for i in val}
    assert len({voice[i] for i in val}) == 5


def test_slices_of_one_block_stay_together() -> None:
    data = load(DataRef("brain_slices", {"detail": "full"}))
    with np.load(FILES / "brain_slices.npz") as file:
        raw = file["t1"][:, None].astype(np.float32) / 255
        tissue = file["label"]
    train, val = of(data, raw)
    assert not {i // BLOCK for i in train} & {i // BLOCK for i in val}
    places = indices(data.x_val, data.scaler.apply(raw))
    assert (data.y_val == tissue[places]).all()


def test_half_the_detail_of_a_brain_is_the_mean_of_four_pixels() -> None:
    full, half = (load(DataRef("brain_slices", {"detail": detail})) for detail in ("full", "half"))
    raw = full.scaler.inverse(full.x_val[0])[0]
    slow = [[raw[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean() for j in range(56)] for i in range(48)]
    assert np.allclose(half.scaler.inverse(half.x_val[0, 0]), slow, atol=1e-5)
    assert (half.y_val[0] == full.y_val[0, ::2, ::2]).all()


def test_a_turned_or_mirrored_board_is_on_the_same_side() -> None:
    data = load(DataRef("tic_tac_toe"))
    boards = positions()[0].astype(float)
    train, val = ([np.rint(data.scaler.inverse(x)) for x in part] for part in (data.x_train, data.x_val))
    seen = {x.tobytes() for x in train}
    for board in val:
        for side in (board, board.swapaxes(1, 2)):
            assert not any((np.rot90(side, turns, (1, 2)) + 0.0).tobytes() in seen for turns in range(4))
    assert len(seen) + len(val) == len(boards)


def test_forms_of_one_molecule_are_one() -> None:
    assert skeleton("C[C@H](N)C(=O)O") == skeleton("C[C@@H](N)C(=O)O") == skeleton("CC(N)C(=O)O") == "CC(N)C(=O)O"
    assert skeleton("CC(N)C(=O)[O-].[Na+]") == "CC(N)C(=O)O"
    assert skeleton("C/C=C\\C") == "CC=CC"
    assert skeleton("CCBr") != skeleton("CCCl")
    assert skeleton("c1ccc[nH]1") == "c1cccn1"


def test_no_form_of_a_held_out_molecule_is_trained_on() -> None:
    data = load(DataRef("molecules"))
    with gzip.open(FILES / "b3db.csv.gz", "rt", encoding="utf-8") as lines:
        rows = [(row["smiles"][:128], row["bbb"]) for row in csv.DictReader(lines)]
    words = data.inputs[0].words
    said = [["".join(words[i] for i in x) for x in part] for part in (data.x_train, data.x_val)]
    assert not {skeleton(s) for s in said[0]} & {skeleton(s) for s in said[1]}
    told = sorted(zip(said[0] + said[1], [*data.y_train, *data.y_val], strict=True))
    assert told == sorted((smiles, int(label)) for smiles, label in rows)


def test_one_model_of_a_car_is_on_one_side() -> None:
    data = load(DataRef("auto_mpg"))
    with (FILES / "autompg.csv").open(encoding="utf-8", newline="") as lines:
        cars = list(csv.DictReader(lines))
    names = {tuple(float(c[k]) for k in MEASURED): c["name"] for c in cars}
    assert len(names) == 392
    target = data.targets[0].scaler
    sides = []
    for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val)):
        raw, mpg = data.scaler.inverse(x), target.inverse(y)[:, 0]
        measured = np.round(np.column_stack([raw[:, 2:6], mpg]), 1)
        sides.append({names[tuple(row)] for row in measured.tolist()})
    assert not sides[0] & sides[1]


def test_no_digit_of_a_held_out_pair_was_seen_in_training() -> None:
    data = load(DataRef("digit_pairs"))
    train, val = ({x.tobytes() for side in data.inputs for x in getattr(side, part)} for part in ("train", "val"))
    assert not train & val
    raw, y = read("digits")
    every = data.scaler.apply(raw)
    left, right = (indices(side.val, every) for side in data.inputs)
    assert (data.y_val == (y[left] == y[right])).all()


def test_no_digit_of_a_held_out_scene_was_seen_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[set[int]] = []
    drawn = segmentation.draw_scenes

    def seen(x: np.ndarray, y: np.ndarray, rows: np.ndarray, *rest: Any) -> tuple[np.ndarray, np.ndarray]:
        used.append(set(rows.tolist()))
        return drawn(x, y, rows, *rest)

    monkeypatch.setattr(segmentation, "draw_scenes", seen)
    BY_NAME["digit_scenes"].load({"size": 200, "test_share": 0.2}, 0, None)
    assert len(used) == 2
    assert not used[0] & used[1]


def test_an_autoencoder_of_odd_ones_is_shown_the_usual_digit_only() -> None:
    data = load(DataRef("odd_digits", {"digit": "7"}))
    raw, y = read("digits")
    every = data.scaler.apply(raw)
    assert {y[i] for i in indices(data.x_train, every)} == {7}
    odd = data.targets[1]
    assert not odd.train.any()
    assert (odd.val == (y[indices(data.x_val, every)] != 7)).all()
    assert data.targets[0] is data.inputs[0]


def test_the_recordings_of_vowels_are_split_as_their_source_splits_them() -> None:
    data = load(DataRef("japanese_vowels"))
    assert (data.n_train, data.n_val) == (270, 370)
    assert np.bincount(data.y_train).tolist() == [30] * 9
    with np.load(FILES / "japanese_vowels.npz") as file:
        length, raw = file["Lte"], file["Xte"]
    for x, n, wanted in zip(data.x_val, length, raw, strict=True):
        assert not x[n:].any()
        assert np.allclose(data.scaler.inverse(x[:n]), wanted[:n], atol=1e-5)


def test_first_names_of_both_lists_are_left_out() -> None:
    data = load(DataRef("names"))
    with gzip.open(FILES / "names.csv.gz", "rt", encoding="utf-8") as lines:
        rows = [(name.lower(), sex) for name, sex in csv.reader(lines)]
    lists = {sex: {name for name, s in rows if s == sex} for sex in "FM"}
    x, y = np.concatenate([data.x_train, data.x_val]), np.concatenate([data.y_train, data.y_val])
    told = {(text(data.inputs[0], row), "FM"[label]) for row, label in zip(x, y, strict=True)}
    assert told == {(n, s) for n, s in rows if not (n in lists["F"] and n in lists["M"])}


def test_months_of_the_series_follow_each_other() -> None:
    assert len(airline()) == 143
    assert airline()[0] == pytest.approx(100 * np.log(118 / 112))
    assert len(elnino()) == 61 * 12
    assert elnino()[[0, 1, 11, 12]].tolist() == [23.11, 24.2, 21.8, 24.19]
    assert len(co2()) == (2001 - 1964) * 12 + 7  # May 1964 to December 2001 are 452 months
    assert co2().sum() == pytest.approx(371.0 - 322.2, abs=0.5)  # ppm more than at first


@pytest.mark.parametrize("name", ["airline", "co2", "elnino"])
def test_no_month_of_a_held_out_window_was_trained_on(name: str) -> None:
    data = load(DataRef(name))
    values = data.scaler.apply({"airline": airline, "co2": co2, "elnino": elnino}[name]())
    cut = data.n_train + WINDOW
    assert (data.x_train[-1, :, 0] == values[cut - 1 - WINDOW : cut - 1]).all()
    assert data.y_train[-1, 0] == values[cut - 1]
    assert (data.x_val[0, :, 0] == values[cut : cut + WINDOW]).all()
    year_ago = 1 - ((data.y_val - data.x_val[:, -12]) ** 2).sum() / ((data.y_val - data.y_val.mean()) ** 2).sum()
    assert data.baseline.score >= year_ago - 1e-6
