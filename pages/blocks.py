"""The settings of a built-in block, asked before it is drawn."""

from __future__ import annotations

import streamlit as st

from builder.diagnostic import Diagnostic, Refused
from builder.infer import infer
from builder.suggest import takes
from pages import dialogs, session
from pages.canvas import Insertion
from pages.canvas.blocks import insert
from pages.dialogs import Dialog
from pages.forms import escape, param_input, tell

FIELD = "block.set."


def ask(wanted: Insertion) -> None:
    """Asks for the settings of the block that is wanted, in a dialog."""
    dialogs.ask(Dialog(_form, wanted.spec.title, ":material/dashboard_customize:", edits=True), wanted)
    for key in [k for k in st.session_state if str(k).startswith(FIELD)]:
        del st.session_state[key]  # of another block, or of what came before


def _form(wanted: Insertion) -> None:
    doc, spec = session.doc(), wanted.spec
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
                    dialogs.close()
                    st.rerun()
            except Refused as refused:
                problems = list(refused.diagnostics[:1])
            for problem in problems:
                tell(problem)
    with st.expander("What it does"):
        st.code(spec.formula, language=None, wrap_lines=True)
        st.caption(escape(spec.source))
