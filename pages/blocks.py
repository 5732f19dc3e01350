"""The settings of a built-in block, asked before it is drawn."""

from __future__ import annotations

import streamlit as st

from builder.diagnostic import Refused
from builder.infer import infer
from pages.canvas import Doc, Insertion
from pages.canvas.blocks import insert
from pages.forms import escape, param_input, tell

ASKED = "block.asked"


def ask(wanted: Insertion) -> None:
    """Remembers what is to be inserted until the page is drawn: a callback cannot open a dialog."""
    st.session_state[ASKED] = wanted


def insertion(doc: Doc) -> None:
    """Opens the dialog if a block is wanted."""
    wanted: Insertion | None = st.session_state.pop(ASKED, None)
    if wanted:
        for key in [k for k in st.session_state if str(k).startswith("block.set.")]:
            del st.session_state[key]  # of another block, or of what came before
        st.dialog(wanted.spec.title, icon=":material/dashboard_customize:")(_form)(doc, wanted)


def _form(doc: Doc, wanted: Insertion) -> None:
    spec = wanted.spec
    st.write(spec.help)
    given = wanted.given(infer(doc.graph))
    start = spec.complete(spec.suit(given) if given else {})
    if given:
        st.caption(f"{escape(wanted.feeder or '')} gives {given}; the settings suit that.")
    with st.form("block.form", border=False):
        params = {p.name: param_input(p, start[p.name], f"block.set.{p.name}") for p in spec.params}
        if st.form_submit_button("Insert", type="primary", icon=":material/add:"):
            problems = [d for p in spec.params if (d := p.check(params[p.name]))]
            try:
                if not problems:
                    insert(doc, wanted, params)
                    st.rerun()
            except Refused as refused:
                problems = list(refused.diagnostics[:1])
            for problem in problems:
                tell(problem)
    with st.expander("What it does"):
        st.code(spec.formula, language=None, wrap_lines=True)
        st.caption(escape(spec.source))
