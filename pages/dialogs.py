"""One dialog at a time, which stays until it is closed.

Streamlit closes a dialog as soon as the page is drawn again without it: by a heartbeat, by what the canvas tells when
it has loaded, by anything. So what is open is remembered here, and drawn with the page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from pages import session

OPEN = "dialog.open"


@dataclass(frozen=True)
class Dialog:
    """``body`` draws it; one that ``edits`` the network is for the tab that leads."""

    body: Callable[..., None]
    title: str
    icon: str
    width: Literal["small", "medium", "large"] = "small"
    edits: bool = False


def ask(dialog: Dialog, *args: Any) -> None:
    """Opens ``dialog`` with the next drawing of the page, in place of any other: a callback cannot open one."""
    st.session_state[OPEN] = dialog, args, session.net_id()


def close() -> None:
    """With the next drawing of the page: call ``st.rerun()`` where none follows by itself."""
    st.session_state.pop(OPEN, None)


def show() -> None:
    """Draws the dialog that is open, if any."""
    if OPEN not in st.session_state:
        return
    dialog, args, net = st.session_state[OPEN]
    if net != session.net_id() or (dialog.edits and not session.leading()):
        close()
    else:
        st.dialog(dialog.title, width=dialog.width, icon=dialog.icon, on_dismiss=close)(dialog.body)(*args)
