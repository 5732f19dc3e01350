"""Going on from a moment, the batch that stopped a run, repeating it, and whose run it is: pages without a browser."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message

from builder import templates
from builder.diagnostic import Refused
from engine import kept
from engine.config import DataRef, TrainConfig
from engine.control import Inbox
from engine.data import load, preview
from engine.repeating import Repetition
from engine.store import RunFolder
from engine.worker import work
from pages import browsers, moments
from pages.browsers import COOKIE, NAME, Naming
from pages.live import routes
from pages.settings import Choice
from tests.engine.running import make
from tests.pages.test_pages import button, opened, said


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAYERLOOM_HOME", str(tmp_path))
    return tmp_path


class Executor:
    """Starts nothing."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.started: list[str] = []

    def start(self, run: RunFolder) -> None:
        self.started.append(run.id)


@pytest.fixture
def executor(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Executor:
    executor = Executor(workspace)
    for place in (moments, routes):
        monkeypatch.setattr(place, "default_executor", lambda: executor)
    return executor


def done(home: Path, owner: str = "", **settings: Any) -> RunFolder:
    run = make(home, steps=40, owner=owner, **settings)
    work(run, Inbox())
    return run


def test_going_on_starts_a_run_with_the_knobs_that_were_turned(workspace: Path, executor: Executor) -> None:
    run = done(workspace)
    other = moments.go_on(run, {"step": 40, "knobs": {"lr": 0.5}, "settings": False}, run.config, "me")
    assert executor.started == [other.id]
    assert other.origin is not None
    assert (other.origin.parent, other.origin.step, other.meta.owner) == (run.id, 40, "me")
    assert moments.parent(other) is not None
    assert moments.parent(run) is None


def test_going_on_with_the_settings_of_the_form_names_what_they_change(workspace: Path, executor: Executor) -> None:
    run = done(workspace)
    form = replace(run.config, optimizer="sgd", early_stopping=True)
    assert moments.other_settings(run, form) == "optimizer sgd, early stopping True"
    assert moments.other_settings(run, replace(form, data=replace(form.data, name="spiral"))) == ""
    other = moments.go_on(run, {"step": 0, "knobs": {}, "settings": True}, form, "")
    assert (other.config.optimizer, other.config.early_stopping) == ("sgd", True)
    wrong = replace(form, knobs={"nose": 1.0})
    with pytest.raises(Refused):
        moments.go_on(run, {"step": 0, "knobs": {}, "settings": True}, wrong, "")


def test_the_pictures_and_knobs_of_a_moment_come_by_a_route(workspace: Path, executor: Executor) -> None:
    run = done(workspace)
    status, _, content = ask(Starlette(routes=routes.ROUTES), f"/layerloom/kept/{run.id}/40")
    body = json.loads(content)
    assert (status, body["step"]) == (200, 40)
    assert body["knobs"]["lr"] == 0.01
    assert len(body["sha256"]) == 64
    step, boundary = body["pictures"]["boundary"]
    assert 1 <= step <= 40
    assert boundary["n"] > 1
    status, _, content = ask(Starlette(routes=routes.ROUTES), f"/layerloom/kept/{run.id}/39")
    assert (status, json.loads(content)["code"]) == (404, "run/not-kept")
    for path in (f"{run.id}/-1", "AAAAAAAAAAAAAAAA/40", "../../etc/40", f"{run.id}/99999999999999999999"):
        assert ask(Starlette(routes=routes.ROUTES), f"/layerloom/kept/{path}")[0] == 404


def test_train_shows_the_batch_that_stopped_a_run(workspace: Path) -> None:
    run = make(workspace, steps=200, optimizer="sgd", knobs={"lr": 10.0, "momentum": 0.0, "l2": 1.0})
    assert work(run, Inbox()) == "failed"
    test = opened("train", lambda t: t.query_params.update(run=run.id))
    assert any(e.label == "The batch that stopped it: 32 examples" for e in test.expander)
    assert "Numbers of the training examples: " in said(test)


def test_of_a_table_the_batch_is_shown_where_the_form_has_the_same_one(workspace: Path) -> None:
    upload = workspace / "upload.csv"
    upload.write_text("a,b,kind\n" + "".join(f"{i % 7},{i % 5},{'ab'[i % 2]}\n" for i in range(60)))
    ref = DataRef("csv", {"target": "kind"})
    run = RunFolder.create(workspace, templates.load("iris_mlp"), TrainConfig(ref), csv=upload)
    data = load(ref, 0, run.path)
    form = Choice(TrainConfig(ref, optimizer="sgd"), data, upload)
    assert moments.data_of(run, form) is data
    other = workspace / "other.csv"
    other.write_bytes(upload.read_bytes())
    for wrong in (replace(form, csv=other), replace(form, csv=None), replace(form, config=TrainConfig(ref, seed=1))):
        assert moments.data_of(run, wrong) is None


@pytest.mark.parametrize("name", ["circle", "digits", "iris"])
def test_picked_examples_are_those_of_the_rows(name: str) -> None:
    data = load(DataRef(name))
    few = moments.picked(data, [3, 1])
    assert (few.x_train == data.x_train[[3, 1]]).all()
    assert (few.y_train == data.y_train[[3, 1]]).all()
    assert preview(few).n_train == 2


def test_a_run_is_repeated_beside_the_app(workspace: Path) -> None:
    run = done(workspace)
    job = Repetition(run)
    job.wait()
    assert job.problem is None
    assert job.same
    assert job.says.startswith("The same to the bit after 40 steps")
    (run.path / "last.safetensors").unlink()
    (run.path / "run.json").unlink()
    broken = Repetition(run)
    broken.wait()
    assert not broken.same
    assert broken.problem is not None


def ask(app: ASGIApp, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """GET ``path`` of ``app``: status, headers, content."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "headers": pairs, "query_string": b"", "root_path": ""}
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    begin, *rest = sent
    found = {name.decode(): value.decode() for name, value in begin["headers"]}
    return begin["status"], found, b"".join(m.get("body", b"") for m in rest)


def named(**headers: str) -> str | None:
    """The name that a browser gets for its request."""
    cookie = ask(Naming(HTMLResponse("hello")), "/", **headers)[1].get("set-cookie")
    return SimpleCookie(cookie)[COOKIE].value if cookie else None


def test_a_browser_gets_one_name_with_its_first_page_and_keeps_it() -> None:
    assert named(accept="image/png") is None
    name = named(accept="text/html")
    assert name is not None
    assert NAME.fullmatch(name)
    assert named(accept="text/html", cookie=f"a=b; {COOKIE}={name}") is None  # it has it already
    assert NAME.fullmatch(named(accept="text/html", cookie=f"{COOKIE}=../../x") or "")
    assert NAME.fullmatch(named(accept="text/html", cookie='"=;') or "")


def test_a_browser_sees_its_own_runs_and_the_others_only_when_asked(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsers, "owner", lambda: "me")
    mine, other = done(workspace, "me"), done(workspace, "somebody")
    test = opened("runs")
    assert mine.id in said(test)
    assert other.id not in said(test)
    test.session_state["runs.whose"] = "All"
    test.run()
    assert mine.id in said(test)
    assert other.id in said(test)
    assert "Another browser started this run." in said(test)
    assert button(test, "Delete it all the same").key == f"delete.{other.id}"


def test_every_kept_moment_has_both_its_files(workspace: Path) -> None:
    run = done(workspace)
    names = {p.name for p in kept.folder(run).iterdir()}
    assert names == {f"{step}.{kind}" for step in kept.steps(run) for kind in ("safetensors", "json")}


def test_breakpoints_for_the_next_run_survive_a_reload_and_travel_in_settings(workspace: Path) -> None:
    test = opened("train")
    test.session_state["breakpoints"] = ["gap>0.5"]
    test.run()
    address = test.query_params["net"]
    again = opened("train", lambda t: t.query_params.update(net=address))
    assert again.session_state["breakpoints"] == ["gap>0.5"]
