"""What every data set promises, whichever it is."""

from __future__ import annotations

import pkgutil
import socket
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

import engine.data
from builder.diagnostic import Refused
from engine.config import DataRef
from engine.data import BY_NAME, DATASETS, Dataset, DatasetSpec, list_datasets, load, preview

BUILT_IN = [d for d in DATASETS if d.name != "csv"]
every = pytest.mark.parametrize("spec", BUILT_IN, ids=lambda d: d.name)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a data set asked for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


def fresh(spec: DatasetSpec, seed: int = 0, **options: object) -> Dataset:
    """Past the cache."""
    return spec.load({p.name: options.get(p.name, p.default) for p in spec.options}, seed, None)


def arrays(data: Dataset) -> tuple[np.ndarray, ...]:
    return data.x_train, data.y_train, data.x_val, data.y_val


@every
def test_the_same_seed_gives_the_same_bytes(spec: DatasetSpec) -> None:
    for a, b in zip(arrays(fresh(spec, 3)), arrays(fresh(spec, 3)), strict=True):
        assert a.tobytes() == b.tobytes()


@every
def test_another_seed_gives_another_split_except_in_time(spec: DatasetSpec) -> None:
    a, b = fresh(spec, 0).x_train, fresh(spec, 1).x_train
    assert (a.tobytes() == b.tobytes()) == (spec.kind == "series")


@every
def test_shapes_and_types_are_as_declared(spec: DatasetSpec) -> None:
    data = fresh(spec)
    assert (data.input, data.outputs, data.task, data.kind) == (spec.input, spec.outputs, spec.task, spec.kind)
    for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val)):
        assert x.dtype == np.float32
        assert x.shape == (len(y), *data.input.shape)
        assert y.dtype == (np.int64 if data.task == "classification" else np.float32)
        assert y.shape == ((len(y),) if data.task == "classification" else (len(y), data.outputs))
        assert x.flags.c_contiguous
        assert y.flags.c_contiguous
        assert np.isfinite(x).all()
        assert np.isfinite(y).all()
    assert data.nbytes == sum(a.nbytes for a in arrays(data))


@every
def test_no_example_is_lost_and_the_share_held_out_is_as_asked(spec: DatasetSpec) -> None:
    data = fresh(spec)
    asked = {p.name: p.default for p in spec.options}
    n = spec.examples or asked["size"]
    if spec.kind == "series":  # each part needs a first window
        assert data.n_train + data.n_val == n - 2 * data.input.shape[0]
    else:
        assert data.n_train + data.n_val == n
        assert abs(data.n_val - asked["test_share"] * n) <= data.outputs


@every
def test_no_held_out_example_was_trained_on(spec: DatasetSpec) -> None:
    data = fresh(spec)
    trained = {x.tobytes() for x in data.x_train}
    assert not [x for x in data.x_val if x.tobytes() in trained]


@every
def test_classes_have_the_same_share_in_both_parts(spec: DatasetSpec) -> None:
    if spec.task != "classification":
        return
    data = fresh(spec)
    train, val = (np.bincount(y, minlength=data.outputs) for y in (data.y_train, data.y_val))
    share = data.n_val / (data.n_train + data.n_val)
    assert (np.abs(val - share * (train + val)) <= 2).all()
    assert len(data.classes) == data.outputs
    assert data.y_train.min() == 0
    assert data.y_train.max() == data.outputs - 1


@every
def test_the_scaler_is_fitted_on_the_training_part_only(spec: DatasetSpec) -> None:
    data = fresh(spec)
    if spec.kind == "series":
        x = np.concatenate([data.x_train[0], data.y_train])
    else:
        x = data.x_train if spec.kind != "image" else data.x_train.reshape(-1, 1)
    assert np.abs(x.mean(0, dtype=np.float64)).max() < 1e-4
    assert np.abs(x.std(0, dtype=np.float64) - 1).max() < 1e-3
    assert not np.allclose(data.x_val.mean(0), data.x_train.mean(0), atol=1e-6)


