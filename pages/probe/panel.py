"""Beside the canvas: will the gradient vanish? Measured on the first batch of the run that Train would start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from builder.diagnostic import Fix
from builder.graph import Graph
from builder.infer import infer
from engine.config import TrainConfig
from engine.data import BY_NAME
from engine.data.upload import Upload
from engine.probing import Answer, default_prober
from engine.verdict import Verdict, verdict
from pages.canvas import Doc
from pages.canvas.paths import walk
from pages.forms import escape, tell
from pages.probe.chart import chart
from pages.probe.component import fetch
from pages.probe.looks import looks

HELP = (
    "After each edit, one batch of the chosen data runs through the network and its gradient back, with the seed and "
    "settings of the Train page: what you see is the first step of that run. Nothing is trained."
)


@st.fragment
def probe_panel(doc: Doc | None, graph: Graph, config: TrainConfig, feed: str) -> None:
    """A switch, and while it is on the verdict on ``graph`` as ``config`` would train it. Pictures and colours go to
    the canvas that follows ``feed``. Never waits: the answer comes in a rerun of this fragment alone. ``doc`` is
    where a cure is applied; without one none is offered."""
    if st.session_state.pop("probe.cured", False):
        st.rerun()  # the canvas stands in another fragment, and must hear of the cure
    on = st.toggle("Preview on a real batch", value=st.session_state.get("probe", True), key="probe.on", help=HELP)
    st.session_state.probe = on  # a widget's own value is lost with its page
    whole = infer(graph).ok
    ticket = _ask(graph, config, feed) if on and whole else None
    if ticket is not None:
        answer = default_prober().answer(feed)
        _show(doc, graph, config, answer, ticket)
        if answer and doc:
            chosen = ((flat, node) for path, flat, node in walk(graph) if path in doc.selected)
            looks(answer.looks, {flat: node.label or node.id for flat, node in chosen})
    elif on:
        st.caption("The preview appears once the network is whole.")
    else:
        default_prober().forget(feed)
        _forget()
    fetch(feed, ticket, key="probe.fetch")


def _ask(graph: Graph, config: TrainConfig, feed: str) -> int:
    """The number of the ask for this network and these settings, which is asked once."""
    table: Upload | None = st.session_state.get("csv.upload") if config.data.name == "csv" else None
    mark = (_bare(graph), config, feed, table)
    asked: tuple[Any, int] | None = st.session_state.get("probe.asked")
    if asked is None or asked[0] != mark or not default_prober().knows(feed):
        st.session_state["probe.asked"] = asked = (
            mark,
            default_prober().ask(feed, graph, config, table.folder if table else None),
        )
    return asked[1]


def _bare(graph: Graph) -> Graph:
    """``graph`` without what a preview does not depend on."""
    return replace(graph, nodes=tuple(replace(n, label="", position=(0.0, 0.0)) for n in graph.nodes))


def _forget() -> None:
    for name in ("probe.asked", "probe.verdict"):
        st.session_state.pop(name, None)


def _show(doc: Doc | None, graph: Graph, config: TrainConfig, answer: Answer | None, ticket: int) -> None:
    """What was found; until it is, what was found before the edit, without its cure."""
    title, due = escape(BY_NAME[config.data.name].title), answer is None or answer.ticket < ticket
    if answer and not due:
        if answer.problem:
            st.session_state.pop("probe.verdict", None)
            st.caption(f"No preview on {title}:")
            return tell(replace(answer.problem, severity="warning"))
        where = f"{title}, first batch: loss {answer.loss:.4g}."
        st.session_state["probe.verdict"] = (verdict(graph, answer), where)
    found: Verdict | None
    found, where = st.session_state.get("probe.verdict", (None, ""))
    if found is None:
        st.caption(f"Running one batch of {title} through the network …")
        return None
    words, picture = st.columns([1, 1.4])
    with words:
        _say(None if due else doc, found, where)
    with picture:
        if len(found.layers) > 1:
            labels = {n.id: n.label or n.id for n in graph.nodes}
            st.plotly_chart(chart(found, labels), key="probe.chart", config={"displayModeBar": False})
    return None


def _say(doc: Doc | None, found: Verdict, where: str) -> None:
    problem = found.problem
    if problem is None:
        st.success(escape(found.summary), icon=":material/check_circle:")
    else:
        tell(problem)
        if problem.fix and doc:
            args = (doc, problem.fix)
            st.button(problem.fix.label, key="probe.fix", on_click=_cure, args=args, icon=":material/build:")
    st.caption(f"{where} {escape(found.theory)}")


def _cure(doc: Doc, fix: Fix) -> None:
    doc.command(fix.edits)
    st.session_state["probe.cured"] = True
