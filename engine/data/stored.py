"""An imported table on disk: a data set's arrays as .npy files, which a reader maps instead of loading, the rest as
JSON. A refusal is kept in the same place. No pickle.

A folder of an upload holds ``data.csv``, ``report.json`` and, for each way to make a data set of it, ``sets/<key>/``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from builder.diagnostic import Diagnostic, Refused
from builder.spec import TensorSpec
from engine.data.csv import CsvReport
from engine.data.csv_columns import Column
from engine.data.spec import Array, Baseline, Dataset, Field, Options, Scaler
from engine.store import write_beside

VERSION = 3  # of these files; others are made again
REPORT, META, SETS = "report.json", "meta.json", "sets"
PLAIN = ("name", "kind", "features", "missing", "notes")
OF_FIELD = ("name", "kinds", "words", "ignore", "metric", "label")


def set_folder(folder: Path, options: Options, seed: int) -> Path:
    """Where the data set with these ``options`` (target, task, test_share) belongs."""
    text = json.dumps([VERSION, sorted(options.items()), seed])
    return folder / SETS / hashlib.sha256(text.encode()).hexdigest()[:24]


def write_report(folder: Path, found: CsvReport | Refused) -> None:
    _write(folder / REPORT, _refusal(found) if isinstance(found, Refused) else asdict(found))


def read_report(folder: Path) -> CsvReport | None:
    """None where there is none yet. Raises Refused where the table was."""
    body = _read(folder / REPORT)
    if body is None:
        return None
    columns = tuple(Column(**_tuples(column)) for column in body["columns"])
    return CsvReport(**{**_tuples(body), "columns": columns})


def write_dataset(folder: Path, found: Dataset | Refused) -> None:
    """Into ``folder``, which is there and empty."""
    if isinstance(found, Refused):
        return _write(folder / META, _refusal(found))
    fields = {part: [_write_field(folder, f) for f in getattr(found, part)] for part in ("inputs", "targets")}
    body = {name: getattr(found, name) for name in PLAIN}
    rest = {"missing": dict(found.missing), "baseline": asdict(found.baseline)}
    return _write(folder / META, {**body, **rest, **fields})


def _write_field(folder: Path, field: Field) -> dict[str, Any]:
    for part in ("train", "val"):
        np.save(folder / f"{field.name}.{part}.npy", getattr(field, part), allow_pickle=False)
    if field.scaler is not None:
        scaler = np.stack([field.scaler.mean, field.scaler.std])
        np.save(folder / f"{field.name}.scaler.npy", scaler, allow_pickle=False)
    return {**{name: getattr(field, name) for name in OF_FIELD}, "spec": asdict(field.spec)}


def read_dataset(folder: Path, mode: Literal["r", "c"] = "r") -> Dataset | None:
    """Its arrays are mapped: only what is looked at is read. With ``mode`` "r" they cannot be written to; with "c"
    the file stays as it is, which is what torch asks of an array it shares. None and Refused as ``read_report``."""
    body = _read(folder / META)
    if body is None:
        return None
    inputs, targets = (tuple(_field(folder, f, mode) for f in body.pop(part)) for part in ("inputs", "targets"))
    baseline = Baseline(**body.pop("baseline"))
    return Dataset(**_tuples(body), baseline=baseline, inputs=inputs, targets=targets)


def _field(folder: Path, body: dict[str, Any], mode: Literal["r", "c"]) -> Field:
    train, val = (_array(folder / f"{body['name']}.{part}.npy", mode) for part in ("train", "val"))
    spec, scaler = TensorSpec(**_tuples(body["spec"])), _scaler(folder / f"{body['name']}.scaler.npy")
    return Field(**{**_tuples(body), "spec": spec}, train=train, val=val, scaler=scaler)


def _tuples(body: dict[str, Any]) -> dict[str, Any]:
    """JSON knows lists only, and the types of a data set tuples only."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in body.items()}


def _array(path: Path, mode: Literal["r", "c"]) -> Array:
    return np.asarray(np.load(path, mmap_mode=mode, allow_pickle=False))


def _scaler(path: Path) -> Scaler | None:
    return Scaler(*np.load(path, allow_pickle=False)) if path.exists() else None


def _refusal(refused: Refused) -> dict[str, Any]:
    return {"refused": [d.to_json() for d in refused.diagnostics]}


def _write(path: Path, body: dict[str, Any]) -> None:
    write_beside(path, json.dumps({"version": VERSION, **body}, allow_nan=False).encode())


def _read(path: Path) -> dict[str, Any] | None:
    try:
        body = dict(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return None
    if body.pop("version", None) != VERSION:
        return None
    if told := body.get("refused"):
        raise Refused(*(Diagnostic(**{k: v for k, v in d.items() if k != "fix"}) for d in told))
    return body
