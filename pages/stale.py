"""Requests from a page that was left are dropped.

A part of a page (a fragment) may ask to be drawn again in the moment in which the browser goes to another. Streamlit
1.67 takes that up behind the new page and announces the old one: the browser clears the page it shows, or fails with
"Bad delta path index" and stays white until it is reloaded. Nothing public can refuse a request, so this stands before
the queue that requests wait in.
"""

from __future__ import annotations

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import (
    RerunData,
    ScriptRequest,
    ScriptRequests,
    ScriptRequestType,
)

_request, _ready = ScriptRequests.request_rerun, ScriptRequests.on_scriptrunner_ready


def install() -> None:
    ScriptRequests.request_rerun = _request_rerun  # type: ignore[method-assign]
    ScriptRequests.on_scriptrunner_ready = _on_scriptrunner_ready  # type: ignore[method-assign]


def _left(asking: RerunData, page: str) -> bool:
    """Whether a fragment asks that is not of ``page``. A hash is empty where it is not known yet."""
    fragment = bool(asking.fragment_id or asking.fragment_id_queue)
    return fragment and "" not in (asking.page_script_hash, page) and asking.page_script_hash != page


def _request_rerun(self: ScriptRequests, new_data: RerunData) -> bool:
    """A change of the page that waits is not undone by a fragment of the page before."""
    with self._lock:
        waiting = self._rerun_data if self._state is ScriptRequestType.RERUN else None
    if waiting and not waiting.fragment_id_queue and _left(new_data, waiting.page_script_hash):
        return True
    return _request(self, new_data)


def _on_scriptrunner_ready(self: ScriptRequests) -> ScriptRequest:
    context = get_script_run_ctx(suppress_warning=True)
    with self._lock:
        if context and self._state is ScriptRequestType.RERUN and _left(self._rerun_data, context.page_script_hash):
            self._state = ScriptRequestType.CONTINUE
    return _ready(self)
