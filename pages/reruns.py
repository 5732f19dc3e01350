"""Three cures for what Streamlit 1.67 makes of requests to draw a page again.

- A part of a page (a fragment) may ask to be drawn again in the moment in which the browser goes to another page.
  Streamlit takes that up behind the new page and announces the old one: the browser clears the page it shows, or fails
  with "Bad delta path index" and stays white until it is reloaded. Such a request is dropped.
- Whatever happens in the browser within one of its ticks travels together, as a request of the part in which the first
  of it happened. A button in another part, pressed as a chart or a preview has something to tell, stays without any
  effect. Such a request draws the whole page.
- What draws itself again by a clock takes along a press that is just about to be sent, which then counts twice. It
  takes none.

Nothing public can change a request, so these stand before and behind the queue in which requests wait.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import (
    RerunData,
    ScriptRequest,
    ScriptRequests,
    ScriptRequestType,
)
from streamlit.runtime.state import SessionState
from streamlit.runtime.state.session_state import WStates

TRIGGERS = ("trigger_value", "string_trigger_value", "chat_input_value", "json_trigger_value")
_request, _ready = ScriptRequests.request_rerun, ScriptRequests.on_scriptrunner_ready


def install() -> None:
    ScriptRequests.request_rerun = _request_rerun  # type: ignore[method-assign]
    ScriptRequests.on_scriptrunner_ready = _on_scriptrunner_ready  # type: ignore[method-assign]


def _request_rerun(self: ScriptRequests, new_data: RerunData) -> bool:
    """A change of the page that waits is not undone by a fragment of the page before."""
    with self._lock:
        waiting = self._rerun_data if self._state is ScriptRequestType.RERUN else None
    if waiting and not waiting.fragment_id_queue and _left(new_data, waiting.page_script_hash):
        return True
    if new_data.is_auto_rerun and new_data.widget_states:
        new_data = replace(new_data, widget_states=_without_presses(new_data.widget_states))
    return _request(self, new_data)


def _on_scriptrunner_ready(self: ScriptRequests) -> ScriptRequest:
    context = get_script_run_ctx(suppress_warning=True)
    with self._lock:
        if context and self._state is ScriptRequestType.RERUN:
            if _left(self._rerun_data, context.page_script_hash):
                self._state = ScriptRequestType.CONTINUE
            elif _elsewhere(self._rerun_data, context.session_state._state):
                self._rerun_data = replace(self._rerun_data, fragment_id_queue=[], is_fragment_scoped_rerun=False)
    return _ready(self)


def _left(asking: RerunData, page: str) -> bool:
    """Whether a fragment asks that is not of ``page``. A hash is empty where it is not known yet."""
    fragment = bool(asking.fragment_id or asking.fragment_id_queue)
    return fragment and "" not in (asking.page_script_hash, page) and asking.page_script_hash != page


def _without_presses(states: WidgetStates) -> WidgetStates:
    return WidgetStates(widgets=[w for w in states.widgets if w.WhichOneof("value") not in TRIGGERS])


def _elsewhere(asking: RerunData, session: SessionState) -> bool:
    """Whether fragments ask, and something was pressed or set that stands in none of them."""
    if not asking.fragment_id_queue or asking.widget_states is None:
        return False
    known = session._new_widget_state.widget_metadata
    outside = [
        widget
        for widget in asking.widget_states.widgets
        if widget.id in known and known[widget.id].fragment_id not in asking.fragment_id_queue
    ]
    pressed = any(widget.WhichOneof("value") in TRIGGERS for widget in outside)
    return pressed or (not asking.is_auto_rerun and any(_set(widget, session) for widget in outside))


def _set(widget: WidgetState, session: SessionState) -> bool:
    """Whether the browser has another value than the page. Values are compared as the page reads them: the same number
    travels in several ways. What cannot be read or compared counts as the same, so that no page is drawn for ever."""
    states = WStates()
    states.set_widget_from_proto(widget)
    states.set_widget_metadata(session._new_widget_state.widget_metadata[widget.id])
    with suppress(Exception):
        return bool(states[widget.id] != session[widget.id])
    return False
