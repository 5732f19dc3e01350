"""This browser tab: its identity, and what its pages say when another tab leads."""

from __future__ import annotations

import time
from typing import cast

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from engine.lease import Tab

BROWSERS = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


def this_tab() -> Tab:
    """One Tab per browser session; a reload is a new one, and the old one is gone by then."""
    if "tab" not in st.session_state:
        context = get_script_run_ctx()
        agent = st.context.headers.get("User-Agent", "")
        st.session_state.tab = Tab(context.session_id if context else "", who=browser(agent))
    return cast(Tab, st.session_state.tab)


def active(session: str) -> bool:
    """Whether a tab with that session is connected to this server."""
    return runtime.exists() and bool(runtime.get_instance().is_active_session(session))


def browser(agent: str) -> str:
    """What the browser says of itself, in short: Firefox on Windows."""
    name = next((title for sign, title in BROWSERS.items() if sign in agent), "a browser")
    system = next((title for sign, title in SYSTEMS.items() if sign in agent), "")
    return f"{name} on {system}" if system else name


def clock(when: float) -> str:
    """``when`` (s since 1970) as a person reads it: "14:05" today, "24 Nov 14:05" before."""
    at, today = time.localtime(when), time.localtime()
    same = at[:3] == today[:3]
    return time.strftime("%H:%M" if same else "%d %b %H:%M", at)
