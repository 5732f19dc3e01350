"""For every test: how hypothesis searches."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("layerloom", deadline=None, max_examples=60)  # a shared machine is slow at times
settings.load_profile("layerloom")
