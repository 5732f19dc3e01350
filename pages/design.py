"""Design: draw the network, see what follows from it, take the PyTorch source away."""

from __future__ import annotations

import streamlit as st

from builder import document
from builder.diagnostic import Refused
from builder.infer import Inference, infer
from builder.source import source
from engine import share
from engine.cost import Costs
from pages import dialogs, session, settings
from pages.blocks import ask
from pages.canvas import Doc, canvas, fix_for, notes, sync
from pages.costs import badge, cost_panel, measured
from pages.export import take_away
from pages.forms import tell
from pages.hide import hidden
from pages.inspector import inspector
from pages.lead import EVERY, beat, lead, notices
from pages.picture import PICTURE
from pages.probe import probe_panel
from pages.share import SHARE
from pages.templates import MENU
from pages.versions import VERSIONS

KEY = "editor"
DIALOGS = (("versions", "Versions", VERSIONS), ("share", "Share", SHARE), ("picture", "Picture", PICTURE))


@st.fragment
def editor() -> None:
    lead()
    doc = sync(session.doc(), KEY)
    inference, config = infer(doc.graph), settings.chosen(doc.graph)
    costs = measured(inference, config)
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    messages = st.container()
    left, right = (st.container(), None) if hidden("inspector") else st.columns([4, 1.2])
    with left:  # first, so that the browser has the new shapes before the rest is built
        canvas(
            doc,
            key=KEY,
            notes=notes(inference, costs={id: badge(cost) for id, cost in costs.nodes.items()}),
            preview=None if hidden("preview") else session.net_id(),
            undo=session.net_id(),
            height=620,
            readonly=not session.leading(),
            palette=not hidden("palette"),
            on_fix=lambda node, code: fix(doc, inference, node, code),
            on_insert=ask,
        )
    session.save()  # before anything that could fail
    with bar:
        toolbar(doc)
    with messages:
        notices()
    if right:
        with right:
            (inspector if session.leading() else summary)(doc, inference, costs)
    if not hidden("preview"):
        with left:
            curable = doc if session.leading() else None
            probe_panel(curable, doc.graph, config, session.net_id())
    if not hidden("costs"):
        with left:
            cost_panel(inference, costs, config, doc.open)
    dialogs.show()
    if not hidden("source"):
        code(inference, doc)
    if not hidden("export"):
        take_away(doc.graph)


def summary(_doc: Doc, inference: Inference, _costs: Costs) -> None:
    """What a tab without the lead reads: nothing here changes the drawing."""
    st.markdown("##### The network")
    st.metric("Parameters", f"{inference.params:,}")
    for problem in inference.diagnostics:
        tell(problem)


def fix(doc: Doc, inference: Inference, node: str, code: str) -> None:
    if cure := fix_for(inference.diagnostics, node, code):
        doc.command(cure.edits)


def toolbar(doc: Doc) -> None:
    if session.leading():
        replacing(doc)
    if not hidden("save"):
        st.download_button(
            "Save",
            document.dumps(doc.graph),
            "network.json",
            "application/json",
            icon=":material/save:",
            on_click="ignore",
            help="Downloads the drawing as a file. It is also kept here, under this page's address.",
        )
    for part, label, dialog in DIALOGS:
        if not hidden(part):
            st.button(label, icon=dialog.icon, on_click=dialogs.ask, args=(dialog,))
    if session.can_undo_replace():
        st.button("Bring back the last network", icon=":material/undo:", on_click=session.undo_replace)
    if session.can_redo_replace():
        st.button("Forward again", icon=":material/redo:", on_click=session.redo_replace)
    if st.button("Train this network", type="primary", icon=":material/play_arrow:"):
        st.switch_page("train.py")


def replacing(doc: Doc) -> None:
    """What puts another network in the place of this one."""
    if not hidden("templates"):
        st.button("Templates", icon=MENU.icon, on_click=dialogs.ask, args=(MENU,))
    if not hidden("open"):
        with st.popover("Open", icon=":material/folder_open:", key=f"open.{doc.epoch}"):
            st.file_uploader("A network saved by Layerloom (.json)", type="json", key="open", on_change=open_file)


def open_file() -> None:
    upload = st.session_state.open
    if upload is not None:
        try:
            found = share.loads(upload.getvalue())
            session.replace(found.graph if isinstance(found, share.Shared) else found)
            if isinstance(found, share.Shared):
                settings.choose(found.config)
        except Refused as problem:
            session.tell_later(*problem.diagnostics[:5])


def code(inference: Inference, doc: Doc) -> None:
    with st.expander("PyTorch source of this drawing", icon=":material/code:"):
        if not inference.ok:
            st.info("The source appears here once the network is whole. The red layers say what is missing.")
            return
        text = source(doc.graph)
        st.download_button(
            "Download model.py", text, "model.py", "text/x-python", icon=":material/download:", on_click="ignore"
        )
        st.code(text, language="python", line_numbers=True)


@st.fragment(run_every=EVERY)
def watch() -> None:
    beat()


editor()
watch()
