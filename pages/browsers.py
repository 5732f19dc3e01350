"""Which browser asks: a random name in a cookie, so that each sees its own runs first and a queue can be fair.

It is no password: who knows the address of a run may steer it. It keeps people from doing so by accident.
"""

from __future__ import annotations

import re
import secrets
from http.cookies import CookieError, SimpleCookie

import streamlit as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages import session

COOKIE = "layerloom_browser"
NAME = re.compile(r"[A-Za-z0-9_-]{16}")
YEAR = 365 * 24 * 3600  # seconds


class Naming:
    """ASGI middleware: gives a name to every browser that comes without one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or named(scope):
            return await self.app(scope, receive, send)

        async def naming(message: Message) -> None:
            if message["type"] == "http.response.start":
                text = f"{COOKIE}={secrets.token_urlsafe(12)}; Max-Age={YEAR}; Path=/; HttpOnly; SameSite=Lax"
                message = {**message, "headers": [*message.get("headers", ()), (b"set-cookie", text.encode())]}
            await send(message)

        return await self.app(scope, receive, naming)


def named(scope: Scope) -> bool:
    """Whether the request names its browser, or is not one for a page, of which a browser makes many at once."""
    headers = dict(scope["headers"])
    if b"text/html" not in headers.get(b"accept", b""):
        return True
    try:
        found = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1")).get(COOKIE)
    except CookieError:
        return False
    return found is not None and NAME.fullmatch(found.value) is not None


def owner() -> str:
    """Whose the runs are that are started here: this browser's, or where it takes no cookies, this network's."""
    name = str(st.context.cookies.get(COOKIE, ""))
    return name if NAME.fullmatch(name) else session.net_id()


def is_mine(run_owner: str) -> bool:
    """Whether this browser started a run of that owner; those of the command line are everybody's."""
    return run_owner in ("", owner(), session.net_id())
