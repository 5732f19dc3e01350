"""The form left of the charts: which data, and how to train."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import pandas as pd
import streamlit as st

from builder.diagnostic import Refused
from builder.spec import Param
from engine.config import SETTINGS, DataRef, TrainConfig
from engine.data import BY_NAME, DATASETS, Dataset, load, preview
from engine.data.csv import CsvReport, csv_dataset, inspect
from pages.forms import escape, param_input, tell
from pages.preview import draw

MAIN = ("optimizer", "steps")


@dataclass(frozen=True)
class Choice:
    """What the form says: ``data`` is None where the data set cannot be had (the form has said why)."""

    config: TrainConfig
    data: Dataset | None
    csv: bytes | None = None


def settings() -> Choice:
    state: dict[str, Any] = st.session_state.setdefault("settings", {})
    st.markdown("##### Data")
    choice = _data(state)
    st.markdown("##### Training")
    chosen = {p.name: p for p in SETTINGS}
    main = _fields([chosen[n] for n in MAIN], state)
    with st.expander("More settings"):
        main |= _fields([p for p in SETTINGS if p.name not in MAIN], state)
    return replace(choice, config=replace(choice.config, **main))


def _fields(params: list[Param], state: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """One widget for each Param; what was set survives leaving the page in ``state``."""
    out = {}
    for param in params:
        name = prefix + param.name
        value = param_input(param, state.get(name, param.default), f"set.{name}")
        state[name] = out[param.name] = value
    return out


def _data(state: dict[str, Any]) -> Choice:
    names = [d.name for d in DATASETS]
    wanted = st.session_state.get("dataset", "spiral")
    if st.session_state.get("set.dataset") is None:
        st.session_state["set.dataset"] = wanted
    name = st.selectbox("Data set", names, key="set.dataset", format_func=lambda n: BY_NAME[n].title)
    st.session_state.dataset = name
    spec = BY_NAME[name]
    st.caption(spec.about)
    if name == "csv":
        return _csv(state)
    options = _fields(list(spec.options), state, prefix=f"{name}.")
    return _loaded(DataRef(name, options), None)


def _csv(state: dict[str, Any]) -> Choice:
    upload = st.file_uploader("A CSV file with one header line, at most 50 MB", type=["csv", "tsv", "txt"], key="csv")
    if upload is not None:
        st.session_state.csv_bytes = upload.getvalue()
    data: bytes | None = st.session_state.get("csv_bytes")
    nothing = Choice(TrainConfig(DataRef("csv")), None)
    if data is None:
        st.info("Choose a file. It stays on this machine.", icon=":material/upload_file:")
        return nothing
    try:
        report: CsvReport = _once("csv.report", hashlib.sha256(data).hexdigest(), lambda: inspect(data))
    except Refused as refused:
        for problem in refused.diagnostics:
            tell(problem)
        return nothing
    with st.expander(f"{report.rows:,} rows, {len(report.columns)} columns"):
        st.dataframe(pd.DataFrame([vars(c) for c in report.columns]).astype(str), hide_index=True)
    first = report.targets.index(report.target)
    target = st.selectbox("Column to predict", report.targets, index=first, key="csv.target")
    options = _fields(list(BY_NAME["csv"].options), state, prefix="csv.")
    return _loaded(DataRef("csv", {"target": target, **options}), data)


def _once(name: str, mark: object, make: Callable[[], Any]) -> Any:
    """``make()``, kept in the session under ``name`` while ``mark`` stays the same: a rerun must not redo it."""
    kept = st.session_state.get(name)
    if kept is None or kept[0] != mark:
        st.session_state[name] = kept = (mark, make())
    return kept[1]


def _loaded(ref: DataRef, csv: bytes | None) -> Choice:
    """Loads what ``ref`` names (a CSV once per file and target) and shows a preview."""
    seed = int(st.session_state.settings.get("seed", 0))
    config = TrainConfig(ref)
    try:
        data = _csv_loaded(csv, ref, seed) if csv is not None else load(ref, seed)
    except Refused as refused:
        for problem in refused.diagnostics:
            tell(problem)
        return Choice(config, None, csv)
    with st.popover("Look at the data", icon=":material/visibility:", width="stretch"):
        st.markdown(
            f"**{escape(BY_NAME[ref.name].title)}** · {len(data.x_train):,} to train, {len(data.x_val):,} to validate"
        )
        draw(preview(data))
        st.caption(escape(BY_NAME[ref.name].source))
    return Choice(config, data, csv)


def _csv_loaded(csv: bytes, ref: DataRef, seed: int) -> Dataset:
    mark = (hashlib.sha256(csv).hexdigest(), tuple(ref.options.items()), seed)
    return cast(Dataset, _once("csv.data", mark, lambda: csv_dataset(csv, seed=seed, **ref.options)))
