"""Going from page to page, whatever else the browser is sending."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect
from streamlit.proto.BackMsg_pb2 import BackMsg


class Echo:
    """Between the browser and the server: repeats the page's own heartbeat right behind ``behind(message)``, as a timer
    may that runs out in that moment."""

    def __init__(self, page: Page) -> None:
        self.beat: str | bytes | None = None
        self.armed = self.sent = False
        page.route_web_socket("**/_stcore/stream", self.route)

    def route(self, browser: WebSocketRoute) -> None:
        server = browser.connect_to_server()

        def on(message: str | bytes) -> None:
            server.send(message)
            asked = BackMsg.FromString(message if isinstance(message, bytes) else message.encode()).rerun_script
            if asked.is_auto_rerun:
                self.beat = message
            elif self.armed and self.beat and not self.sent:
                server.send(self.beat)
                self.sent = True

        browser.on_message(on)


@pytest.mark.parametrize("way", ["button", "link"])
def test_a_page_is_drawn_though_the_page_before_asked_once_more(page: Page, address: str, way: str) -> None:
    echo = Echo(page)
    page.goto(address)
    expect(page.locator('.react-flow__node[data-id="linear_1"]')).to_be_visible()
    for _ in range(100):
        page.wait_for_timeout(100)
        if echo.beat:
            break
    echo.armed = True
    if way == "button":
        page.get_by_role("button", name="Train this network").click()
    else:
        page.get_by_role("link", name="Train").click()
    expect(page.get_by_role("spinbutton", name="L2 penalty, exact")).to_be_visible()
    page.wait_for_timeout(1500)  # what came behind has been answered by then
    assert echo.sent
    expect(page.get_by_role("spinbutton", name="L2 penalty, exact")).to_be_visible(timeout=1000)
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_enabled(timeout=1000)


def test_charts_have_their_names_before_they_come_on_screen(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 300})
    page.goto(f"{address}/train")
    for name in ("Loss", "Gradient size per layer", "Activations now, layer by layer"):
        expect(page.get_by_role("region", name=name, exact=True)).to_be_attached()
