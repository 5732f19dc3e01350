"""The route that previews are fetched from: the browser waits here for the answer to its ask."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from engine.nets import NET_ID
from engine.probing import default_prober

HOLD = 20.0  # seconds until the browser is told to ask again
LOOK = 0.01  # seconds between two looks; a thread per waiting browser would be dearer


async def preview(request: Request) -> Response:
    """GET /layerloom/preview/{feed}?ticket=<number>: ``{"nodes"}`` of that ask or a later one; 204 is "not yet".

    Whoever knows the name of a drawing may see its preview, as with the drawing itself.
    """
    feed, ticket = request.path_params["feed"], request.query_params.get("ticket", "")
    if not NET_ID.fullmatch(feed) or not (ticket.isascii() and ticket.isdigit()):
        return Response("There is no such preview.", status_code=404, media_type="text/plain")
    deadline = time.monotonic() + HOLD
    while time.monotonic() < deadline and not await request.is_disconnected():
        answer = default_prober().answer(feed)
        if answer and answer.ticket >= int(ticket):
            return JSONResponse({"nodes": answer.nodes}, headers={"Cache-Control": "no-store"})
        await asyncio.sleep(LOOK)
    return Response(status_code=204)


ROUTES: list[BaseRoute] = [Route("/layerloom/preview/{feed}", preview)]
