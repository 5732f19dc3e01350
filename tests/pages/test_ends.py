"""The form of an Input and of an Output offers what the chosen data has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from builder.graph import Graph
from tests.engine.ends import VAE, net

DESIGN = Path(__file__).parents[2] / "pages" / "design.py"
PAIR = net(
    ("a", "Input", {"shape": (1, 8, 8)}, ""),
    ("b", "Input", {"shape": (1, 8, 8)}, ""),
    ("both", "Concat", {}, "a b"),
    ("flat", "Flatten", {}, "both"),
    ("score", "Linear", {"out_features": 2}, "flat"),
    ("y", "Output", {}, "score"),
)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERLOOM_HOME", str(tmp_path))


def opened(graph: Graph, node: str, dataset: str) -> AppTest:
    test = AppTest.from_file(str(DESIGN), default_timeout=30)
    test.session_state["dataset"] = dataset
    test.run()
    test.session_state.doc.load(graph)
    test.session_state.doc.selected = (node,)
    test.run()
    assert not test.exception
    return test


def box(test: AppTest, label: str) -> Any:
    return next(s for s in test.selectbox if s.label == label)


def test_an_input_is_offered_every_input_of_the_data_in_words() -> None:
    test = opened(PAIR, "b", "digit_pairs")
    offered = box(test, "What comes in")
    assert offered.options == ["whatever comes next", "left: a picture of 8 × 8", "right: a picture of 8 × 8"]
    offered.select("left").run()
    assert test.session_state.doc.graph.by_id["b"].params["field"] == "left"


def test_an_output_is_offered_targets_and_what_goes_in() -> None:
    test = opened(PAIR, "y", "digit_pairs")
    offered = box(test, "Compared with")
    assert offered.options[:2] == ["whatever comes next", "same: one of 2"]
    assert offered.options[2].startswith("left: ")
    offered.select("left").run()
    assert test.session_state.doc.graph.by_id["y"].params["target"] == "left"
    offered = box(test, "Compared with")
    offered.select("").run()
    assert test.session_state.doc.graph.by_id["y"].params["target"] == ""


def test_a_name_that_other_data_had_stays_until_another_is_chosen() -> None:
    offered = box(opened(VAE, "y", "iris"), "Compared with")
    assert offered.value == "x"
    assert offered.options[-1] == "x"


def test_a_table_of_ones_own_has_the_names_that_every_table_has() -> None:
    offered = box(opened(VAE, "y", "csv"), "Compared with")
    assert offered.options == ["whatever comes next", "class", "value", "features", "x"]
