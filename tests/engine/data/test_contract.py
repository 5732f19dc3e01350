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
from engine.data import BY_NAME, DATASETS, Dataset, DatasetSpec, Field, list_datasets, load, preview
from engine.data.text import UNKNOWN

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


def arrays(data: Dataset) -> list[np.ndarray]:
    return [part for field in (*data.inputs, *data.targets) for part in (field.train, field.val)]


def examples(data: Dataset, part: str) -> list[bytes]:
    """All that a network is shown of each example."""
    columns = [getattr(field, part) for field in data.inputs]
    return [b"".join(x.tobytes() for x in example) for example in zip(*columns, strict=True)]


def values(field: Field) -> np.ndarray:
    """What the scaler of ``field`` was fitted to, (value, feature): frames of zeros are padding, and the values of a
    series stand in many windows but count once."""
    each = field.train.reshape(-1, field.scaler.mean.size)
    return each[each.any(axis=1)] if field.spec.axes[:1] == ("time",) else each


@every
def test_the_same_seed_gives_the_same_bytes(spec: DatasetSpec) -> None:
    for a, b in zip(arrays(fresh(spec, 3)), arrays(fresh(spec, 3)), strict=True):
        assert a.tobytes() == b.tobytes()


@every
def test_another_seed_holds_out_others_unless_the_source_or_time_says_which(spec: DatasetSpec) -> None:
    a, b = fresh(spec, 0).x_train, fresh(spec, 1).x_train
    assert (a.tobytes() == b.tobytes()) == spec.fixed


@every
def test_shapes_and_types_are_as_declared(spec: DatasetSpec) -> None:
    data = fresh(spec)
    assert (data.input, data.outputs, data.task, data.kind) == (spec.input, spec.outputs, spec.task, spec.kind)
    assert data.nbytes == sum(a.nbytes for a in arrays(data))
    for field in (*data.inputs, *data.targets):
        assert field.name.isidentifier()
        assert len(field.spec.axes) in (0, len(field.spec.shape))
        for part, n in ((field.train, data.n_train), (field.val, data.n_val)):
            assert part.shape == (n, *field.spec.shape)
            assert part.dtype == field.spec.dtype
            assert part.flags.c_contiguous
            assert np.isfinite(part).all()
    assert len(data.fields) == len({id(f) for f in (*data.inputs, *data.targets)})


@every
def test_every_whole_number_has_a_name(spec: DatasetSpec) -> None:
    data = fresh(spec)
    for field in (f for f in data.fields.values() if f.spec.dtype == "int64"):
        assert len(field.words) == field.kinds == len(set(field.words))
        for part in (field.train, field.val):
            assert part.min() >= 0
            assert part.max() < field.kinds
        assert field.ignore in (None, 0)
        assert (field.train != field.ignore).any()


@every
def test_no_example_is_lost_and_the_share_held_out_is_as_asked(spec: DatasetSpec) -> None:
    data = fresh(spec)
    asked = {p.name: p.default for p in spec.options}
    n = spec.examples or asked.get("size")
    if spec.kind == "series":  # each part needs a first window
        assert data.n_train + data.n_val == n - 2 * data.input.shape[0]
    elif n:
        assert data.n_train + data.n_val == n
    if not spec.fixed and data.targets[0] is not data.inputs[0]:  # which has nothing to train on but the usual
        n = data.n_train + data.n_val
        assert 0.85 * asked["test_share"] * n <= data.n_val <= asked["test_share"] * n + data.outputs


@every
def test_no_held_out_example_was_trained_on(spec: DatasetSpec) -> None:
    data = fresh(spec)
    seen, held_out = set(examples(data, "train")), examples(data, "val")
    words = data.inputs[0].words
    unknown = words.index(UNKNOWN) if UNKNOWN in words else -1  # different texts may be alike but for unknown words
    again = [i for i, example in enumerate(held_out) if example in seen and unknown not in data.x_val[i]]
    assert not again


@every
def test_classes_have_about_the_same_share_in_both_parts(spec: DatasetSpec) -> None:
    data = fresh(spec)
    target = data.targets[0]
    if target.task == "regression" or target.spec.shape or spec.fixed:
        return
    train, val = (np.bincount(y, minlength=data.outputs) for y in (target.train, target.val))
    share = data.n_val / (data.n_train + data.n_val)
    assert (np.abs(val - share * (train + val)) <= max(2, 0.04 * data.n_val)).all()
    assert train.all()


@every
def test_the_scaler_is_fitted_on_the_training_part_only(spec: DatasetSpec) -> None:
    data = fresh(spec)
    for scaler in {f.scaler for f in data.inputs if f.scaler}:
        fields = [f for f in data.inputs if f.scaler is scaler]
        x = np.concatenate([data.x_train[0], data.y_train] if spec.kind == "series" else [values(f) for f in fields])
        assert np.abs(x.mean(0, dtype=np.float64)).max() < 1e-4
        assert np.abs(x.std(0, dtype=np.float64) - 1).max() < 1e-3
        assert not any(np.allclose(f.val.mean(0), f.train.mean(0), atol=1e-6) for f in fields)


@every
def test_the_baseline_is_what_no_network_reaches(spec: DatasetSpec) -> None:
    data = fresh(spec)
    target = data.targets[0]
    if spec.kind == "series":  # persistence, in the units of the source
        last, y = (data.scaler.inverse(a) for a in (data.x_val[:, -1], data.y_val))
        assert data.baseline.score >= 1 - ((y - last) ** 2).mean() / y.var() - 1e-5
    elif spec.task == "regression":
        assert data.baseline.score == 0
    elif not target.spec.shape:
        often = max(range(data.outputs), key=target.train.tolist().count)
        always = target.val.tolist().count(often) / data.n_val
        assert data.baseline.score >= always - 1e-9
        if data.baseline.guess == "always naming the commonest class":
            assert data.baseline.score == pytest.approx(always)
    else:
        assert "always" not in data.baseline.guess  # what it says differs from place to place
    assert data.baseline.score < 1


@every
def test_the_preview_holds_what_its_kind_draws(spec: DatasetSpec) -> None:
    data = fresh(spec)
    look = preview(data)
    assert (look.n_train, look.n_val) == (data.n_train, data.n_val)
    if data.task == "classification" and not data.targets[0].spec.shape:
        assert sum(look.counts.values()) == data.n_train + data.n_val
    match spec.kind:
        case "points2d" | "curve":
            assert 0 < len(look.points) <= 1000
            assert any(p.held_out for p in look.points)
            assert not all(p.held_out for p in look.points)
            assert len(look.rows) == 8
        case "table" | "text":
            assert [len(row) for row in look.rows] == [len(look.columns)] * 8
            assert len(set(look.rows)) > 1
        case "image" | "mask" | "pair" | "sequence":
            assert len(look.images) == min(24, data.n_train)
            assert {image.dtype for _, image in look.images} == {np.dtype(np.uint8)}
            assert {image.shape for _, image in look.images} == {(*look.images[0][1].shape[:2], 3)}
            assert max(image.max() for _, image in look.images) >= 240
            assert min(image.min() for _, image in look.images) == 0
            assert [word for word, _ in look.legend] == list(data.classes if spec.kind == "mask" else ())
        case "series":
            assert len(look.series) == spec.examples
            assert look.series_cut == data.n_train + data.input.shape[0]


@every
def test_an_option_out_of_its_range_is_refused_with_its_name(spec: DatasetSpec) -> None:
    for param in spec.options:
        beyond = () if param.high is None else (param.high + 1, param.low - 1)
        for value in (*beyond, "many", None, float("nan")):
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
