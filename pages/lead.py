"""What the pages say when another tab has the lead, and the button that takes it."""

from __future__ import annotations

import streamlit as st

from pages import session
from pages.forms import escape, tell
from pages.tab import clock

EVERY = 3.0  # s


def beat() -> None:
    """The heartbeat of this tab; draws the page again when another tab took over, drew something, or has gone.

    Each page calls it from a fragment of its own: of one that pages share, Streamlit would not know whose it is.
    """
    session.doc()
    if session.look():
        st.rerun()


def notices() -> None:
    """Whatever there is to say of links, files and the disk."""
    for problem in session.told():
        tell(problem)


def lead() -> None:
    """Says who leads, if it is another tab."""
    session.doc()
    if holder := session.holder():
        who, when = escape(holder.tab.who), clock(holder.since)
        if session.has_led():
            said, offer = f"Another tab ({who}) took over this network at {when}.", "Take it back"
        else:
            said, offer = f"This network is being edited in another tab ({who}, since {when}).", "Edit here instead"
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(
                f":material/lock: **{said}** Here it is shown as it is drawn there, and cannot be changed.",
                width="stretch",
            )
            st.button(
                offer,
                icon=":material/edit:",
                on_click=session.take_over,
                help="The other tab is told, and can take it back; nothing is lost.",
            )
