"""The page of live_app.py."""

from __future__ import annotations

import streamlit as st

from engine.config import DataRef, TrainConfig
from engine.executor import default_executor
from engine.home import home
from engine.store import RunFolder
from pages.live import live_panel
from tests.e2e.apps.fake_training import network

DEPTH = 12
st.set_page_config(layout="wide")


def train() -> None:
    config = TrainConfig(DataRef("spiral"), steps=10_000_000, knobs={"lr": 0.001})
    run = RunFolder.create(home(), network(DEPTH), config, title="benchmark")
    default_executor().start(run)
    st.query_params["run"] = run.id


st.button("Train", on_click=train)
live_panel(st.query_params.get("run"), key="live")