@every
def test_the_baseline_is_what_no_network_reaches(spec: DatasetSpec) -> None:
    data = fresh(spec)
    if spec.kind == "series":  # persistence, in the units of the source
        last, y = (data.scaler.inverse(a) for a in (data.x_val[:, -1], data.y_val))
        slow = 1 - ((y - last) ** 2).mean() / y.var()
        assert data.baseline == pytest.approx(slow, abs=1e-5)
    elif spec.task == "regression":
        assert data.baseline == 0
    else:
        commonest = max(range(data.outputs), key=data.y_train.tolist().count)
        assert data.baseline == pytest.approx(data.y_val.tolist().count(commonest) / data.n_val)


@every
def test_the_preview_holds_what_its_kind_draws(spec: DatasetSpec) -> None:
    data = fresh(spec)
    look = preview(data)
    assert (look.n_train, look.n_val) == (data.n_train, data.n_val)
    if spec.task == "classification":
        assert sum(look.counts.values()) == data.n_train + data.n_val
    match spec.kind:
        case "points2d" | "curve":
            assert 0 < len(look.points) <= 1000
            assert any(p.held_out for p in look.points)
            assert not all(p.held_out for p in look.points)
            assert len(look.rows) == 8
        case "table":
            assert [len(row) for row in look.rows] == [len(look.columns)] * 8
        case "image":
            assert len(look.images) == 24
            assert look.images[0][1].dtype == np.uint8
            assert look.images[0][1].shape == data.input.shape[1:]
            assert max(image.max() for _, image in look.images) == 255
        case "series":
            assert len(look.series) == spec.examples
            assert look.series[:3] == (5, 11, 16)
            assert look.series[-1] == 2.9
            assert look.series_cut == data.n_train + data.input.shape[0]


@every
def test_an_option_out_of_its_range_is_refused_with_its_name(spec: DatasetSpec) -> None:
    for param in spec.options:
        for value in (param.high + 1, param.low - 1, "many", None, float("nan")):
            with pytest.raises(Refused) as refused:
                load(DataRef(spec.name, {param.name: value}))
            assert refused.value.diagnostics[0].field == param.name


def test_an_unknown_option_or_data_set_is_refused_with_a_suggestion() -> None:
    with pytest.raises(Refused, match="Did you mean 'noise'"):
        load(DataRef("spiral", {"nois": 0.1}))
    with pytest.raises(Refused, match="Did you mean 'spiral'"):
        load(DataRef("spiralle"))


def test_a_data_set_is_read_once() -> None:
    assert load(DataRef("iris"), 5) is load(DataRef("iris", {"test_share": 0.2}), 5)
    assert load(DataRef("iris"), 5) is not load(DataRef("iris"), 6)


def test_every_data_set_is_listed_with_its_sizes_and_named_once() -> None:
    lines = list_datasets().splitlines()
    assert len(lines) == len(DATASETS) + 1
    assert len(BY_NAME) == len(DATASETS)
    for line, spec in zip(lines[1:], DATASETS, strict=True):
        assert line.startswith(spec.name)
        assert line.endswith(spec.about)
    assert any("1 × 28 × 28" in line and "5,000" in line for line in lines)


def test_importing_the_package_brings_in_neither_torch_nor_pandas_nor_scikit_learn() -> None:
    code = "import sys, engine.data; print([m for m in ('torch', 'pandas', 'sklearn') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_data_set_of_a_module_of_the_package_is_listed() -> None:
    modules = [import_module(f"engine.data.{m.name}") for m in pkgutil.iter_modules(engine.data.__path__)]
    values = [v for m in modules for v in vars(m).values()]
    written = [d for v in values for d in (v if isinstance(v, tuple) else (v,)) if isinstance(d, DatasetSpec)]
    assert {d.name for d in written} == set(BY_NAME)
