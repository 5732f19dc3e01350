"""Preview while editing: pictures and gradients in the nodes, and the verdict beside the canvas."""

from pages.probe.panel import probe_panel

__all__ = ["probe_panel"]
