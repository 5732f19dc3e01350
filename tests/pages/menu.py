"""What the tests of the Design page share: taking a template from the menu."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def use(test: AppTest, title: str) -> AppTest:
    """Opens the menu and presses the button of the template."""
    for label in ("Templates", title):
        next(b for b in test.button if b.label == label).click().run()
    return test
