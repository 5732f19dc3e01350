"""Navigation: the pages and their order, and the frame around them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages import dialogs, hide, session, share

ASSETS = Path(__file__).parent / "assets"
# Streamlit leaves a hand's breadth of white above and beside a wide page; charts and canvas need it more.
FRAME = """<style>
.stMainBlockContainer { padding: 4.25rem 1.5rem 2rem; }
@media (max-width: 640px) { .stMainBlockContainer { padding: 4.25rem .75rem 2rem; } }
</style>"""

st.set_page_config(page_title="Layerloom", page_icon=ASSETS / "icon.svg", layout="wide")
st.logo(ASSETS / "logo.svg", size="large")
st.html(FRAME)
share.arrive()
pages = [
    st.Page("design.py", title="Design", icon=":material/draw:", url_path="design", default=True),
    st.Page("train.py", title="Train", icon=":material/monitoring:", url_path="train"),
    st.Page("runs.py", title="Runs", icon=":material/list:", url_path="runs"),
]
page = st.navigation([p for p in pages if not hide.hidden(p.url_path)], position="top")
st.query_params["net"] = session.net_id()  # changing the page drops it, and a reload must find the drawing again
hide.keep_in_address()
if page.title != "Design":
    dialogs.close()  # the browser's Back left it open
page.run()
