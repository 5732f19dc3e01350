"""The page of live_app.py: Train starts a told run; the run in the URL is watched."""

from __future__ import annotations

import streamlit as st

from engine.config import DataRef
from engine.data import load, preview
from pages.live import live_panel, routes

st.set_page_config(layout="wide")


def train() -> None:
    st.query_params["run"] = routes.default_executor().create()  # type: ignore[attr-defined]


st.button("Train", on_click=train)
run = st.query_params.get("run")
points = [tuple(p) for p in preview(load(DataRef("spiral"))).points]
result = live_panel(run, key="live", points=points, knobs={"lr": 0.03})
st.caption(f"knobs: {result.knobs}, over: {result.over}")
