"""The live route against a real run folder; the executor is the one that only tells (see fake_training.py)."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from engine.events import Event
from engine.knobs import KNOBS
from engine.store import RunFolder
from engine.timeline import last_step
from pages.live import routes
from pages.live.assets import FOLDER, TYPES, asset_url
from pages.live.component import GROUPS
from pages.live.watch import Viewer, Watch, Watches
from tests.e2e.apps.fake_training import FakeTraining


class Server(uvicorn.Server):
    """The routes on a port of this machine, in a thread."""

    def __init__(self) -> None:
        super().__init__(uvicorn.Config(Starlette(routes=routes.ROUTES), port=0, log_level="error", lifespan="off"))

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}"

    def get(self, path: str, encoding: str = "identity") -> tuple[int, Message, bytes]:
        request = urllib.request.Request(f"http://{self.host}{path}", headers={"Accept-Encoding": encoding})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, b""

    def watched(self) -> int:
        return int(json.loads(self.get("/layerloom/health")[2])["watched"])


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTraining]:
    training = FakeTraining(tmp_path, depth=2, rate=100, steps=10**6)
    monkeypatch.setattr(routes, "default_executor", lambda: training)
    monkeypatch.setattr(routes, "WATCHES", Watches(lambda: training))  # type: ignore[arg-type]
    yield training
    training.close()


@pytest.fixture
def server(training: FakeTraining) -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server
    server.should_exit = True
    thread.join(10)


@contextmanager
def link(server: Server, run_id: str, after: int = 0, origin: str | None = "own") -> Iterator[ClientConnection]:
    asked = f"http://{server.host}" if origin == "own" else origin
    url = f"ws://{server.host}/layerloom/live/{run_id}?after={after}"
    with connect(url, additional_headers={"Origin": asked} if asked else {}, open_timeout=5, close_timeout=1) as socket:
        yield socket


def message(socket: ClientConnection) -> dict[str, Any]:
    return json.loads(socket.recv(timeout=10))  # type: ignore[no-any-return]


def close_code(socket: ClientConnection) -> int | None:
    """The code with which the server closes, having sent nothing."""
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=10)
    return closed.value.rcvd.code if closed.value.rcvd else None


def packets(socket: ClientConnection, until: Any, seconds: float = 10) -> list[dict[str, Any]]:
    """Messages up to the first for which ``until`` holds."""
    end, out = time.monotonic() + seconds, []
    while time.monotonic() < end:
        out.append(message(socket))
        if until(out[-1]):
            return out
    raise AssertionError(f"nothing of the kind within {seconds} s; the last was {out[-1]}")


def test_the_first_message_is_the_history_and_the_next_ones_hold_only_what_is_new(
    server: Server, training: FakeTraining
) -> None:
    run_id = training.create()
    time.sleep(0.3)
    with link(server, run_id) as socket:
        first = message(socket)
        assert [r[3] for r in first["records"][:2]] == ["state", "started"]
        assert first["status"] == {"state": "running", "queue": None, "reason": "", "node": None, "steps": 10**6}
        assert abs(first["now"] - time.time()) < 5
        later = [r for _ in range(3) for r in message(socket)["records"]]
    ids = [r[0] for r in first["records"] + later]
    assert ids == sorted(set(ids))
    assert {r[3] for r in later} >= {"point", "layers"}


def test_a_browser_that_comes_back_gets_only_what_it_missed(server: Server, training: FakeTraining) -> None:
    run_id = training.create()
    time.sleep(0.2)
    with link(server, run_id) as socket:
        known = message(socket)["records"][-1][0]
    time.sleep(0.2)
    with link(server, run_id, after=known) as socket:
        again = message(socket)["records"]
    assert again
    assert min(r[0] for r in again) > known


def test_a_record_is_on_its_way_within_a_few_polls(server: Server, training: FakeTraining) -> None:
    run_id = training.create()
    late = []
    with link(server, run_id) as socket:
        message(socket)
        for _ in range(20):
            news = message(socket)["records"]
            late += [time.time() - r[2] for r in news[-1:]]
    assert sorted(late)[len(late) // 2] < 0.15


@pytest.mark.parametrize("origin", ["http://evil.example", None, "null"])
def test_a_page_of_another_origin_is_sent_nothing(server: Server, training: FakeTraining, origin: str | None) -> None:
    with link(server, training.create(), origin=origin) as socket:
        assert close_code(socket) == routes.FOREIGN


@pytest.mark.parametrize("run_id", ["x" * 16, "short", "." * 16, "x" * 4000])
def test_a_run_that_does_not_exist_is_said_to_be_unknown(server: Server, run_id: str) -> None:
    with link(server, run_id) as socket:
        assert close_code(socket) == routes.NO_SUCH_RUN


@pytest.mark.parametrize("after", ["-1", "x", "²", "9" * 400])
def test_a_nonsense_place_in_the_log_is_the_beginning(after: str) -> None:
    assert routes.start_after(after) == 0


def test_a_turned_knob_comes_back_as_the_record_of_the_step_it_took_effect_at(
    server: Server, training: FakeTraining
) -> None:
    with link(server, training.create()) as socket:
        message(socket)
        socket.send(json.dumps({"do": "set", "name": "l2", "value": 0.01}))
        found = packets(socket, lambda m: any(r[3] == "knob" for r in m["records"]))[-1]
    record = next(r for r in found["records"] if r[3] == "knob")
    assert record[4] == {"name": "l2", "old": 0.0, "new": 0.01}
    assert record[1] > 0


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ({"do": "set", "name": "l2", "value": 7}, "it is 7. Use 1 or less."),
        ({"do": "set", "name": "l2", "value": float("nan")}, "it is not a number"),
        ({"do": "set", "name": "l2", "value": "1"}, "it is '1'"),
        ({"do": "set", "name": "warp", "value": 1}, "There is no knob 'warp' in this run."),
        ({"do": "set", "name": "dropout:linear_1", "value": 0.5}, "There is no knob 'dropout:linear_1' in this run."),
        ({"do": "set"}, "There is no knob 'None' in this run."),
        ({"do": "explode"}, "This is not a command to a training."),
        (["pause"], "This is not a command to a training."),
    ],
)
def test_a_command_that_cannot_be_done_is_answered_with_the_reason_and_changes_nothing(
    server: Server, training: FakeTraining, command: Any, words: str
) -> None:
    run_id = training.create()
    with link(server, run_id) as socket:
        message(socket)
        time.sleep(0.1)
        socket.send(json.dumps(command))
        refused = packets(socket, lambda m: "refused" in m)[-1]["refused"]
        assert words in f"{refused['what']} {refused['cure']}"
    assert not [r for r in RunFolder.open(training.home, run_id).log.after(0) if r.kind == "knob"]


@pytest.mark.parametrize("text", ["", "no json", "[" * 900, "{}" * 2000, '"set"'])
def test_garbage_is_refused_and_the_link_stays(server: Server, training: FakeTraining, text: str) -> None:
    with link(server, training.create()) as socket:
        message(socket)
        socket.send(text)
        packets(socket, lambda m: "refused" in m)
        socket.send(json.dumps({"do": "pause"}))
        packets(socket, lambda m: m["status"]["state"] == "paused")


def test_pause_resume_and_stop_show_in_the_status(server: Server, training: FakeTraining) -> None:
    with link(server, training.create()) as socket:
        for do, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
            socket.send(json.dumps({"do": do}))
            packets(socket, lambda m, state=state: m["status"]["state"] == state)


def test_all_viewers_of_a_run_share_one_watch_that_outlives_a_reload(server: Server, training: FakeTraining) -> None:
    run_id = training.create()
    with link(server, run_id) as socket:
        message(socket)
    time.sleep(0.2)
    assert server.watched() == 1


def test_a_watch_ends_some_time_after_its_last_viewer(
    server: Server, training: FakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.live.watch.LINGER_SECONDS", 0.0)
    run_id = training.create()
    with link(server, run_id) as one, link(server, run_id) as two:
        message(one)
        message(two)
        assert server.watched() == 1
    end = time.monotonic() + 5
    while server.watched() and time.monotonic() < end:
        time.sleep(0.02)
    assert server.watched() == 0


def quiet(training: FakeTraining) -> tuple[RunFolder, Watch]:
    """A paused run and its watch, polled by hand."""
    run_id = training.create()
    training.send(run_id, {"do": "pause"})
    time.sleep(0.05)
    folder = RunFolder.open(training.home, run_id)
    return folder, Watch(folder, training)  # type: ignore[arg-type]


def read(viewer: Viewer) -> list[list[Any]]:
    with ThreadPoolExecutor(1) as pool:  # the browser tests may have left an event loop in this thread
        text = pool.submit(asyncio.run, viewer.packet()).result()
    return json.loads(text)["records"]  # type: ignore[no-any-return]


def test_a_slow_viewer_gets_one_larger_packet_and_of_pictures_the_newest_only(training: FakeTraining) -> None:
    folder, watch = quiet(training)
    viewer = Viewer(watch, 0)
    read(viewer)
    for step in range(1000, 1050):
        folder.log.append([Event("point", step, {"val_loss": 1.0}), Event("hist", step, {})])
        assert watch.poll()
    records = read(viewer)
    assert [r[1] for r in records if r[3] == "point"] == list(range(1000, 1050))
    assert [r[1] for r in records if r[3] == "hist"] == [1049]


def test_a_viewer_far_behind_gets_a_thinned_history_with_its_first_and_last_and_extreme_points(
    training: FakeTraining,
) -> None:
    folder, watch = quiet(training)
    viewer = Viewer(watch, 0)
    seen = read(viewer)[-1][0]
    for start in range(0, 20_000, 500):
        spike = {7_123: 99.0}
        folder.log.append(Event("point", 1000 + s, {"val_loss": spike.get(s, 1.0)}) for s in range(start, start + 500))
        watch.poll()
    points = [r for r in read(viewer) if r[3] == "point"]
    assert len(points) <= 1000
    assert min(r[0] for r in points) > seen
    assert points[-1][1] == 20_999
    assert 99.0 in [r[4]["val_loss"] for r in points]


def test_watching_a_quiet_run_costs_less_than_a_fiftieth_of_the_time_between_polls(training: FakeTraining) -> None:
    _, watch = quiet(training)
    watch.poll()
    began = time.thread_time()
    for _ in range(200):
        watch.poll()
    assert (time.thread_time() - began) / 200 < 0.0005


def test_a_finished_run_that_goes_on_has_as_many_steps_again() -> None:
    assert [last_step(100, r) for r in (0, 99, 100, 150, 200)] == [100, 100, 200, 200, 300]


@pytest.mark.parametrize("name", TYPES)
def test_an_asset_under_its_own_hash_is_kept_for_ever_and_otherwise_asked_for_again(server: Server, name: str) -> None:
    status, headers, plain = server.get(asset_url(name))
    assert (status, plain) == (200, (FOLDER / name).read_bytes())
    assert "immutable" in headers["cache-control"]
    assert server.get(asset_url(name)[:-1])[1]["cache-control"] == "no-cache"
    _, headers, packed = server.get(asset_url(name), encoding="gzip")
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    assert len(packed) < 0.7 * len(plain)


@pytest.mark.parametrize("name", ["routes.py", "..%2Froutes.py", "%2Fetc%2Fpasswd", "LICENSE"])
def test_no_other_file_can_be_asked_for(server: Server, name: str) -> None:
    assert server.get(f"/layerloom/assets/{name}")[0] == 404


def test_every_knob_stands_in_exactly_one_group() -> None:
    assert sorted(n for names in GROUPS.values() for n in names) == sorted(k.name for k in KNOBS)
