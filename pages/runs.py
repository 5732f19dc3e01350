"""Runs: every training on this machine, with its state; open one, or put it in the bin."""

from __future__ import annotations

import time

import streamlit as st

from builder.diagnostic import Refused
from engine.home import home
from engine.store import RunSummary, restore, runs, trash
from pages.browsers import is_mine
from pages.forms import escape, tell

ICONS = {
    "running": ":material/play_circle:",
    "paused": ":material/pause_circle:",
    "queued": ":material/hourglass_top:",
    "finished": ":material/check_circle:",
    "stopped": ":material/stop_circle:",
    "failed": ":material/error:",
    "interrupted": ":material/sync_problem:",
    "starting": ":material/hourglass_top:",
}
SHOWN = 50  # at first; a button shows as many again
METRICS = {"accuracy": "accuracy", "iou": "IoU", "r2": "R²"}


@st.fragment(run_every=2.0)
def listing() -> None:
    every = runs(home())
    mine = [run for run in every if is_mine(run.owner)]
    found = every if _all(len(mine), len(every)) else mine
    if problem := st.session_state.pop("runs.problem", None):
        tell(problem)
    if last := st.session_state.get("trashed"):
        st.button("Undo delete", icon=":material/undo:", on_click=bring_back, args=(last,))
    if not found:
        st.info("No runs yet. Draw a network on the Design page, then press Train.", icon=":material/info:")
    shown = st.session_state.setdefault("runs.shown", SHOWN)
    for run in found[:shown]:
        row(run)
    if len(found) > shown:
        st.button(f"Show older runs ({len(found) - shown})", on_click=show_more)


def _all(mine: int, every: int) -> bool:
    """Whether the runs of other browsers are listed too: not unless that is asked for, or there are no own ones."""
    if mine == every:
        return False
    labels = {"Yours": f"Yours ({mine})", "All": f"All on this machine ({every})"}
    shown = st.segmented_control(
        "Whose runs", list(labels), default="Yours" if mine else "All", format_func=labels.__getitem__, key="runs.whose"
    )
    return shown == "All"


def show_more() -> None:
    st.session_state["runs.shown"] += SHOWN


def row(run: RunSummary) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        title = f"{ICONS.get(run.state, '')} **{escape(run.title or run.dataset)}** · {run.state} · step {run.step:,}"
        when = time.strftime("%d %b %H:%M", time.localtime(run.created))
        st.markdown(f"{title}{figures(run)}  \n:small[{when} · {run.id}]", width="stretch")
        if st.button("Open", key=f"open.{run.id}", help=f"Watch run {run.id}"):
            st.session_state.run = run.id
            st.switch_page("train.py", query_params={"run": run.id})
        if is_mine(run.owner):
            delete(run, "Delete")
        else:
            with st.popover("Delete", icon=":material/delete:"):
                st.markdown("Another browser started this run.")
                delete(run, "Delete it all the same")


def delete(run: RunSummary, label: str) -> None:
    st.button(
        label,
        key=f"delete.{run.id}",
        on_click=put_away,
        args=(run.id,),
        icon=":material/delete:",
        disabled=run.state in ("running", "paused", "starting", "queued"),
        help="Can be undone.",
    )


def figures(run: RunSummary) -> str:
    point = run.point or {}
    loss, metric = point.get("val_loss"), point.get("val_metric")
    if loss is None:
        return ""
    name = METRICS.get(run.metric or "", "score")
    return f" · validation loss {loss:.4g}" + ("" if metric is None else f", {name} {metric:.3g}")


def put_away(run_id: str) -> None:
    try:
        trash(home(), run_id)
        st.session_state.trashed = run_id
    except Refused as refused:  # somebody else was quicker
        st.session_state["runs.problem"] = refused.diagnostics[0]


def bring_back(run_id: str) -> None:
    st.session_state.pop("trashed", None)
    try:
        restore(home(), run_id)
    except Refused as refused:
        st.session_state["runs.problem"] = refused.diagnostics[0]


st.title("Runs", anchor=False)
listing()
