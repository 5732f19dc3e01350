"""The preview beside the canvas without a browser: what is asked, what is said, and that an edit never waits."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message
from streamlit.testing.v1 import AppTest

from builder import templates
from builder.edit import SetLabel, SetParams
from builder.graph import Graph, Node
from engine import probing
from engine.config import DataRef, TrainConfig
from engine.probing import Answer
from engine.verdict import Verdict
from pages.probe import routes
from pages.probe.chart import chart

PAGES = Path(__file__).parents[2] / "pages"
CONFIG = TrainConfig(DataRef("circle"))
SIGMOIDS = templates.load("vanishing")
LINEAR = tuple(f"linear_{i}" for i in range(1, 12))


class Prober:
    """Remembers what is asked and answers nothing until it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Graph, TrainConfig, bytes | None]] = []
        self.answers: dict[str, Answer] = {}

    def ask(self, feed: str, graph: Graph, config: TrainConfig, csv: Path | None = None) -> int:
        self.asked.append((feed, graph, config, csv))
        return len(self.asked)

    def answer(self, feed: str) -> Answer | None:
        return self.answers.get(feed)

    def knows(self, feed: str) -> bool:
        return True

    def forget(self, feed: str) -> None:
        self.answers.pop(feed, None)

    def say(self, **found: Any) -> None:
        """The answer to the newest ask."""
        self.answers[self.asked[-1][0]] = Answer(len(self.asked), **found)

    def vanish(self) -> None:
        norms = tuple(10.0 ** (i - 10) for i in range(11))
        self.say(layers=LINEAR, norms=norms, loss=0.7, input_square=1.0, nodes={"linear_1": {"c": 0.0}})


