"""A press has its effect while other parts of the page have something to tell."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.e2e.browser import serve

SCRIPT = '''
import streamlit as st
from pages import reruns

reruns.install()
# Tells something within the very tick of every press, and before it.
talker = st.components.v2.component("talker", js="""
export default function ({ setTriggerValue }) {
  const tell = () => setTriggerValue("told", 1);
  document.addEventListener("click", tell, true);
  return () => document.removeEventListener("click", tell, true);
}
""")

keeper = st.components.v2.component("keeper", js="""
export default function ({ setStateValue }) {
  setStateValue("drawing", { nodes: [1, 2.5], name: "ü" });
}
""")

def count(name):
    st.session_state[name] = st.session_state.get(name, 0) + 1
    st.write(f"{name}: {st.session_state[name]}")

@st.fragment
def chart():
    talker(key="talker", on_told_change=lambda: None)

@st.fragment
def bar():
    st.session_state.steps = st.session_state.get("steps", 0) + st.button("Step")
    st.write(f"Steps: {st.session_state.steps}")
    st.number_input("Seed", 0, 10, 3)
    st.slider("Rate", 0.0, 1.0, 0.1)
    st.toggle("Preview", value=True)
    st.write(keeper(key="keeper", on_drawing_change=lambda: None).drawing)

@st.fragment(run_every=0.4)
def beat():
    count("Beats")

count("Pages")
chart()
bar()
beat()
'''


def test_a_press_counts_when_another_part_tells_something_and_no_clock_draws_the_page(
    browser: Browser, tmp_path: Path
) -> None:
    script = tmp_path / "parts.py"
    script.write_text(SCRIPT)
    with serve(script, tmp_path / "home") as (address, _server):
        page = browser.new_page()
        page.goto(address)
        page.get_by_role("spinbutton", name="Seed").fill("5")
        page.get_by_role("spinbutton", name="Seed").press("Enter")
        beats = re.compile(r"Beats: ([2-9]\d|\d{3})")
        expect(page.get_by_text(beats)).to_be_visible()
        assert page.get_by_text(re.compile("Pages: [12]$")).count(), page.get_by_text("Pages: ").text_content()
        for count in (1, 2, 3):
            page.get_by_role("button", name="Step").click()
            expect(page.get_by_text(f"Steps: {count}")).to_be_visible()
        page.close()
