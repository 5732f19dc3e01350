"""The form left of the charts: which data, and how to train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import pandas as pd
import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from builder.diagnostic import Refused
from builder.graph import Graph
from builder.spec import Param
from engine.config import SETTINGS, DataRef, TrainConfig
from engine.data import BY_NAME, DATASETS, Dataset, load, preview
from engine.data.importing import Import
from engine.data.upload import Upload, keep
from engine.data.words import asks, gives
from engine.home import home
from engine.knobs import initial
from pages.copies import caption, copies
from pages.copies import fields as of_copies
from pages.copies import keep as keep_copies
from pages.forms import escape, param_input, tell
from pages.hide import hidden
from pages.preview import draw

FIRST = "spiral"
# A small network does tens of thousands of steps per second: held back, one can watch it and turn its knobs.
WATCHABLE = {"speed": 1000.0}
MAIN = ("optimizer", "steps")
T = TypeVar("T")


@dataclass(frozen=True)
class Choice:
    """What the form says: ``data`` is None where the data set cannot be had (the form has said why)."""

    config: TrainConfig
    data: Dataset | None
    csv: Path | None = None


def settings() -> Choice:
    """The form. A control that a link hides keeps the value that the link brought."""
    state = _state()
    st.markdown("##### Data")
    choice = _data(state)
    if shown := [p for p in SETTINGS if not hidden(p.name)]:
        st.markdown("##### Training")
    fields = _fields([p for p in SETTINGS if hidden(p.name)], state, show=False)
    fields |= _fields([p for p in shown if p.name in MAIN], state)
    if more := [p for p in shown if p.name not in MAIN]:
        with st.expander("More settings"):
            fields |= _fields(more, state)
    if hidden("copies"):
        fields |= of_copies(state)
    else:
        with st.expander("Several copies at once"):
            fields |= copies(state)
            caption(replace(choice.config, **fields))
    return replace(choice, config=replace(choice.config, **fields))


def chosen(graph: Graph) -> TrainConfig:
    """What the form says or would say, and the knobs as they are turned for ``graph``."""
    state = _state()
    name = st.session_state.get("dataset", FIRST)
    prefix = f"{name}."
    options = {n.removeprefix(prefix): value for n, value in state.items() if n.startswith(prefix)}
    defaults = {p.name: p.default for p in BY_NAME[name].options}
    options = {n: value for n, value in options.items() if n not in defaults or value != defaults[n]}
    fields = {p.name: state[p.name] for p in SETTINGS if p.name in state} | of_copies(state)
    stops = tuple(st.session_state.get("breakpoints", ()))
    return TrainConfig(DataRef(name, options), knobs=turned(graph), breakpoints=stops, **fields)


def turned(graph: Graph) -> dict[str, float]:
    """The knobs of ``graph`` that are not at their start."""
    return only_turned(st.session_state.setdefault("knobs", dict(WATCHABLE)), graph)


def choose(config: TrainConfig) -> None:
    """Sets the form, the knobs and the breakpoints to ``config``."""
    st.session_state.settings = {p.name: getattr(config, p.name) for p in SETTINGS}
    st.session_state.settings |= keep_copies(config)
    st.session_state.settings |= {f"{config.data.name}.{n}": value for n, value in config.data.options.items()}
    st.session_state.dataset, st.session_state.knobs = config.data.name, dict(config.knobs)
    st.session_state.breakpoints = list(config.breakpoints)
    for key in [k for k in st.session_state if str(k).startswith("set.")]:
        del st.session_state[key]  # of a form that shows other values


def only_turned(knobs: dict[str, float], graph: Graph) -> dict[str, float]:
    """Those not at their start: the others follow the drawing, or the optimizer (AdamW has a decay of its own)."""
    start = initial(graph)
    return {name: value for name, value in knobs.items() if name in start and value != start[name]}


def _state() -> dict[str, Any]:
    return cast("dict[str, Any]", st.session_state.setdefault("settings", {}))


def _fields(params: list[Param], state: dict[str, Any], prefix: str = "", show: bool = True) -> dict[str, Any]:
    """One widget for each Param; what was set survives leaving the page in ``state``."""
    out = {}
    for param in params:
        name = prefix + param.name
        value = state.get(name, param.default)
        state[name] = out[param.name] = param_input(param, value, f"set.{name}") if show else value
    return out


def _data(state: dict[str, Any]) -> Choice:
    names = ["csv", *(d.name for d in DATASETS if d.name != "csv")]  # an own table must not be looked for
    name = st.session_state.setdefault("dataset", FIRST)
    show = not hidden("data") or name == "csv"  # a file must be chosen, whatever a link hides
    if show:
        if st.session_state.get("set.dataset") is None:
            st.session_state["set.dataset"] = name
        name = st.selectbox("Data set", names, key="set.dataset", format_func=listed)
        st.session_state.dataset = name
    spec = BY_NAME[name]
    st.caption(spec.about if show else f"**{escape(spec.title)}** · {spec.about}")
    if name == "csv":
        return _csv(state)
    options = _fields(list(spec.options), state, f"{name}.", show)
    return _loaded(DataRef(name, options), None)


def listed(name: str) -> str:
    """A data set in the list, by its application: typing either finds it."""
    spec = BY_NAME[name]
    return spec.title if name == "csv" else f"{spec.group} · {spec.title}"


def _csv(state: dict[str, Any]) -> Choice:
    label = "A CSV file with one header line, at most 50 MB"
    st.file_uploader(label, type=["csv", "tsv", "txt"], key="csv", on_change=_uploaded)
    nothing = Choice(TrainConfig(DataRef("csv")), None)
    if problem := st.session_state.get("csv.problem"):
        tell(problem)
    table: Upload | None = st.session_state.get("csv.upload")
    if table is None:
        st.info("Choose a file. It stays on this machine.", icon=":material/upload_file:")
        return nothing
    if st.session_state.csv is None:  # back from another page, where the uploader forgot it
        st.button(f"Remove {escape(st.session_state['csv.name'])}", on_click=_removed, icon=":material/close:")
    options = {p.name: state.get(f"csv.{p.name}", p.default) for p in BY_NAME["csv"].options}
    try:
        report = _patiently(lambda tick: table.report(options, int(state.get("seed", 0)), tick))
    except Refused as refused:
        for problem in refused.diagnostics:
            tell(problem)
        return nothing
    with st.expander(f"{report.rows:,} rows, {len(report.columns)} columns"):
        st.dataframe(pd.DataFrame([vars(c) for c in report.columns]).astype(str), hide_index=True)
    wanted = state.get("csv.target")
    first = report.targets.index(wanted if wanted in report.targets else report.target)
    target = state["csv.target"] = st.selectbox("Column to predict", report.targets, index=first, key="set.csv.target")
    options = _fields(list(BY_NAME["csv"].options), state, prefix="csv.")
    return _loaded(DataRef("csv", {"target": target, **options}), table)


def _uploaded() -> None:
    """Keeps a chosen file on disk; one removed with × is used no more."""
    file = st.session_state.csv
    if not (file is None or isinstance(file, UploadedFile)):
        return  # the one kept before, whose bytes the server no longer has
    _removed()
    if file is None:
        return
    try:
        st.session_state["csv.upload"] = Upload(home(), keep(file.getvalue(), home()))
        st.session_state["csv.name"] = file.name
    except Refused as refused:
        st.session_state["csv.problem"] = refused.diagnostics[0]
    _let_go(file)


def _removed() -> None:
    for name in ("csv.upload", "csv.name", "csv.problem", "csv.data", "set.csv.target"):
        st.session_state.pop(name, None)


def _let_go(file: UploadedFile) -> None:
    """Frees the memory of a file that is on disk: Streamlit would hold 50 MB for as long as the session lasts."""
    context = get_script_run_ctx()
    if context and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
    file.truncate(0)


def _patiently(make: Callable[[Callable[[Import], None]], T]) -> T:
    """``make(tick)`` with a sign of life. At each tick Streamlit may end this run for a newer one, or another page."""
    place = st.empty()

    def tick(running: Import) -> None:
        place.caption("Other tables are read first." if running.waiting else "It is read by a process of its own.")

    with st.spinner("Reading your table", show_time=True):
        found = make(tick)
    place.empty()
    return found


def _once(name: str, mark: object, make: Callable[[], Any]) -> Any:
    """``make()``, kept in the session under ``name`` while ``mark`` stays the same: a rerun must not redo it."""
    kept = st.session_state.get(name)
    if kept is None or kept[0] != mark:
        st.session_state[name] = kept = (mark, make())
    return kept[1]


def _loaded(ref: DataRef, table: Upload | None) -> Choice:
    """Loads what ``ref`` names (a table once per file and target) and shows a preview."""
    seed = int(_state().get("seed", 0))
    config = TrainConfig(ref)
    try:
        data = _imported(table, ref, seed) if table else load(ref, seed)
        csv = table.file if table else None
    except Refused as refused:
        for problem in refused.diagnostics:
            tell(problem)
        return Choice(config, None)
    st.caption(f"In: {escape(gives(data))}  \nOut: {escape(asks(data))}")
    with st.popover("Look at the data", icon=":material/visibility:", width="stretch"):
        st.markdown(
            f"**{escape(BY_NAME[ref.name].title)}** · {len(data.x_train):,} to train, {len(data.x_val):,} to validate"
        )
        draw(preview(data))
        st.caption(escape(BY_NAME[ref.name].source))
    return Choice(config, data, csv)


def _imported(table: Upload, ref: DataRef, seed: int) -> Dataset:
    mark = (table.sha, tuple(ref.options.items()), seed)
    make = partial(_patiently, lambda tick: table.dataset(ref.options, seed, tick))
    return cast(Dataset, _once("csv.data", mark, make))