@pytest.fixture(autouse=True)
def prober(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prober:
    monkeypatch.setenv("LAYERLOOM_HOME", str(tmp_path))
    made = Prober()
    monkeypatch.setattr(probing, "_default", made)
    return made


def opened(graph: Graph | None = None) -> AppTest:
    test = AppTest.from_file(str(PAGES / "design.py"), default_timeout=30).run()
    if graph:
        test.session_state.doc.load(graph)
        test.run()
    assert not test.exception
    return test


def said(test: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "error", "warning", "success")
    return " ".join(str(e.value) for kind in kinds for e in getattr(test, kind)).replace("\\", "")


def test_the_network_on_the_page_is_asked_about_with_the_data_of_the_train_page(prober: Prober) -> None:
    test = opened()
    feed, graph, config, csv = prober.asked[-1]
    assert (feed, graph) == (test.session_state.net, test.session_state.doc.graph)
    assert (config.data.name, csv) == ("spiral", None)
    assert "Running one batch of" in said(test)


def test_only_what_changes_the_numbers_is_asked_again(prober: Prober) -> None:
    test = opened()
    doc = test.session_state.doc
    before = len(prober.asked)
    doc.command((SetLabel("linear_1", "first"),))
    test.run()
    assert len(prober.asked) == before
    doc.command((SetParams("linear_1", {"out_features": 9}),))
    test.run()
    assert len(prober.asked) == before + 1
    test.session_state.settings["seed"] = 3
    test.run()
    assert len(prober.asked) == before + 2
    assert prober.asked[-1][2].seed == 3


def test_the_verdict_stands_beside_what_theory_expects(prober: Prober) -> None:
    test = opened(SIGMOIDS)
    prober.vanish()
    test.run()
    text = said(test)
    assert "The gradient shrinks 10 × per layer on its way back; linear_1 gets 1e-10 of what linear_11 gets" in text
    assert "Mean-field theory expects that it shrinks 7" in text
    assert "first batch: loss 0.7." in text


def test_until_the_answer_to_an_edit_comes_the_last_verdict_stays(prober: Prober) -> None:
    test = opened(SIGMOIDS)
    prober.vanish()
    test.run()
    test.session_state.doc.command((SetParams("linear_1", {"out_features": 9}),))
    test.run()
    assert not test.exception
    assert "shrinks 10 ×" in said(test)
    prober.say(layers=LINEAR, norms=(0.5,) * 11, loss=0.6, input_square=1.0)
    test.run()
    assert "The gradient keeps its size on its way back: every layer learns." in said(test)


def test_a_cure_is_one_press_away(prober: Prober) -> None:
    test = opened(templates.load("exploding"))
    layers = tuple(f"linear_{i}" for i in range(1, 8))
    prober.say(layers=layers, norms=(2e4,) * 7, loss=9e3, input_square=1.0)
    test.run()
    next(b for b in test.button if b.label == "Start from Kaiming normal weights").click().run()
    assert not test.exception
    inits = {n.params["init"] for n in test.session_state.doc.graph.nodes if n.type == "Linear"}
    assert inits == {"kaiming_normal"}


def test_what_went_wrong_is_told_and_the_page_goes_on(prober: Prober) -> None:
    test = opened(SIGMOIDS)
    prober.say(problem=probing.DIED)
    test.run()
    assert "The process that previews networks ended" in said(test)
    assert "Your drawing and your runs are not affected." in said(test)
    assert "Everything fits together." in said(test)


def test_switched_off_nothing_is_asked_and_the_switch_stays_off(prober: Prober) -> None:
    test = opened(SIGMOIDS)
    prober.vanish()
    test.toggle(key="probe.on").set_value(False).run()
    asked = len(prober.asked)
    assert prober.answers == {}
    assert "shrinks" not in said(test)
    test.session_state.doc.command((SetParams("linear_1", {"out_features": 9}),))
    test.run()
    assert len(prober.asked) == asked
    test.toggle(key="probe.on").set_value(True).run()
    assert len(prober.asked) == asked + 1


def test_the_switch_is_found_off_after_a_visit_to_another_page(prober: Prober) -> None:
    test = AppTest.from_file(str(PAGES / "design.py"), default_timeout=30)
    test.session_state.probe = False  # Streamlit drops a widget's own value with its page
    test.run()
    assert test.toggle(key="probe.on").value is False
    assert prober.asked == []


def test_a_network_that_is_not_whole_is_not_asked_about(prober: Prober) -> None:
    test = opened()
    before = len(prober.asked)
    test.session_state.doc.load(Graph((Node("linear_1", "Linear"),)))
    test.run()
    assert len(prober.asked) == before
    assert "The preview appears once the network is whole." in said(test)


# ---- the chart


def test_the_chart_shows_measured_and_expected_on_whole_decades() -> None:
    norms, expected = (1e-4, 1e-2, 1.0), (2e-4, 1e-2, 1.0)
    figure = chart(Verdict(None, "", ("a", "b", "c"), norms, expected, ""), {"a": "first"})
    assert [t.name for t in figure.data] == ["measured", "expected"]
    assert [tuple(t.y) for t in figure.data] == [norms, expected]
    assert figure.layout.xaxis.ticktext == ("first", "b", "c")
    assert tuple(figure.layout.yaxis.range) == (-5, 1)


def test_a_gradient_that_keeps_its_size_looks_level_and_zeros_leave_a_gap() -> None:
    figure = chart(Verdict(None, "", ("a", "b", "c"), (0.2, 0.0, 0.21), None, ""), {})
    low, high = figure.layout.yaxis.range
    assert high - low >= 2
    assert tuple(figure.data[0].y) == (0.2, None, 0.21)
    assert len(figure.data) == 1


# ---- the route


def get(feed: str, query: str = "") -> Response:
    async def receive() -> Message:
        await asyncio.sleep(60)  # the browser says nothing more
        return {"type": "http.disconnect"}

    scope = {"type": "http", "path_params": {"feed": feed}, "query_string": query.encode(), "headers": []}
    return asyncio.run(routes.preview(Request(scope, receive)))


def test_the_route_gives_the_answer_to_an_ask_or_to_a_later_one(prober: Prober) -> None:
    prober.asked = [("a-drawing", SIGMOIDS, CONFIG, None)] * 3
    prober.vanish()
    for ticket in (1, 3):
        found = get("a-drawing", f"ticket={ticket}")
        assert json.loads(found.body) == {"nodes": {"linear_1": {"c": 0.0}}}
        assert found.headers["cache-control"] == "no-store"


def test_the_route_holds_and_says_not_yet(prober: Prober, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "HOLD", 0.03)
    prober.asked = [("a-drawing", SIGMOIDS, CONFIG, None)] * 3
    prober.vanish()
    assert get("a-drawing", "ticket=4").status_code == 204


WRONG = [
    ("a-drawing", ""),
    ("a-drawing", "ticket=-1"),
    ("a-drawing", "ticket=²"),
    ("x", "ticket=1"),
    ("../..", "ticket=1"),
]


@pytest.mark.parametrize(("feed", "query"), WRONG)
def test_a_wrong_question_is_refused(feed: str, query: str) -> None:
    assert get(feed, query).status_code == 404
