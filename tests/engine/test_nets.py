"""What is drawn is on disk whole, or not at all; what cannot be read is set aside and told; versions come back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builder import document, templates
from builder.diagnostic import Refused
from builder.graph import Graph
from builder.history import History
from engine import nets
from engine.config import DataRef, TrainConfig
from engine.nets import MAX_NAME, NetFolder

ROOT = Path(__file__).parents[2]
LENET, SPIRAL = templates.load("lenet5"), templates.load("spiral_mlp")


@pytest.fixture
def net(tmp_path: Path) -> NetFolder:
    return NetFolder(tmp_path, "abcdefgh1234")


def test_a_network_that_nobody_drew_leaves_no_trace(net: NetFolder, tmp_path: Path) -> None:
    assert net.read() is None
    assert net.read_config() is None
    assert not net.read_history(LENET).can_undo
    assert net.versions() == ([], 0)
    assert not net.begun
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_read_and_seen_to_have_changed(net: NetFolder) -> None:
    states = [net.state()]
    for graph in (LENET, SPIRAL):
        net.write(graph)
        assert net.read() == graph
        states.append(net.state())
    assert len(set(states)) == 3


@pytest.mark.parametrize("id", ["../../etc", "a/b/c/d/e", "", "short", "x" * 40, "abcdefgh.json"])
def test_an_id_is_never_a_path(tmp_path: Path, id: str) -> None:
    with pytest.raises(ValueError, match="not the id"):
        NetFolder(tmp_path, id)


@pytest.mark.parametrize("fault", ["write", "rename"])
def test_a_crash_while_saving_leaves_the_old_drawing_whole(
    net: NetFolder, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    net.write(SPIRAL)

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, {"write": "fsync", "rename": "replace"}[fault], fail)
    with pytest.raises(Refused):
        net.write(LENET)
    monkeypatch.undo()
    assert net.read() == SPIRAL
    assert [p.name for p in net.file.parent.glob("*.part")] == []


def test_a_killed_process_leaves_a_whole_drawing(net: NetFolder, tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from builder import templates
from engine.nets import NetFolder
net, graphs = NetFolder(Path({str(tmp_path)!r}), "abcdefgh1234"), [templates.load(n) for n in ("lenet5", "spiral_mlp")]
print("begun", flush=True)
while True:
    for graph in graphs:
        net.write(graph)
"""
    for i in range(4):
        writer = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(0.02 + 0.013 * i)  # into the midst of it, at another place each time
        writer.kill()
        writer.communicate()
        assert net.read() in (None, LENET, SPIRAL)
    assert not list(net.file.parent.glob("*.unreadable-*"))


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\x00", document.dumps(LENET).encode()[:200]])
def test_a_broken_drawing_is_set_aside_and_told_not_lost(net: NetFolder, text: bytes) -> None:
    net.write(LENET)
    net.file.write_bytes(text)
    with pytest.raises(Refused, match="it is kept as") as refused:
        net.read()
    assert net.read() is None
    (aside,) = net.file.parent.glob("*.unreadable-*")
    assert aside.read_bytes() == text
    assert aside.name in str(refused.value)


def test_settings_come_back(net: NetFolder) -> None:
    config = TrainConfig(DataRef("iris"), optimizer="sgd", seed=3, knobs={"lr": 0.1})
    net.write_config(config)
    assert net.read_config() == config


def test_earlier_documents_survive_in_their_order(net: NetFolder) -> None:
    history = History(SPIRAL).push(LENET).push(Graph()).undo()
    net.write_history(history)
    again = net.read_history(LENET)
    assert again.undo().present == SPIRAL
    assert again.redo().present == Graph()
    assert (list(again.past()), list(again.future())) == ([SPIRAL], [Graph()])


def test_the_oldest_documents_give_way_when_there_is_no_room(net: NetFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nets, "MAX_EARLIER", 3 * len(json.dumps(document.to_json(SPIRAL))))
    history = History(Graph())
    for i in range(20):
        history = history.push(SPIRAL.set_label("tanh_1", f"{i:02}"))
    net.write_history(history.push(LENET))
    kept = [g.by_id["tanh_1"].label for g in net.read_history(LENET).past()]
    assert kept == [f"{i:02}" for i in range(19, 19 - len(kept), -1)]
    assert 0 < len(kept) <= 3


@pytest.mark.parametrize("text", ["{", "[]", '{"past": 3, "future": []}', '{"past": [{}], "future": []}'])
def test_a_broken_history_is_set_aside_and_told(net: NetFolder, text: str) -> None:
    net.write_history(History(SPIRAL).push(LENET))
    (net.folder / "history.json").write_text(text)
    with pytest.raises(Refused, match="kept as"):
        net.read_history(LENET)
    assert not net.read_history(LENET).can_undo


def test_versions_are_listed_newest_first_with_their_names_and_drawings(net: NetFolder) -> None:
    net.keep("first", SPIRAL)
    net.keep("  second\ttry  ", LENET)
    found, unreadable = net.versions()
    assert [(v.name, v.graph) for v in found] == [("second try", LENET), ("first", SPIRAL)]
    assert found[0].saved >= found[1].saved
    assert unreadable == 0


@pytest.mark.parametrize("name", ["", "   ", "\n\t"])
def test_a_version_needs_a_name(net: NetFolder, name: str) -> None:
    with pytest.raises(Refused, match="needs a name"):
        net.keep(name, SPIRAL)


def test_a_name_may_be_anything_and_is_never_a_path(net: NetFolder, tmp_path: Path) -> None:
    version = net.keep("../../../evil" + "é" * 200, SPIRAL)
    assert len(version.name) == MAX_NAME
    assert {p.parent.name for p in tmp_path.rglob("*.json")} == {"versions"}


def test_a_deleted_version_comes_back(net: NetFolder) -> None:
    version = net.keep("first", SPIRAL)
    net.delete(version.id)
    assert net.versions() == ([], 0)
    net.restore(version.id)
    assert net.versions()[0] == [version]


@pytest.mark.parametrize("id", ["../../nets/abcdefgh1234", "", "20260101000000-abcdef"])
def test_only_a_version_that_is_there_can_be_deleted_or_restored(net: NetFolder, id: str) -> None:
    net.keep("first", SPIRAL)
    for act in (net.delete, net.restore):
        with pytest.raises(Refused, match="not there any more"):
            act(id)
    assert len(net.versions()[0]) == 1


def test_versions_are_never_dropped_in_silence(net: NetFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nets, "MAX_VERSIONS", 3)
    for i in range(3):
        net.keep(f"v{i}", SPIRAL)
    with pytest.raises(Refused, match="Delete some"):
        net.keep("one more", SPIRAL)
    assert len(net.versions()[0]) == 3


def test_an_unreadable_version_is_counted_and_left_as_it_is(net: NetFolder) -> None:
    good, bad = net.keep("good", SPIRAL), net.keep("bad", SPIRAL)
    nets._load_version.cache_clear()
    broken = net.folder / "versions" / f"{bad.id}.json"
    broken.write_text("{")
    assert net.versions() == ([good], 1)
    assert broken.read_text() == "{"
