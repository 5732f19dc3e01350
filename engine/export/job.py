"""The app's end of an ONNX export: a worker process, how far it is, and what it made. No torch."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from builder import document
from builder.diagnostic import Diagnostic, Refused
from builder.graph import Graph
from builder.infer import infer
from engine.link import ROOT
from engine.runner import ENVIRONMENT

Stage = Literal["wait", "start", "load", "write", "compare"]
STAGES: tuple[Stage, ...] = ("wait", "start", "load", "write", "compare")
PACKAGES = ("onnx", "onnxruntime", "onnxscript")
SECONDS = 300.0  # for one export; large networks on a busy machine take a minute
_one_at_a_time = threading.Semaphore(1)  # an export takes half a gigabyte and a whole core


class OnnxJob:
    """Starts at once, or when the one before is done. ``content`` or ``problem`` is there when ``done``."""

    def __init__(self, graph: Graph, weights: bytes | None = None) -> None:
        self.stage: Stage = "wait"
        self.content: bytes | None = None
        self.difference = 0.0
        self.problem = missing() or _broken(graph)
        self._ended = threading.Event()
        if self.problem:
            self._ended.set()
        else:
            threading.Thread(target=self._work, args=(graph, weights), name="onnx", daemon=True).start()

    @property
    def done(self) -> bool:
        return self._ended.is_set()

    def wait(self) -> bytes:
        """The file, when it is there. Raises Refused where there will be none."""
        self._ended.wait()
        if self.content is None:
            raise Refused(self.problem or failed())
        return self.content

    def _work(self, graph: Graph, weights: bytes | None) -> None:
        try:
            with _one_at_a_time, TemporaryDirectory(prefix="layerloom-onnx-") as folder:
                self._run(Path(folder), graph, weights)
        except OSError:
            self.problem = failed()
        finally:
            self._ended.set()

    def _run(self, folder: Path, graph: Graph, weights: bytes | None) -> None:
        net, target = folder / "network.json", folder / "network.onnx"
        net.write_text(document.dumps(graph), encoding="utf-8")
        arguments = [net, target]
        if weights is not None:
            arguments.append(folder / "weights.safetensors")
            arguments[-1].write_bytes(weights)
        self.stage = "start"
        for message in _messages(arguments):
            self._hear(message)
        if self.problem is None and target.is_file():
            self.content = target.read_bytes()
        else:
            self.problem = self.problem or failed()

    def _hear(self, message: dict[str, Any]) -> None:
        self.stage = message.get("stage", self.stage)
        self.difference = message.get("difference", self.difference)
        if found := message.get("problem"):
            self.problem = Diagnostic(found["code"], found["what"], found["cure"], found["node"])
        if trace := message.get("trace"):
            logging.getLogger("layerloom").error("An ONNX export failed\n%s", trace)


def _messages(arguments: list[Path]) -> Iterator[dict[str, Any]]:
    """What the worker says, until it ends or its time is up."""
    with subprocess.Popen(
        [sys.executable, "-m", "engine.export.onnx", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            yield from map(json.loads, process.stdout)
        finally:
            timer.cancel()


def missing() -> Diagnostic | None:
    """What to say where the packages of requirements-onnx.txt are not installed."""
    names = [name for name in PACKAGES if find_spec(name) is None]
    if not names:
        return None
    what = f"ONNX export needs {' and '.join(names)}, which this installation does not have."
    cure = "Run: pip install -r requirements-onnx.txt"
    return Diagnostic("export/onnx-missing", what, cure)


def _broken(graph: Graph) -> Diagnostic | None:
    return next(iter(infer(graph).errors), None)


def failed() -> Diagnostic:
    what = "The process that writes ONNX ended before it was done; it may have needed more memory than there is."
    return Diagnostic("export/onnx-ended", what, "Try again, or take model.py and the weights.")
