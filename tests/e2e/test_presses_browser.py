"""A press has its effect while other parts of the page have something to tell."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.e2e.browser import serve

SCRIPT = """
import streamlit as st
from pages import reruns

reruns.install()
# Tells something within the very tick of every press, and before it.
talker = st.components.v2.component("talker", js='''
export default function ({ setTriggerValue }) {
  const tell = () => setTriggerValue("told", 1);
  document.addEventListener("click", tell, true);
  return () => document.removeEventListener("click", tell, true);
}
''')

@st.fragment
def chart():
    talker(key="talker", on_told_change=lambda: None)

@st.fragment
def bar():
    count = st.session_state.get("count", 0) + st.button("Step")
    st.session_state.count = count
    st.write(f"Steps: {count}")

chart()
bar()
"""


def test_a_press_counts_when_another_part_tells_something_in_the_same_tick(browser: Browser, tmp_path: Path) -> None:
    script = tmp_path / "parts.py"
    script.write_text(SCRIPT)
    with serve(script, tmp_path / "home") as (address, _server):
        page = browser.new_page()
        page.goto(address)
        for count in (1, 2, 3):
            page.get_by_role("button", name="Step").click()
            expect(page.get_by_text(f"Steps: {count}")).to_be_visible()
        page.close()
