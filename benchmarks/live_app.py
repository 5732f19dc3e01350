"""The app that live_latency.py drives: a page with the live panel; Train starts a real run of 12 layers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st

from engine.executor import default_executor
from pages.live.routes import ROUTES


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[dict[str, Any]]:
    executor = default_executor()
    executor.prewarm()
    yield {}
    executor.close()


app = st.App("live_page.py", routes=ROUTES, lifespan=lifespan)
