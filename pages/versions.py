"""Versions: keep the drawing under a name, open or delete one, see what differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from builder.diagnostic import Refused
from builder.diff import Diff, diff, merged
from builder.graph import Edge, Graph
from builder.infer import infer
from builder.picture import svg
from engine.nets import MAX_NAME, Version
from pages import dialogs, session
from pages.dialogs import Dialog
from pages.forms import escape, tell
from pages.picture import look
from pages.tab import clock

NOW = "the drawing now"


def _versions() -> None:
    session.doc()
    _keep()
    found, unreadable = session.folder().versions()
    if unreadable:
        st.warning(f"{unreadable} kept files cannot be read. They are left as they are on the server.")
    if id := st.session_state.get("version.deleted"):
        st.button("Undo delete", icon=":material/undo:", on_click=_restore, args=(id,))
    if not found:
        st.caption("No versions yet. Keep one before you try something; it can be opened again at any time.")
        return
    old = st.selectbox("Version", found, format_func=_title, key="version.picked")
    _act(old)
    others: list[Version | str] = [NOW, *(v for v in found if v.id != old.id)]
    new = st.selectbox("Compared with", others, format_func=_title, key="version.other")
    compare(old.graph, new.graph if isinstance(new, Version) else session.doc().graph)


VERSIONS = Dialog(_versions, "Versions", ":material/history:", "large")


def _title(version: Version | str) -> str:
    return f"{version.name} · {clock(version.saved)}" if isinstance(version, Version) else version


def _keep() -> None:
    with st.form("version.keep", clear_on_submit=True, border=False):
        name = st.text_input("Keep the drawing as", max_chars=MAX_NAME, placeholder="for example: before the skip")
        if st.form_submit_button("Keep this version", icon=":material/bookmark_add:"):
            try:
                session.folder().keep(name, session.doc().graph)
            except Refused as refused:
                tell(refused.diagnostics[0])


def _act(version: Version) -> None:
    with st.container(horizontal=True):
        readonly = not session.leading()
        if st.button("Open this version", icon=":material/open_in_browser:", disabled=readonly, help="Can be undone."):
            session.replace(version.graph)
            dialogs.close()
            st.rerun()
        st.button("Delete", icon=":material/delete:", on_click=_delete, args=(version.id,), help="Can be undone.")


def _delete(id: str) -> None:
    try:
        session.folder().delete(id)
    except Refused as refused:
        session.tell_later(*refused.diagnostics)
    st.session_state["version.deleted"] = id


def _restore(id: str) -> None:
    try:
        session.folder().restore(id)
    except Refused as refused:
        session.tell_later(*refused.diagnostics)
    st.session_state.pop("version.deleted", None)


def compare(old: Graph, new: Graph) -> None:
    """What differs, as words and as a picture in which every mark is a word and a colour."""
    found = diff(old, new)
    if found.same:
        elsewhere = f" {found.moved} layers stand elsewhere." if found.moved else ""
        st.success(f"Both are the same network.{elsewhere}", icon=":material/check_circle:")
        return
    known = infer(new)  # a layer that is gone keeps the shape that it had
    known = replace(known, nodes={**infer(old).nodes, **known.nodes})
    picture = svg(merged(old, new), known, look(), found.node_marks(), found.edge_marks())
    st.image(picture, width="stretch")
    st.table(pd.DataFrame(rows(found, old, new)), hide_index=True)


def rows(found: Diff, old: Graph, new: Graph) -> list[dict[str, str]]:
    """One line per difference, as a person reads it."""
    lines = [("added", _name(n.label, n.id), n.type) for n in found.added]
    lines += [("removed", _name(n.label, n.id), n.type) for n in found.removed]
    lines += [
        ("changed", _name(c.node.label, c.node.id), f"{name}: {_value(before)} → {_value(after)}")
        for c in found.changed
        for name, before, after in c.what
    ]
    lines += [("connected", _wire(new, e), _port(e)) for e in found.connected]
    lines += [("disconnected", _wire(old, e), _port(e)) for e in found.disconnected]
    lines += [("note", "on the canvas", f"{_value(before)} → {_value(after)}") for before, after in found.noted]
    if found.moved:
        lines.append(("moved", f"{found.moved} layers", "only stand elsewhere"))
    return [{"What": what, "Where": escape(where), "Detail": escape(detail)} for what, where, detail in lines]


def _name(label: str, id: str) -> str:
    return f"{label} ({id})" if label else id


def _wire(graph: Graph, edge: Edge) -> str:
    ends = (graph.by_id.get(id) for id in (edge.source, edge.target))
    source, target = (_name(n.label, n.id) if n else "?" for n in ends)
    return f"{source} → {target}"


def _port(edge: Edge) -> str:
    return f"input {edge.port + 1}"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " × ".join(map(str, value))
    return "nothing" if value is None or value == "" else str(value)
