"""What the page offers to take away: of a drawing, of a run, and while ONNX is being made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from builder import templates
from builder.diagnostic import Diagnostic
from engine.config import DataRef, TrainConfig
from engine.store import RunFolder
from pages import export

FILES = [export.EVERYTHING, "train.py", "train.ipynb", "model.py"]


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAYERLOOM_HOME", str(tmp_path))
    return tmp_path


class Pretend:
    """An export that is where the test wants it."""

    stage = "write"
    content: bytes | None = None
    problem: Diagnostic | None = None
    difference = 1e-7
    asked: tuple[Any, Any] | None = None

    def __init__(self, graph: object, weights: bytes | None) -> None:
        Pretend.asked = (graph, weights)

    @property
    def done(self) -> bool:
        return bool(Pretend.content or Pretend.problem)


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> type[Pretend]:
    monkeypatch.setattr(export, "OnnxJob", Pretend)
    monkeypatch.setattr(Pretend, "content", None)
    monkeypatch.setattr(Pretend, "problem", None)
    return Pretend


def page(template: str = "spiral_mlp", run: str = "", boxed: bool = False) -> None:
    import streamlit as st

    from builder import templates
    from builder.graph import Graph
    from engine.home import home
    from engine.store import RunFolder
    from pages.export import offers, take_away

    graph = templates.load(template) if template else Graph()
    (take_away if boxed else offers)(graph, RunFolder.open(home(), run) if run else None)
    st.session_state.drawn = True


def opened(dataset: str = "spiral", **settings: Any) -> AppTest:
    test = AppTest.from_function(page, default_timeout=30, kwargs=settings)
    test.session_state["dataset"] = dataset
    test.run()
    assert not test.exception
    return test


def files(test: AppTest) -> list[str]:
    return [b.proto.label for b in test.get("download_button")]


def said(test: AppTest) -> str:
    return " ".join(str(e.value) for kind in ("caption", "info", "error", "warning") for e in getattr(test, kind))


def a_run(home: Path, weights: bool) -> RunFolder:
    config = TrainConfig(DataRef("spiral"))
    run = RunFolder.create(home, templates.load("spiral_mlp"), config, title="My <run>")
    if weights:
        for name in ("last", "best"):
            header = b'{"__metadata__":{"meta":"{\\"step\\":5}"}}'
            (run.path / f"{name}.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return run


def test_a_drawing_that_fits_its_data_can_be_taken_with_its_training() -> None:
    assert files(opened()) == FILES


def test_a_drawing_that_does_not_fit_says_what_is_missing_and_leaves_the_network() -> None:
    test = opened(dataset="iris")
    assert files(test) == ["model.py"]
    assert "Iris" in said(test)
    assert files(opened(dataset="csv")) == ["model.py"]


def test_a_broken_drawing_has_nothing_to_take_away() -> None:
    test = opened(template="")
    assert files(test) == []
    assert "once the network is whole" in said(test)


def test_a_run_offers_its_weights_and_everything(workspace: Path) -> None:
    test = opened(run=a_run(workspace, weights=True).id)
    assert files(test) == [
        export.EVERYTHING, "train.py", "train.ipynb", "weights.safetensors", "best.safetensors", "model.py",
    ]  # fmt: skip


def test_a_run_without_weights_says_when_there_will_be_some(workspace: Path) -> None:
    test = opened(run=a_run(workspace, weights=False).id)
    assert files(test) == ["model.py"]
    assert "nothing to take away yet" in said(test)


def test_a_closed_box_works_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "offers", lambda *_: pytest.fail("it was worked out"))
    assert opened(boxed=True).session_state.drawn


def test_onnx_shows_how_far_it_is_and_then_the_file(pretend: type[Pretend]) -> None:
    test = opened()
    assert "network.onnx" not in files(test)
    test.button(key="away.make").click().run()
    assert pretend.asked == (templates.load("spiral_mlp"), None)
    (bar,) = test.get("progress")
    assert bar.proto.text == "Writing the ONNX file …"
    pretend.content = b"onnx"
    test.run()
    assert not test.exception
    assert files(test) == [*FILES, "network.onnx"]


def test_onnx_of_a_run_is_made_of_its_weights(pretend: type[Pretend], workspace: Path) -> None:
    test = opened(run=a_run(workspace, weights=True).id)
    test.button(key="away.make").click().run()
    assert pretend.asked is not None
    assert pretend.asked[1] is not None


def test_why_there_is_no_onnx_is_said_and_it_can_be_tried_again(pretend: type[Pretend]) -> None:
    pretend.problem = Diagnostic("export/onnx-missing", "ONNX export needs onnx.", "Run: pip install -r x.txt")
    test = opened()
    test.button(key="away.make").click().run()
    assert "ONNX export needs onnx" in said(test)
    assert test.button(key="away.make")
    assert files(test) == FILES


def test_onnx_of_another_drawing_is_not_offered(pretend: type[Pretend]) -> None:
    test = opened()
    pretend.content = b"onnx"
    test.button(key="away.make").click().run()
    assert "network.onnx" in files(test)
    other = AppTest.from_function(page, default_timeout=30, kwargs={"template": "iris_mlp"})
    other.session_state["away.onnx"] = test.session_state["away.onnx"]
    other.run()
    assert not other.exception
    assert "network.onnx" not in files(other)


def test_every_stage_has_its_words() -> None:
    assert export.WORDS.keys() == set(export.STAGES)
