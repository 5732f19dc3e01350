"""Requests to draw a page again: a press counts once, wherever it stands, and only on its own page."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType
from streamlit.runtime.state import SessionState
from streamlit.runtime.state.common import WidgetMetadata

from pages import reruns

PARTS = {"press": "bar", "told": "chart", "switch": "bar", "number": "bar", "untouched": "bar"}


def pressed(id: str) -> WidgetState:
    return WidgetState(id=id, trigger_value=True)


def number(value: int) -> WidgetState:
    """As the browser sends a whole number."""
    return WidgetState(id="number", int_value=value)


def switch(on: bool) -> WidgetState:
    return WidgetState(id="switch", bool_value=on)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The request that is taken up of several, or None, on a page where the switch is on and the number is 3."""
    session = SessionState()
    for id, part in PARTS.items():
        known = WidgetMetadata(
            id, deserializer=lambda v: v, serializer=float, value_type="double_value", fragment_id=part
        )
        session._new_widget_state.set_widget_metadata(known)
    session._new_widget_state.set_widget_from_proto(switch(True))
    session._new_widget_state.set_from_value("number", 3)  # which Streamlit itself would send as 3.0
    context = SimpleNamespace(page_script_hash="here", session_state=SimpleNamespace(_state=session))
    monkeypatch.setattr(reruns, "get_script_run_ctx", lambda **_: context)

    def take(*asked: RerunData) -> RerunData | None:
        requests = ScriptRequests()
        for asking in asked:
            reruns._request_rerun(requests, asking)
        found = reruns._on_scriptrunner_ready(requests)
        return found.rerun_data if found.type is ScriptRequestType.RERUN else None

    return take


def asking(part: str | None, *widgets: WidgetState, auto: bool = False, page: str = "here") -> RerunData:
    states = WidgetStates(widgets=widgets)
    return RerunData(fragment_id=part, widget_states=states, page_script_hash=page, is_auto_rerun=auto)


def test_a_press_in_its_own_part_draws_that_part_only(taken: Any) -> None:
    assert taken(asking("bar", pressed("press"), switch(True))).fragment_id_queue == ["bar"]


def test_a_press_that_travels_as_the_request_of_another_part_draws_the_page(taken: Any) -> None:
    found = taken(asking("chart", pressed("told"), pressed("press")))
    assert found.fragment_id_queue == []
    assert {w.id for w in found.widget_states.widgets} == {"told", "press"}


def test_what_was_set_in_another_part_draws_the_page_and_what_was_not_does_not(taken: Any) -> None:
    assert taken(asking("chart", pressed("told"), switch(False))).fragment_id_queue == []
    assert taken(asking("chart", pressed("told"), switch(True))).fragment_id_queue == ["chart"]


def test_a_value_that_travels_in_another_form_or_that_the_page_has_not_yet_is_not_one_that_was_set(taken: Any) -> None:
    untouched = WidgetState(id="untouched", bool_value=False)
    assert taken(asking("chart", pressed("told"), number(3), untouched)).fragment_id_queue == ["chart"]
    assert taken(asking("chart", pressed("told"), number(4), untouched)).fragment_id_queue == []


def test_a_clock_draws_its_own_part_only_whatever_it_takes_along(taken: Any) -> None:
    assert taken(asking("chart", switch(False), number(4), auto=True)).fragment_id_queue == ["chart"]


def test_a_clock_takes_no_press_along(taken: Any) -> None:
    found = taken(asking("chart", pressed("press"), switch(True), auto=True))
    assert [w.id for w in found.widget_states.widgets] == ["switch"]
    assert found.fragment_id_queue == ["chart"]


def test_a_press_that_waits_survives_a_clock(taken: Any) -> None:
    found = taken(asking("bar", pressed("press")), asking("chart", auto=True))
    assert [w.id for w in found.widget_states.widgets] == ["press"]
    assert found.fragment_id_queue == ["bar", "chart"]


def test_a_part_of_the_page_before_is_not_drawn(taken: Any) -> None:
    assert taken(asking("chart", page="there")) is None
    found = taken(asking(None), asking("chart", page="there"))
    assert (found.page_script_hash, found.fragment_id_queue) == ("here", [])
