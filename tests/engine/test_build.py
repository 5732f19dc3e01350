"""The kernel is compiled once, beside other work, and kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine import worker
from engine.lanes.native import build

needs_compiler = pytest.mark.skipif(build.compiler() is None, reason="there is no C compiler here")


@needs_compiler
def test_a_compiled_kernel_lies_in_the_first_place_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    blocked, free = tmp_path / "file" / "blocked", tmp_path / "free"
    (tmp_path / "file").write_text("no folder can be made in a file")
    monkeypatch.setattr(build, "places", lambda: (blocked, free))
    assert build.library() is None
    assert build.made().width() in (4, 8, 16)
    assert [f.name for f in free.iterdir()] == [f"kernel-{build.key()}.so"]


@pytest.mark.parametrize("compiler", ["/bin/false", "/nowhere/cc"])
def test_a_compiler_that_fails_leaves_nothing_behind(compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(build, "places", lambda: (tmp_path,))
    building = build.Build(compiler)
    building.wait()
    assert not building.running
    assert build.library() is None
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_loaded_is_no_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(build, "places", lambda: (tmp_path,))
    (tmp_path / f"kernel-{build.key()}.so").write_text("no library")
    assert build.library() is None


def test_without_a_place_to_write_nothing_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(build, "places", lambda: (tmp_path / "file" / "none",))
    assert not build.Build("/bin/false").running


def test_another_source_option_or_processor_is_another_kernel(monkeypatch: pytest.MonkeyPatch):
    keys = {build.key.__wrapped__()}
    monkeypatch.setattr(build, "_cpuinfo", lambda: ["flags : made up"])
    keys.add(build.key.__wrapped__())
    monkeypatch.setattr(build, "OPTIONS", (*build.OPTIONS, "-g"))
    keys.add(build.key.__wrapped__())
    monkeypatch.setattr(build, "HERE", build.HERE.parent)
    keys.add(build.key.__wrapped__())
    assert len(keys) == 4


@needs_compiler
def test_all_in_a_process_wait_for_one_compilation_and_a_forked_one_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(build, "_going", {})
    monkeypatch.setattr(build, "places", lambda: (tmp_path,))
    first = build.begin("cc")
    assert build.begin("cc") is first
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert build.begin("/bin/false") is not first
    monkeypatch.undo()
    first.wait()
    assert build.begin("/bin/false") is not first


def test_the_rehearsal_of_a_runner_begins_the_compilation_and_waits_for_nothing(monkeypatch: pytest.MonkeyPatch):
    begun = []

    class Endless:
        running = True

        def __init__(self, compiler: str) -> None:
            begun.append(compiler)

    monkeypatch.setattr(build, "library", lambda: None)
    monkeypatch.setattr(build, "compiler", lambda: "cc")
    monkeypatch.setattr(build, "_going", {})
    monkeypatch.setattr(build, "Build", Endless)
    threads = len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 0
    worker.rehearse()
    assert begun == ["cc"]
    if threads:
        assert len(os.listdir("/proc/self/task")) == threads
