"""The settings of a built-in block, asked before it is drawn."""

from __future__ import annotations

import streamlit as st

from builder.diagnostic import Diagnostic, Refused
from builder.infer import infer
from builder.suggest import takes
from pages.canvas import Doc, Insertion
from pages.canvas.blocks import insert
from pages.forms import escape, param_input, tell

ASKED, FIELD = "block.asked", "block.set."


def ask(wanted: Insertion) -> None:
    """Remembers what is to be inserted until it is, or the dialog is closed: a callback cannot open one."""
    st.session_state[ASKED] = wanted
    for key in [k for k in st.session_state if str(k).startswith(FIELD)]:
        del st.session_state[key]  # of another block, or of what came before


def insertion(doc: Doc) -> None:
    """Opens the dialog while a block is wanted; any redrawing of the page in between keeps it open."""
    wanted: Insertion | None = st.session_state.get(ASKED)
    if wanted:
        icon = ":material/dashboard_customize:"
        st.dialog(wanted.spec.title, icon=icon, on_dismiss=_forget)(_form)(doc, wanted)


def _forget() -> None:
    st.session_state.pop(ASKED, None)


def _form(doc: Doc, wanted: Insertion) -> None:
    spec = wanted.spec
    st.write(spec.help)
    given = wanted.given(infer(doc.graph))
    start = spec.complete(spec.suit(given) if given else {})
    if given and takes(spec, given):
        st.caption(f"{escape(wanted.feeder or '')} gives {given}; the settings suit that.")
    elif given:
        what = f"{wanted.feeder} gives {given}, which this block does not take."
        cure = "Insert it elsewhere, or put a layer between that changes the axes."
        tell(Diagnostic("block/misfit", what, cure, severity="warning"))
    with st.form("block.form", border=False):
        params = {p.name: param_input(p, start[p.name], FIELD + p.name) for p in spec.params}
        if st.form_submit_button("Insert", type="primary", icon=":material/add:"):
            problems = [d for p in spec.params if (d := p.check(params[p.name]))]
            try:
                if not problems:
                    insert(doc, wanted, params)
                    _forget()
                    st.rerun()
            except Refused as refused:
                problems = list(refused.diagnostics[:1])
            for problem in problems:
                tell(problem)
    with st.expander("What it does"):
        st.code(spec.formula, language=None, wrap_lines=True)
        st.caption(escape(spec.source))
