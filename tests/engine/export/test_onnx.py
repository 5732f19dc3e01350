"""Every ONNX file that is given away computes what the network computes, at any batch size."""

from __future__ import annotations

import io
import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from safetensors.torch import save_file
from torch import Tensor

from builder import document
from builder.compile import GraphModule, compile_graph
from builder.diagnostic import Refused
from builder.graph import Edge, Graph, Node
from builder.templates import TEMPLATES, load
from engine.export import job
from engine.export import onnx as export_onnx
from engine.export.job import STAGES, OnnxJob
from tests.engine.drawn import chain

ROOT = Path(__file__).parents[3]
EMBEDDING = chain(
    ("Input", {"shape": (5,), "dtype": "int64"}),
    ("Embedding", {"num_embeddings": 4, "embedding_dim": 3}),
    ("Flatten", {}),
    ("Linear", {"out_features": 2}),
    ("Output", {}),
)


@pytest.fixture(autouse=True)
def quiet() -> None:
    """The exporter logs what it skips."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)


def exported(graph: Graph, path: Path, weights: Path | None = None) -> tuple[float, list[str]]:
    stages: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return export_onnx.export(graph, path, weights, stages.append), stages


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda t: t.name)
def test_a_template_is_written_and_agrees_at_batches_of_1_2_and_5(template, tmp_path: Path) -> None:
    difference, stages = exported(load(template.name), tmp_path / "net.onnx")
    assert difference < 1e-5
    assert stages == ["load", "write", "compare"]
    model = onnx.load(tmp_path / "net.onnx")
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert str(ROOT).encode() not in (tmp_path / "net.onnx").read_bytes()


def test_tokens_and_several_inputs_and_outputs_keep_their_names(tmp_path: Path) -> None:
    exported(EMBEDDING, tmp_path / "tokens.onnx")
    graph = Graph(
        (Node("b", "Input", {"shape": (3,)}), Node("a", "Input", {"shape": (3,)}), Node("sum_1", "Add"),
         Node("relu_1", "ReLU"), Node("out_1", "Output"), Node("out_2", "Output")),
        (Edge("a", "sum_1", 0), Edge("b", "sum_1", 1), Edge("sum_1", "relu_1"), Edge("sum_1", "out_2"),
         Edge("relu_1", "out_1")),
    )  # fmt: skip
    assert exported(graph, tmp_path / "two.onnx")[0] == 0.0
    model = onnx.load(tmp_path / "two.onnx")
    assert [i.name for i in model.graph.input] == ["b", "a"]
    assert [o.name for o in model.graph.output] == ["out_1", "out_2"]


def test_the_file_holds_the_weights_that_were_given(tmp_path: Path) -> None:
    graph = load("iris_mlp")
    net = compile_graph(graph, seed=9)
    save_file(net.state_dict(), tmp_path / "weights.safetensors")
    exported(graph, tmp_path / "net.onnx", tmp_path / "weights.safetensors")
    held = [onnx.numpy_helper.to_array(t) for t in onnx.load(tmp_path / "net.onnx").graph.initializer]
    for weight in net.state_dict().values():
        assert any(h.shape == weight.shape and np.array_equal(h, weight.numpy()) for h in held)


def test_a_file_that_computes_something_else_is_not_given_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = GraphModule.forward

    def lies(self: GraphModule, *inputs: Tensor) -> Tensor:
        out = forward(self, *inputs)
        assert isinstance(out, Tensor)
        return out + 0.01

    graph = load("iris_mlp")
    content = export_onnx.written(compile_graph(graph, seed=0).eval(), graph)
    monkeypatch.setattr(GraphModule, "forward", lies)
    with pytest.raises(Refused) as refused:
        export_onnx.compared(compile_graph(graph, seed=0).eval(), graph, content)
    assert refused.value.diagnostics[0].code == "export/onnx-unequal"
    assert "no file" in refused.value.diagnostics[0].what


def test_the_worker_process_tells_how_far_it_is_and_hands_the_file_over() -> None:
    work = OnnxJob(load("logistic_regression"))
    content = work.wait()
    assert work.done
    assert work.stage == STAGES[-1]
    assert work.problem is None
    assert onnx.load_model(io.BytesIO(content)).graph.node


def answered(tmp_path: Path, weights: bytes | None = None) -> list[dict[str, Any]]:
    (tmp_path / "net.json").write_text(document.dumps(load("iris_mlp")))
    paths = [tmp_path / "net.json", tmp_path / "net.onnx"]
    if weights is not None:
        paths.append(tmp_path / "weights.safetensors")
        paths[-1].write_bytes(weights)
    messages: list[dict[str, Any]] = []
    export_onnx.answer(*paths, tell=lambda **message: messages.append(message))
    assert not (tmp_path / "net.onnx").exists()
    return messages


def test_an_unforeseen_fault_is_told_in_plain_words_and_logged_with_its_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    messages = answered(tmp_path, b"no weights")
    assert messages[-1]["problem"]["code"] == "export/onnx-failed"
    monkeypatch.setattr(job, "_messages", lambda arguments: iter(messages))
    with pytest.raises(Refused) as refused:
        OnnxJob(load("iris_mlp")).wait()
    assert refused.value.diagnostics[0].text == export_onnx.unwritable().text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    "cause", [MemoryError(), OSError(12, "Cannot allocate memory"), RuntimeError("not enough memory: 9 bytes")]
)
def test_too_little_memory_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: Exception) -> None:
    def full(*_: object) -> bytes:
        raise ValueError("a step of the exporter failed") from cause

    monkeypatch.setattr(export_onnx, "written", full)
    assert answered(tmp_path)[-1]["problem"]["code"] == "export/onnx-memory"


def test_a_worker_that_says_nothing_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_messages", lambda arguments: iter(()))
    with pytest.raises(Refused) as refused:
        OnnxJob(load("iris_mlp")).wait()
    assert refused.value.diagnostics[0].code == "export/onnx-ended"


def test_missing_packages_are_named_with_the_command_that_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "find_spec", lambda name: None if name == "onnxruntime" else object())
    work = OnnxJob(load("iris_mlp"))
    assert work.done
    assert work.problem is not None
    assert work.problem.text == (
        "ONNX export needs onnxruntime, which this installation does not have. "
        "Run: pip install -r requirements-onnx.txt"
    )
    assert {line.split("==")[0] for line in (ROOT / "requirements-onnx.txt").read_text().split()} == set(job.PACKAGES)


def test_a_network_with_an_error_is_not_even_tried() -> None:
    work = OnnxJob(Graph())
    assert work.done
    assert work.problem is not None
    assert json.dumps(work.problem.to_json())
