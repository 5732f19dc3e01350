"""A page with nothing but the live panel, fed by FakeTraining: ``streamlit run tests/e2e/apps/live_app.py``."""

from __future__ import annotations

import streamlit as st

from engine.home import home
from pages.live import routes
from tests.e2e.apps.fake_training import FakeTraining

TRAINING = FakeTraining(home(), depth=12)
routes.default_executor = lambda: TRAINING  # type: ignore[assignment]
routes.WATCHES = routes.Watches(lambda: TRAINING)  # type: ignore[arg-type]
app = st.App("live_page.py", routes=routes.ROUTES)
