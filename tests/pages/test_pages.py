"""The pages without a browser: what they show, empty, running, finished and failed, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from builder import document, templates
from engine.config import DataRef, TrainConfig
from engine.events import Event, State
from engine.store import RunFolder, trash
from tests.pages.menu import use

PAGES = Path(__file__).parents[2] / "pages"
POINT = {"train_loss": 0.5, "val_loss": 0.6, "batch_loss": 0.5, "train_metric": 0.9, "val_metric": 0.8, "gap": 0.1,
         "lr": 0.01, "steps_per_s": 100.0, "seconds": 1.0}  # fmt: skip


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAYERLOOM_HOME", str(tmp_path))
    return tmp_path


def opened(page: str, prepare: Callable[[AppTest], None] = lambda _: None) -> AppTest:
    test = AppTest.from_file(str(PAGES / f"{page}.py"), default_timeout=30)
    prepare(test)
    test.run()
    assert not test.exception
    return test


def a_run(home: Path, state: State, reason: str = "") -> RunFolder:
    run = RunFolder.create(home, templates.load("spiral_mlp"), TrainConfig(DataRef("spiral")), title="spiral")
    run.log.append(
        [
            Event("point", 100, POINT),
            Event("state", 100, {"state": state, "reason": reason, "node": None, "queue": None}),
        ]
    )
    return run


def said(test: AppTest) -> str:
    return " ".join(
        str(e.value)
        for kind in ("markdown", "caption", "info", "error", "warning", "success")
        for e in getattr(test, kind)
    )


def button(test: AppTest, label: str):  # type: ignore[no-untyped-def]
    return next(b for b in test.button if b.label == label)


def test_design_opens_with_a_whole_small_network() -> None:
    test = opened("design")
    assert "Everything fits together." in said(test)
    assert test.metric[0].value == "354"


def test_every_template_opens_whole_and_brings_its_data_and_settings() -> None:
    test = opened("design")
    for template in templates.TEMPLATES:
        use(test, template.title)
        assert not test.exception, template.name
        state = test.session_state
        assert state.doc.graph == templates.load(template.name)
        assert (state.dataset, state.knobs) == (template.dataset, {**template.knobs, "speed": 1000.0}), template.name
        assert state.settings.items() >= template.settings.items(), template.name


def test_a_template_leaves_the_seed_and_the_device_to_the_user() -> None:
    test = opened("design")
    test.session_state.settings |= {"seed": 7, "device": "cpu"}
    use(test, "Perceptron")
    assert (test.session_state.settings["seed"], test.session_state.settings["device"]) == (7, "cpu")


def test_the_pace_is_slow_enough_to_watch_whatever_is_opened_and_stays_as_the_user_set_it() -> None:
    test = opened("design")
    assert test.session_state.knobs == {"speed": 1000.0}
    use(test, "MLP with dropout")
    assert test.session_state.knobs == {"speed": 1000.0}
    test.session_state.knobs = {"speed": 20.0, "lr": 0.5}
    use(test, "Perceptron")
    assert test.session_state.knobs["speed"] == 20.0
    assert test.session_state.knobs.get("lr") != 0.5
    test.session_state.knobs = {}  # as fast as it goes
    use(test, "Perceptron")
    assert "speed" not in test.session_state.knobs


def cards(test: AppTest) -> list[str]:
    return [b.label for b in test.button if b.key and b.key.startswith("template.")]


def test_the_menu_finds_templates_by_what_they_are_about() -> None:
    found = []
    for words in ("", "cheques", "dropout DIGITS", "no such thing"):
        test = opened("design", lambda t, words=words: setitem(t, "template.search", words))  # type: ignore[misc]
        button(test, "Templates").click().run()
        found.append(cards(test))
    assert found[0] == [t.title for t in templates.TEMPLATES]
    assert found[1] == ["LeNet-5"]
    assert {"MLP with dropout", "AlexNet for small images"} <= set(found[2]) < set(found[0])
    assert found[3] == []


def test_a_replaced_network_can_be_brought_back() -> None:
    test = opened("design")
    before = test.session_state.doc.graph
    use(test, "LeNet-5")
    assert test.session_state.doc.graph != before
    button(test, "Bring back the last network").click().run()
    assert test.session_state.doc.graph == before


def test_a_reload_finds_the_drawing_again(workspace: Path) -> None:
    test = opened("design")
    use(test, "LeNet-5")
    address = test.query_params["net"]
    again = opened("design", lambda t: t.query_params.update(net=address))
    assert again.session_state.doc.graph == templates.load("lenet5")
    assert (workspace / "nets").is_dir()


def test_a_path_in_the_address_is_no_network(workspace: Path) -> None:
    test = opened("design", lambda t: t.query_params.update(net="../../etc/passwd"))
    assert test.query_params["net"] != ["../../etc/passwd"]
    assert "Everything fits together." in said(test)


def test_an_empty_canvas_says_how_to_begin() -> None:
    test = opened("design")
    test.session_state.doc.load(
        document.loads(json.dumps({"format": "layerloom", "version": 1, "nodes": [], "edges": []}))
    )
    test.run()
    assert not test.exception
    assert "empty" in said(test).lower()


def test_train_offers_a_run_only_of_a_network_that_fits_the_data() -> None:
    test = opened("train", lambda t: setitem(t, "dataset", "iris"))
    assert button(test, "Train").disabled
    assert "Iris" in said(test)
    cure = next(b for b in test.button if b.label.startswith("Set input_1"))
    cure.click().run()
    assert not button(test, "Train").disabled


def setitem(test: AppTest, name: str, value: object) -> None:
    test.session_state[name] = value


@pytest.mark.parametrize("state", ["queued", "running", "paused", "finished", "stopped", "failed", "interrupted"])
def test_train_opens_a_run_in_every_state(workspace: Path, state: State) -> None:
    run = a_run(workspace, state)
    test = opened("train", lambda t: t.query_params.update(run=run.id))
    assert test.session_state.run == run.id


def test_train_says_that_a_run_is_unknown() -> None:
    test = opened("train", lambda t: t.query_params.update(run="AAAAAAAAAAAAAAAA"))
    assert "There is no run" in said(test)


def test_runs_invites_when_there_are_none() -> None:
    assert "No runs yet" in said(opened("runs"))


@pytest.mark.parametrize("state", ["finished", "stopped", "failed", "interrupted"])
def test_runs_lists_a_run_with_its_state_and_figures(workspace: Path, state: State) -> None:
    run = a_run(workspace, state)
    text = said(opened("runs"))
    assert state in text
    assert run.id in text
    assert "0.6" in text


def test_a_deleted_run_comes_back(workspace: Path) -> None:
    run = a_run(workspace, "finished")
    test = opened("runs")
    button(test, "Delete").click().run()
    assert run.id not in said(test)
    button(test, "Undo delete").click().run()
    assert run.id in said(test)


def test_a_run_that_somebody_else_deleted_is_told_as_such(workspace: Path) -> None:
    run = a_run(workspace, "finished")
    test = opened("runs")
    trash(workspace, run.id)
    button(test, "Delete").click().run()
    assert not test.exception
    assert "no run with this id" in said(test)


def test_every_run_can_be_reached_however_many_there_are(workspace: Path) -> None:
    ids = [a_run(workspace, "finished").id for _ in range(53)]
    test = opened("runs")
    button(test, "Show older runs (3)").click().run()
    assert all(run_id in said(test) for run_id in ids)


def test_a_run_that_is_watched_can_be_left_and_says_when_the_drawing_is_another(workspace: Path) -> None:
    run = a_run(workspace, "running")
    test = opened("train", lambda t: t.query_params.update(run=run.id))
    assert "The drawing has changed" not in said(test)
    test.session_state.doc.load(templates.load("iris_mlp"))
    test.run()
    assert "The drawing has changed" in said(test)
    button(test, "Leave this run").click().run()
    assert not test.exception
    assert "run" not in test.session_state
    assert "run" not in test.query_params
