"""Controls that a link can hide, for a class: ``?hide=templates,optimizer`` (after TensorFlow Playground's flags)."""

from __future__ import annotations

import streamlit as st

from builder.diagnostic import Diagnostic, suggest
from builder.params import shown
from engine.config import SETTINGS
from engine.knobs import KNOBS

PAGES: dict[str, str] = {
    "templates": "Templates",
    "open": "Open a file",
    "save": "Save to a file",
    "versions": "Versions",
    "share": "Share",
    "picture": "Picture",
    "palette": "List of layers beside the canvas",
    "inspector": "Layer settings beside the canvas",
    "preview": "Preview on a real batch",
    "costs": "What the layers cost",
    "source": "PyTorch source",
    "export": "Take it away",
    "time": "Look back in a run and go on from there",
    "breakpoints": "Breakpoints",
    "repeat": "Repeat and compare",
    "data": "Data set",
    "runs": "List of runs",
    "copies": "Several copies at once",
}
# Every name that ``hide`` knows, and its title: parts of the pages, then each setting and each knob of a training.
PARTS: dict[str, str] = PAGES | {p.name: p.title for p in (*SETTINGS, *KNOBS)}
MOST = 2_000  # characters


def hidden(name: str) -> bool:
    return name in _names()


def hidden_names() -> tuple[str, ...]:
    """What is hidden, in the order of PARTS."""
    return tuple(name for name in PARTS if hidden(name))


def keep_in_address() -> None:
    """Streamlit drops the address's flags when the page changes; a reload must find them again."""
    if names := hidden_names():
        st.query_params["hide"] = ",".join(names)


def problems(text: str) -> list[Diagnostic]:
    """What ``text`` would hide and cannot."""
    return [
        Diagnostic(
            "hide/unknown", f"There is no control {shown(name)} to hide.", suggest(name, PARTS), severity="warning"
        )
        for name in _split(text)
        if name not in PARTS
    ][:3]


def _names() -> frozenset[str]:
    """What the address said when the session began."""
    if "hide" not in st.session_state:
        st.session_state.hide = frozenset(_split(st.query_params.get("hide", "")))
    return frozenset(st.session_state.hide)


def _split(text: str) -> list[str]:
    return [name for piece in text[:MOST].split(",") if (name := piece.strip())]
