"""What is said before a run that cannot go well, and that every offered cure cures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from builder import templates
from builder.diagnostic import Diagnostic
from builder.edit import apply
from builder.graph import Graph
from builder.infer import infer
from engine import memory
from engine.config import DataRef, TrainConfig
from engine.data import DATASETS, Dataset, load
from engine.data.csv import csv_dataset
from engine.preflight import estimate_bytes, preflight
from tests.builder.drawings import chain, draw

GOLDEN = Path(__file__).parent / "golden" / "preflight.txt"
SHOWN = 10 * 2**30


@pytest.fixture(autouse=True)
def _ten_gigabytes_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: SHOWN)
    monkeypatch.delenv("LAYERLOOM_MEMORY_MB", raising=False)


Layer = str | tuple[str, dict[str, Any]]


def net(shape: int | tuple[int, ...], *layers: Layer, dtype: str = "float32") -> Graph:
    """Input of ``shape``, the layers and Output in a row, called a, b, c, …"""
    size = shape if isinstance(shape, tuple) else (shape,)
    row = [("Input", {"shape": size, "dtype": dtype}), *layers, "Output"]
    pairs = [(layer, {}) if isinstance(layer, str) else layer for layer in row]
    return chain(*(type_ for type_, _ in pairs), **{chr(97 + i): params for i, (_, params) in enumerate(pairs)})


def linear(n: int) -> Layer:
    return "Linear", {"out_features": n}


IMAGE, SEQUENCE, FEW = (1, 8, 8), ("LSTM", {"output": "sequence"}), {"batch_size": 1}
CONV, POOL = ("Conv2d", {"out_channels": 10}), ("AdaptiveAvgPool2d", {"output_size": 1})
HUGE_CONV = ("Conv2d", {"out_channels": 10_000, "padding": 1})
TWO_INPUTS = draw("a:Input b:Input c:Add d:Linear e:Output", "a>c:0 b>c:1 c>d d>e", d={"out_features": 2})
TWO_OUTPUTS = draw("a:Input b:Linear c:Output d:Output", "a>b b>c b>d", b={"out_features": 2})
SAME, EMBED = ("Conv2d", {"out_channels": 2, "padding": 1}), ("Embedding", {"num_embeddings": 10})


def replace_params(node: str, **params: Any) -> Graph:
    return net(2, linear(2)).set_params(node, params)


def redrawn(graph: Graph, **params: Any) -> Graph:
    """With its first input as the target."""
    (output,) = (n.id for n in graph.nodes if n.type == "Output")
    return graph.set_params(output, {"target": "image", **params})


CASES: dict[str, tuple[str, Graph, dict[str, Any]]] = {
    "an empty canvas": ("iris", Graph(), {}),
    "a network drawn for other data": ("iris", net(2, "Linear", linear(2)), {}),
    "points into a network for images": ("spiral", net(IMAGE, "Linear", linear(10)), {}),
    "images into a network for points": ("digits", net(2, "Linear", "ReLU", linear(2)), {}),
    "indices where measurements come": ("sunspots", net(24, "Embedding", "LSTM", linear(1), dtype="int64"), {}),
    "too few classes": ("iris", net(4, "Linear", "ReLU", linear(2)), {}),
    "one output for two classes": ("breast_cancer", net(30, "Linear", linear(1)), {}),
    "two outputs for one number": ("diabetes", net(10, "Linear", linear(2)), {}),
    "an activation at the end": ("iris", net(4, linear(9), "Tanh"), {}),
    "no Linear to widen": ("digits", net(IMAGE, "Flatten"), {}),
    "no Flatten": ("digits", net(IMAGE, "Linear", "ReLU", linear(10)), {}),
    "a picture as answer": ("digits", net(IMAGE, CONV, "ReLU", POOL), {}),
    "a sequence as answer": ("sunspots", net((24, 1), SEQUENCE, linear(1)), {}),
    "two Inputs": ("spiral", TWO_INPUTS, {}),
    "two Outputs": ("spiral", TWO_OUTPUTS, {}),
    "an Input for what is not there": ("spiral", replace_params("a", field="pixels"), {}),
    "an Output for what is not there": ("spiral", replace_params("c", target="colour"), {}),
    "an Input too few": ("digit_pairs", net(IMAGE, "Flatten", linear(2)), {}),
    "a picture that is too short": ("digits", redrawn(net(IMAGE, "Flatten", linear(10))), {}),
    "a picture of another size": ("digits", redrawn(net(IMAGE, CONV)), {}),
    "a picture in too many colours": ("digits", redrawn(net(IMAGE, SAME, "ReLU")), {}),
    "one score where each place asks for some": ("copying", net((20,), EMBED, "LSTM", linear(10), dtype="int64"), {}),
    "too few vectors for the symbols": (
        "copying",
        net((20,), ("Embedding", {"num_embeddings": 9}), SEQUENCE, linear(9), dtype="int64"),
        {},
    ),
    "too few scores for each place": ("copying", net((20,), EMBED, SEQUENCE, linear(2), dtype="int64"), {}),
    "too few scores for each pixel": ("shapes", net((1, 32, 32), SAME, "ReLU", SAME), {}),
    "pixels of another size": ("shapes", net((1, 32, 32), CONV), {}),
    "a loss for classes on a picture": ("digits", redrawn(net(IMAGE), loss="bce"), {}),
    "a weight that is none": (
        "spiral",
        TWO_OUTPUTS.set_params("d", {"target": "class"}),
        {"knobs": {"weight:c": -1.0}},
    ),
    "cross-entropy for numbers": ("diabetes", net(10, linear(1)), {"loss": "cross_entropy"}),
    "binary cross-entropy for numbers": ("plane", net(2, linear(1)), {"loss": "bce"}),
    "softmax twice": ("iris", net(4, linear(3), "Softmax"), {}),
    "a batch larger than the data": ("iris", net(4, linear(3)), {"knobs": {"batch_size": 500}}),
    "batch norm over one example": ("iris", net(4, "Linear", "BatchNorm1d", linear(3)), {"knobs": FEW}),
    "dropout without a Dropout": ("iris", net(4, linear(3)), {"knobs": {"dropout": 0.5}}),
    "label smoothing for numbers": ("diabetes", net(10, linear(1)), {"knobs": {"label_smoothing": 0.1}}),
    "an unknown knob": ("iris", net(4, linear(3)), {"knobs": {"dropout:b": 0.5}}),
    "a knob out of range": ("iris", net(4, linear(3)), {"knobs": {"lr": 20.0}}),
    "a batch size that is none": ("iris", net(4, linear(3)), {"knobs": {"batch_size": "many"}}),
    "weights that do not fit": ("iris", net(4, linear(20_000), linear(20_000), linear(3)), {}),
    "activations that do not fit": (
        "digits",
        net(IMAGE, HUGE_CONV, "ReLU", "Flatten", linear(10)),
        {"knobs": {"batch_size": 1024}},
    ),
}


def check(case: str) -> tuple[Diagnostic, ...]:
    name, graph, settings = CASES[case]
    return preflight(graph, TrainConfig(DataRef(name), **settings), load(DataRef(name)))


def told(case: str) -> str:
    lines = [f"# {case} ({CASES[case][0]})"]
    for d in check(case):
        place = " · ".join(filter(None, (d.severity, d.node, d.field)))
        lines.append(f"{d.code} [{place}] {d.text}" + (f"\n    → {d.fix.label}" if d.fix else ""))
    return "\n".join(lines)


def test_messages_read_as_in_the_golden_file() -> None:
    found = "\n\n".join(told(case) for case in CASES) + "\n"
    if os.environ.get("LAYERLOOM_GOLDEN") == "write":
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_every_case_is_told_and_every_offered_fix_cures_it(case: str) -> None:
    name, graph, settings = CASES[case]
    data, config = load(DataRef(name)), TrainConfig(DataRef(name), **settings)
    found = check(case)
    assert found
    before = {(d.code, d.node) for d in found if d.severity == "error"}
    for d in found:
        if d.fix and not d.code.startswith(("graph/", "shape/")):  # those are the builder's own
            left = preflight(apply(graph, d.fix.edits), config, data)
            assert (d.code, d.node) not in {(x.code, x.node) for x in left}
            assert {(x.code, x.node) for x in left if x.severity == "error"} <= before


CURED_AT_ONCE = [
    case for case in CASES if case.startswith(("a network", "points", "images", "too few", "one", "two out"))
]
CURED_AT_ONCE += ["an activation at the end", "no Linear to widen", "no Flatten", "softmax twice"]
CURED_AT_ONCE += ["a picture as answer", "a sequence as answer"]
CURED_AT_ONCE += [case for case in CASES if case.startswith(("an Input for", "an Output for"))]


@pytest.mark.parametrize("case", CURED_AT_ONCE)
def test_one_click_on_the_first_fix_makes_the_network_fit(case: str) -> None:
    name, graph, settings = CASES[case]
    fix = check(case)[0].fix
    assert fix
    left = preflight(apply(graph, fix.edits), TrainConfig(DataRef(name), **settings), load(DataRef(name)))
    assert not [d for d in left if d.severity == "error"]


@pytest.mark.parametrize("template", templates.TEMPLATES, ids=lambda t: t.name)
def test_every_template_fits_the_data_it_is_drawn_for(template: templates.Template) -> None:
    ref = DataRef(template.dataset)
    found = preflight(templates.load(template.name), TrainConfig(ref), load(ref))
    assert not [d for d in found if d.severity == "error"]


@pytest.mark.parametrize("template", templates.TEMPLATES, ids=lambda t: t.name)
def test_where_a_template_does_not_fit_a_data_set_no_bad_fix_is_offered(template: templates.Template) -> None:
    graph, every = templates.load(template.name), 4
    for spec in DATASETS[:-1][templates.TEMPLATES.index(template) % every :: every]:
        data, config = load(DataRef(spec.name)), TrainConfig(DataRef(spec.name))
        found = preflight(graph, config, data)
        fits = infer(graph).ok and _fits(graph, data)
        assert any(d.severity == "error" for d in found) != fits
        before = {(d.code, d.node) for d in found if d.severity == "error"}
        for d in found:
            if d.severity == "error" and d.fix:
                left = {
                    (x.code, x.node)
                    for x in preflight(apply(graph, d.fix.edits), config, data)
                    if x.severity == "error"
                }
                assert left <= before - {(d.code, d.node)}


def _fits(graph: Graph, dataset: Dataset) -> bool:
    """Every Input has the form of what it takes, and every Output that of what it is compared with."""
    inference, inputs = infer(graph), {f.name: f for f in dataset.inputs}
    ends = []
    for i, (id, given) in enumerate(inference.inputs.items()):
        name = graph.by_id[id].params.get("field") or [*inputs, ""][min(i, len(inputs))]
        ends.append(name in inputs and (inputs[name].spec.shape, inputs[name].spec.dtype) == (given.shape, given.dtype))
    for i, (id, given) in enumerate(inference.outputs.items()):
        if graph.by_id[id].params.get("loss") != "kl":
            name = (
                graph.by_id[id].params.get("target")
                or [*(f.name for f in dataset.targets), ""][min(i, len(dataset.targets))]
            )
            ends.append(name in dataset.fields and dataset.fields[name].answer == given.shape)
    return all(ends)


def test_a_network_that_fits_is_let_through_in_silence() -> None:
    assert preflight(net(4, "Linear", "ReLU", linear(3)), TrainConfig(DataRef("iris")), load(DataRef("iris"))) == ()
    softmax = net(4, linear(3), "Softmax")  # only cross-entropy applies softmax itself
    assert preflight(softmax, TrainConfig(DataRef("iris"), loss="mse"), load(DataRef("iris"))) == ()
    image = net(IMAGE, "BatchNorm2d", "Flatten", linear(10))  # 64 pixels per channel to compare
    assert preflight(image, TrainConfig(DataRef("digits"), knobs=FEW), load(DataRef("digits"))) == ()


def test_an_upload_is_named_by_its_title() -> None:
    rows = "\n".join(["x,y", *(f"{i},{i * 0.5}" for i in range(50))]).encode()
    found = preflight(net(2, linear(1)), TrainConfig(DataRef("csv")), csv_dataset(rows, "y"))
    assert [d.code for d in found] == ["data/wrong-input"]
    assert "Your own table" in found[0].what


def test_the_batch_size_that_a_message_asks_for_fits() -> None:
    case = "activations that do not fit"
    asked = int(check(case)[0].cure.split()[5].replace(",", ""))
    data, graph = load(DataRef("digits")), CASES[case][1]
    for batch, fits in ((asked, True), (asked + 1, False)):
        config = TrainConfig(DataRef("digits"), knobs={"batch_size": batch})
        assert (preflight(graph, config, data) == ()) == fits
        assert (estimate_bytes(graph, config, data) <= memory.allowed()) == fits


def test_the_estimate_counts_what_a_hand_count_gives() -> None:
    graph, data = net(IMAGE, "Flatten", linear(10)), load(DataRef("digits"))
    weights, kept = 64 * 10 + 10, 64 + 64 + 10 + 10
    sgd = estimate_bytes(graph, TrainConfig(DataRef("digits"), optimizer="sgd"), data)
    fullest = 4 * 64  # while the pixels are put in a row: before and after, each perhaps in a layout of its own as well
    assert sgd == 4 * (weights * 4 + fullest * 359) + data.nbytes
    adam = estimate_bytes(graph, TrainConfig(DataRef("digits"), optimizer="adam"), data)
    assert adam == sgd + 4 * weights * 6
    large = TrainConfig(DataRef("digits"), optimizer="sgd", knobs={"batch_size": 1000})
    assert estimate_bytes(graph, large, data) == sgd + 4 * (kept * 2000 - fullest * 359)


def test_the_estimate_counts_what_is_given_for_all_held_out_examples() -> None:
    graph, ref = net((1, 28, 28), "Flatten", linear(10)), DataRef("mnist", {"test_share": 0.5})
    need = memory.need(infer(graph), TrainConfig(ref), load(ref))
    assert need.activations == 4 * (4 * 784 * 1024 + 10 * (2500 - 1024))


def test_the_state_of_each_optimizer_is_counted_as_it_is_kept() -> None:
    optimizers = pytest.importorskip("engine.optimizers").OPTIMIZERS
    assert {name: len(o.buffers) for name, o in optimizers.items()} == memory.STATE


def test_a_run_may_take_half_of_what_is_free_and_no_more_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory.allowed() == SHOWN // 2
    monkeypatch.setenv("LAYERLOOM_MEMORY_MB", "300")
    assert memory.allowed() == 300 * 2**20


def test_free_memory_is_that_of_the_container_where_that_is_less(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    (tmp_path / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable:    4096 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.available() == 4 * 2**20
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 400\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available() == 4 * 2**20
    (tmp_path / "memory.max").write_text("3000\n")
    assert memory.available() == 2400
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "none")
    assert memory.available() > 2**20
