"""Live charts, knobs and buttons of a run, and the routes that feed them."""

from pages.live.component import live_panel

__all__ = ["live_panel"]
