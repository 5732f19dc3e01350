"""The ASGI entry: the Streamlit pages, the live routes and the start-up of the runner. Nothing else."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from engine.executor import default_executor
from pages import reruns
from pages.browsers import Naming
from pages.forms import tell_bug
from pages.live.routes import ROUTES as LIVE
from pages.probe.routes import ROUTES as PREVIEW


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[dict[str, Any]]:
    executor = default_executor()
    executor.prewarm()  # torch is imported in the runner while the first page loads
    gc.collect()
    gc.freeze()  # collections after each rerun then skip the libraries: 60-130 ms less before every answer
    yield {}
    executor.close()


reruns.install()
app = st.App(
    "pages/main.py",
    routes=[*LIVE, *PREVIEW],
    lifespan=lifespan,
    middleware=[Middleware(Naming)],
    on_script_error=tell_bug,
)
