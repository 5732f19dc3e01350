"""What one browser session works on: its document, kept on disk under the id in the URL."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import cast

import streamlit as st

from builder import document, templates
from builder.diagnostic import Refused
from builder.graph import Graph
from builder.history import History
from engine.home import home
from pages.canvas import Doc

FIRST = "spiral_mlp"
NET_ID = re.compile(r"[A-Za-z0-9_-]{8,32}")


def net_id() -> str:
    """The id of this session's document: from the URL, else from this session, else new."""
    asked = st.query_params.get("net", "")
    if NET_ID.fullmatch(asked) and asked != st.session_state.get("net"):
        st.session_state.pop("doc", None)
        st.session_state.net = asked
    if "net" not in st.session_state:
        st.session_state.net = secrets.token_urlsafe(9)
    return str(st.session_state.net)


def doc() -> Doc:
    """The session's document, from disk after a reload, else a first small network."""
    name = net_id()
    if "doc" not in st.session_state:
        graph = _read(_path(name)) or templates.load(FIRST)
        st.session_state.doc = Doc()
        st.session_state.doc.load(graph)
        st.session_state.loads = History(graph)
        st.session_state.saved = graph
    return cast(Doc, st.session_state.doc)


def replace(graph: Graph) -> None:
    """Puts ``graph`` in the place of the whole document; undo_replace() brings the old one back."""
    st.session_state.loads = st.session_state.loads.push(doc().graph).push(graph)
    doc().load(graph)


def can_undo_replace() -> bool:
    return "loads" in st.session_state and bool(st.session_state.loads.can_undo)


def undo_replace() -> None:
    st.session_state.loads = st.session_state.loads.undo()
    doc().load(st.session_state.loads.present)


def save() -> None:
    """Writes the document if it changed, so that a reload, a crash or a second tab finds it."""
    graph = doc().graph
    if graph != st.session_state.saved:
        path = _path(net_id())
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".new")
        beside.write_text(document.dumps(graph), encoding="utf-8")
        beside.replace(path)
        st.session_state.saved = graph


def _path(name: str) -> Path:
    return home() / "nets" / f"{name}.json"


def _read(path: Path) -> Graph | None:
    try:
        return document.loads(path.read_bytes())
    except (OSError, Refused):
        return None
