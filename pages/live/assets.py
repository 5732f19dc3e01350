"""The panel's scripts, by a name that changes with their content: a browser fetches each once, whatever is rerun."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).parent / "assets"
TYPES = {"live.js": "text/javascript", "plotly-cartesian.min.js": "text/javascript", "LICENSES.txt": "text/plain"}
FOREVER = "public, max-age=31536000, immutable"


@cache
def content(name: str, packed: bool) -> bytes:
    data = (FOLDER / name).read_bytes()
    return gzip.compress(data, 6, mtime=0) if packed else data


@cache
def digest(name: str) -> str:
    return hashlib.sha256(content(name, packed=False)).hexdigest()[:16]


def asset_url(name: str) -> str:
    return f"/layerloom/assets/{name}?v={digest(name)}"


def asset(request: Request) -> Response:
    """GET /layerloom/assets/{name}. Only the listed names exist, so no path can be asked for."""
    name = request.path_params["name"]
    if name not in TYPES:
        return Response("There is no such file.", status_code=404, media_type="text/plain")
    packed = "gzip" in request.headers.get("accept-encoding", "")
    current = request.query_params.get("v") == digest(name)
    headers = {"Cache-Control": FOREVER if current else "no-cache", "Vary": "Accept-Encoding"}
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(content(name, packed), media_type=TYPES[name], headers=headers)
