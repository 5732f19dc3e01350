"""What one browser session works on: its document and settings, kept on disk under the id in the URL.

One tab at a time leads and writes (engine/lease.py); the others look on, and see what the leading one draws.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Callable
from typing import TypeVar, cast

import streamlit as st

from builder import templates
from builder.diagnostic import Diagnostic, Refused
from builder.graph import Graph
from builder.history import History
from engine.config import DataRef, TrainConfig
from engine.home import home
from engine.lease import Holder, Lease
from engine.nets import NET_ID, NetFolder
from pages import settings
from pages.canvas import Doc
from pages.tab import active, this_tab

FIRST = "spiral_mlp"
KEPT = "Drawn in a tab that had lost the lead"
STAYS = 30.0  # s that a message is shown
T = TypeVar("T")


def net_id() -> str:
    """The id of this session's document: from the URL, else from this session, else new."""
    asked = st.query_params.get("net", "")
    if NET_ID.fullmatch(asked) and asked != st.session_state.get("net"):
        _leave()
        st.session_state.net = asked
    if "net" not in st.session_state:
        st.session_state.net = secrets.token_urlsafe(9)
    return str(st.session_state.net)


def folder() -> NetFolder:
    return NetFolder(home(), net_id())


def doc() -> Doc:
    """The session's document, from disk after a reload, else a first small network."""
    if st.query_params.get("net") != net_id():
        st.query_params["net"] = net_id()
    if "doc" not in st.session_state:
        graph = _try(folder().read)
        _adopt(graph or templates.load(FIRST))
        if config := _try(folder().read_config):
            settings.choose(config)
        st.session_state.config = settings.chosen(doc().graph)
        look()
    return cast(Doc, st.session_state.doc)


def begin(graph: Graph, config: TrainConfig) -> None:
    """A network from elsewhere becomes this session's, under a new address: what was drawn before stays at its own."""
    _leave()
    st.session_state.net = st.query_params["net"] = secrets.token_urlsafe(9)
    _adopt(graph)
    settings.choose(config)
    st.session_state.saved = st.session_state.config = None
    save()


def _adopt(graph: Graph) -> None:
    st.session_state.doc = Doc()
    st.session_state.doc.load(graph)
    st.session_state.saved = graph
    st.session_state.loads = _try(lambda: folder().read_history(graph)) or History(graph)
    st.session_state.disk = folder().state()


def _leave() -> None:
    """Gives up the lead of the network at hand, and its settings, for one with another address."""
    if "doc" in st.session_state:
        old = NetFolder(home(), st.session_state.net)
        if old.begun:
            _try(Lease(old.folder, this_tab(), active).release)
        settings.choose(TrainConfig(DataRef(settings.FIRST), knobs=dict(settings.WATCHABLE)))
    for name in ("doc", "loads", "holder", "led", "net"):
        st.session_state.pop(name, None)


# ---- the whole document replaced, and brought back


def replace(graph: Graph) -> None:
    """Puts ``graph`` in the place of the whole document; undo_replace() brings the old one back."""
    st.session_state.pop("problems", None)  # of the file before, which was no good
    _load(_loads().push(graph))


def can_undo_replace() -> bool:
    return leading() and _loads().can_undo


def can_redo_replace() -> bool:
    return leading() and _loads().can_redo


def undo_replace() -> None:
    _load(_loads().undo())


def redo_replace() -> None:
    _load(_loads().redo())


def _loads() -> History[Graph]:
    """The documents before and after this one, which is in it as drawn by now."""
    return dataclasses.replace(cast("History[Graph]", st.session_state.loads), present=doc().graph)


def _load(history: History[Graph]) -> None:
    st.session_state.loads = history
    doc().load(history.present)
    if leading():
        _try(lambda: folder().write_history(history))


# ---- who leads


def lease() -> Lease:
    return Lease(folder().folder, this_tab(), active)


def holder() -> Holder | None:
    """Who leads, when it is another tab."""
    return cast("Holder | None", st.session_state.get("holder"))


def leading() -> bool:
    return holder() is None


def has_led() -> bool:
    """Whether this tab had the lead at some time."""
    return bool(st.session_state.get("led"))


def look() -> bool:
    """Looks who leads, and what is drawn there; True where that changes what this tab shows."""
    before = holder()
    if folder().begun:
        _note(_try(lease().claim))
    if leading():
        if before is not None:
            follow()
        return before is not None
    return before is None or st.session_state.disk != folder().state()


def take_over() -> None:
    """This tab leads from now on, with what the other one drew."""
    _note(_try(lease().take))
    follow()


def follow() -> None:
    """Shows what is on disk. What was drawn here and is not there is kept as a version, and told."""
    graph = doc().graph
    if graph != st.session_state.saved:
        version = _try(lambda: folder().keep(KEPT, graph))
        if version:
            what = "What you drew here after another tab took over is not in the network."
            cure = f"It is kept under Versions as “{KEPT}”."
            tell_later(Diagnostic("lead/kept", what, cure, severity="warning"))
    st.session_state.disk = folder().state()
    now = _try(folder().read)
    if now is not None and now != doc().graph:
        doc().load(now)
    st.session_state.saved = present = doc().graph
    st.session_state.loads = _try(lambda: folder().read_history(present)) or History(present)
    if config := _try(folder().read_config):
        settings.choose(config)
        st.session_state.config = config


def _note(found: Holder | None) -> None:
    """Remembers who leads. Where the disk cannot say, this tab goes on: nothing can be overwritten there either."""
    mine = found is None or lease().leads(found)
    st.session_state.holder = None if mine else found
    st.session_state.led = mine or st.session_state.get("led", False)


# ---- the disk


def save() -> None:
    """Writes what changed, if this tab leads, so that a reload, a crash or a second tab finds it."""
    graph, config = doc().graph, settings.chosen(doc().graph)
    changed = graph != st.session_state.saved, config != st.session_state.config
    if any(changed):
        _try(lambda: _save(graph if changed[0] else None, config if changed[1] else None))
    if st.session_state.disk != folder().state() or (changed[0] and not leading()):
        follow()
        st.rerun()


def _save(graph: Graph | None, config: TrainConfig | None) -> None:
    with lease().held() as found:
        _note(found)
        if not leading() or st.session_state.disk != folder().state():
            return  # another tab leads, or led while this one slept
        if graph is not None:
            folder().write(graph)
            st.session_state.saved, st.session_state.disk = graph, folder().state()
        if config is not None:
            folder().write_config(config)
            st.session_state.config = config


def tell_later(*problems: Diagnostic) -> None:
    """Has the page say ``problems``, for a while: a page is drawn again at any time, and must not wipe them away."""
    told = st.session_state.setdefault("problems", [])
    told += [(p, time.monotonic()) for p in problems if p not in [q for q, _ in told]]


def told() -> list[Diagnostic]:
    """What there is to say now."""
    now = time.monotonic()
    recent = [(p, since) for p, since in st.session_state.get("problems", []) if now - since < STAYS]
    st.session_state.problems = recent
    return [p for p, _ in recent]


def _try(act: Callable[[], T]) -> T | None:
    """What ``act`` gives, or None after noting why the disk refused."""
    try:
        return act()
    except Refused as refused:
        tell_later(*refused.diagnostics[:3])
        return None
