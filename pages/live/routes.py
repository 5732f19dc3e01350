"""The routes beside Streamlit's own: the live stream of a run, the scripts of the panel, and a sign of life."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from builder.diagnostic import Diagnostic, Refused
from engine.executor import default_executor
from engine.home import is_run_id
from engine.kept import about
from engine.store import RunFolder
from pages.live.assets import asset
from pages.live.watch import Viewer, Watches, message

NO_SUCH_RUN = 4404  # close codes of this route
FOREIGN = 4403
MAX_COMMAND = 8192
WATCHES = Watches(default_executor)


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a page of this server asks. Streamlit's own check does not cover the routes of an app."""
    origin = headers.get("origin")
    ours = (headers.get("host"), headers.get("x-forwarded-host"))  # a foreign page can set neither
    return origin is not None and urlsplit(origin).netloc in ours


def start_after(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else 0


async def live(socket: WebSocket) -> None:
    """WebSocket /layerloom/live/{run_id}?after=<record id>, see ARCHITECTURE.md. Who knows the id may steer the run."""
    await socket.accept()  # a close code reaches the browser only after this
    run_id = socket.path_params["run_id"]
    if not same_origin(socket.headers):
        return await socket.close(FOREIGN)
    if not is_run_id(run_id):
        return await socket.close(NO_SUCH_RUN)
    try:
        viewer = await WATCHES.enter(run_id, start_after(socket.query_params.get("after")))
    except Refused:
        return await socket.close(NO_SUCH_RUN)
    pushing = asyncio.create_task(push(socket, viewer))
    try:
        await obey(socket, viewer)
    finally:
        WATCHES.leave(viewer)
        pushing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pushing


async def push(socket: WebSocket, viewer: Viewer) -> None:
    """Sends what is new until the browser goes."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.send_text(await viewer.packet())


async def obey(socket: WebSocket, viewer: Viewer) -> None:
    """Carries out the browser's commands until it goes; what cannot be done is answered with the reason."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, KeyError):
        while True:
            text = await socket.receive_text()
            if problem := await asyncio.to_thread(carry_out, viewer, text):
                await socket.send_text(message([], viewer.watch.status, problem))


def carry_out(viewer: Viewer, text: str) -> Diagnostic | None:
    try:
        command: Any = json.loads(text) if len(text) <= MAX_COMMAND else None
    except (ValueError, RecursionError):
        command = None
    watch = viewer.watch
    if isinstance(command, dict) and command.get("do") == "set":
        name = str(command.get("name"))
        if problem := watch.refuse_knob(name, command.get("value")):
            return replace(problem, field=name)
    return default_executor().send(watch.run.id, command if isinstance(command, dict) else {})


def moment(request: Request) -> Response:
    """GET /layerloom/kept/{run_id}/{step}: knobs and pictures of a moment that is kept."""
    try:
        run = RunFolder.open(default_executor().home, request.path_params["run_id"])
        body = about(run, request.path_params["step"])
    except Refused as refused:
        return JSONResponse(refused.diagnostics[0].to_json(), status_code=404)
    return JSONResponse({key: body.get(key) for key in ("step", "knobs", "pictures", "sha256")})


def health(_request: Request) -> JSONResponse:
    return JSONResponse({"ok": True, "watched": WATCHES.count})


ROUTES: list[BaseRoute] = [
    WebSocketRoute("/layerloom/live/{run_id}", live),
    Route("/layerloom/assets/{name}", asset),
    Route("/layerloom/kept/{run_id}/{step:int}", moment),
    Route("/layerloom/health", health),
]
