"""What the catalogue says where a layer does not fit, and that what it proposes cures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import builder.catalog
from builder.catalog import BY_TYPE
from builder.diagnostic import Diagnostic
from builder.edit import apply
from builder.infer import infer
from builder.spec import Inputs
from tests.builder.drawings import chain
from tests.builder.golden import golden
from tests.builder.layers import alone, tensor

Case = tuple[str, dict[str, Any], list[tuple[int, ...]]]
REFUSED: list[Case] = [
    ("Conv2d", {"kernel_size": 7}, [(1, 5, 5)]),
    ("Conv2d", {"kernel_size": 3, "dilation": 3, "padding": 1}, [(1, 4, 6)]),
    ("Conv2d", {"groups": 3}, [(4, 8, 8)]),
    ("Conv2d", {"same_padding": True, "stride": 2}, [(1, 8, 8)]),
    ("Conv2d", {}, [(64,)]),
    ("Conv2d", {}, [(10,)]),
    ("Conv2d", {}, [(28, 28)]),
    ("Conv1d", {"kernel_size": 5}, [(1, 3)]),
    ("Conv1d", {}, [(24,)]),
    ("Conv1d", {}, [(1, 28, 28)]),
    ("MaxPool2d", {}, [(6, 1, 1)]),
    ("MaxPool2d", {"padding": 2}, [(6, 8, 8)]),
    ("MaxPool1d", {"kernel_size": 4}, [(2, 3)]),
    ("AvgPool2d", {}, [(8,)]),
    ("AdaptiveAvgPool2d", {}, [(49,)]),
    ("RNN", {}, [(24,)]),
    ("LSTM", {}, [(1, 28, 28)]),
    ("GRU", {}, [(3, 8, 8)]),
    ("BatchNorm1d", {}, [(3, 8, 8)]),
    ("BatchNorm1d", {}, [(2, 3, 8, 8)]),
    ("BatchNorm2d", {}, [(16,)]),
    ("LayerNorm", {"last_axes": 3}, [(4, 8)]),
    ("Softmax", {"dim": 0}, [(10,)]),
    ("Softmax", {"dim": 3}, [(10,)]),
    ("Flatten", {"start_dim": 2}, [(10,)]),
    ("Flatten", {"start_dim": 2, "end_dim": 1}, [(3, 8, 8)]),
    ("Reshape", {"shape": (3, 3)}, [(10,)]),
    ("Reshape", {"shape": (-1, 3)}, [(10,)]),
    ("Reshape", {"shape": (-1, -1)}, [(10,)]),
    ("Add", {}, [(16, 8, 8), (8, 8, 8)]),
    ("Add", {}, [(16,), (8,)]),
    ("Add", {}, [(16,), (4, 4)]),
    ("Concat", {}, [(16, 8, 8), (8, 4, 4)]),
    ("Concat", {"dim": 2}, [(16, 8, 8), (8, 8, 8)]),
    ("Concat", {}, [(16,), (4, 4)]),
    ("Concat", {"dim": 0}, [(16,), (16,)]),
    ("Conv2d", {"kernel_size": (3, 7)}, [(1, 5, 5)]),
    ("Conv2d", {"same_padding": True, "stride": (1, 2)}, [(1, 8, 8)]),
    ("Conv3d", {}, [(8, 8, 8)]),
    ("ConvTranspose2d", {"output_padding": 2}, [(4, 8, 8)]),
    ("ConvTranspose1d", {"padding": 9}, [(4, 3)]),
    ("ConvTranspose2d", {"groups": 3}, [(4, 8, 8)]),
    ("MaxPool2d", {"kernel_size": (2, 4), "padding": (1, 3)}, [(6, 8, 8)]),
    ("AvgPool3d", {"kernel_size": 4, "padding": 2}, [(1, 2, 2, 2)]),
    ("Mean", {}, [(6,)]),
    ("MultiheadAttention", {"num_heads": 3}, [(5, 8), (5, 8), (5, 8)]),
    ("MultiheadAttention", {}, [(5, 8), (4, 8), (5, 8)]),
    ("MultiheadAttention", {"causal": True}, [(5, 8), (4, 8), (4, 8)]),
    ("TransformerEncoderLayer", {}, [(24, 6)]),
    ("TransformerDecoderLayer", {}, [(5, 8), (7, 4)]),
    ("GroupNorm", {}, [(6, 8, 8)]),
    ("InstanceNorm2d", {}, [(6, 1, 1)]),
    ("RMSNorm", {"last_axes": 3}, [(4, 8)]),
    ("LocalResponseNorm", {}, [(6,)]),
    ("GLU", {}, [(5,)]),
    ("Permute", {"dims": (1, 3)}, [(4, 8)]),
    ("Permute", {}, [(6,)]),
    ("Select", {"index": 9}, [(4, 8)]),
    ("Squeeze", {}, [(4, 1)]),
    ("Squeeze", {}, [(4, 8)]),
    ("Unsqueeze", {"dim": 5}, [(4,)]),
    ("Unflatten", {"shape": (3, 3)}, [(10,)]),
    ("Unflatten", {"shape": (-1, -1)}, [(10,)]),
    ("PixelShuffle", {}, [(6, 8, 8)]),
    ("Upsample", {"mode": "bilinear"}, [(4, 8)]),
    ("Subtract", {}, [(16,), (8,)]),
    ("Multiply", {}, [(4, 8), (4, 7)]),
    ("MatMul", {}, [(4, 8), (4, 8)]),
    ("MatMul", {}, [(4, 8), (5, 3)]),
    ("CosineSimilarity", {}, [(4, 8), (4, 7)]),
    ("Bilinear", {}, [(4, 8), (3, 8)]),
    ("Output", {"loss": "kl"}, [(5,)]),
]
ADVISED: list[tuple[str, dict[str, Any], tuple[int, ...], tuple[str, ...]]] = [
    ("Linear", {"out_features": 10}, (16, 5, 5), ("Output",)),
    ("LSTM", {"dropout": 0.2}, (24, 1), ("Linear",)),
    ("Softmax", {}, (10,), ("Output",)),
]


def diagnostics() -> list[tuple[str, Diagnostic]]:
    found = []
    for type_, params, shapes in REFUSED:
        found.append((type_, _refusal(type_, params, tuple(tensor(s) for s in shapes))))
    found.append(("Linear", _refusal("Linear", {}, (tensor((5,), "int64"),))))
    found.append(("Embedding", _refusal("Embedding", {}, (tensor((5,)),))))
    found.append(("Add", _refusal("Add", {}, (tensor((5,)), tensor((5,), "int64")))))
    for type_, params, shape, readers in ADVISED:
        spec = BY_TYPE[type_]
        advice = spec.advise(spec.complete(params), (tensor(shape),), readers)
        assert advice
        assert advice.severity == "warning"
        found.append((type_, advice))
    return found


def _refusal(type_: str, params: dict[str, Any], inputs: Inputs) -> Diagnostic:
    found = BY_TYPE[type_].infer(BY_TYPE[type_].complete(params), inputs)
    assert isinstance(found, Diagnostic), (type_, params, inputs)
    return found


def test_every_message_reads_as_agreed() -> None:
    lines = [f"{t}: {d.code}\n  {d.what}\n  {d.cure}\n  [{d.fix.label if d.fix else '-'}]\n" for t, d in diagnostics()]
    assert "\n".join(lines) == golden("diagnostics.txt", "\n".join(lines))


def test_every_code_in_the_catalogue_has_its_message_in_the_golden_file() -> None:
    sources = Path(builder.catalog.__path__[0]).glob("*.py")
    written = {code for path in sources for code in re.findall(r'"((?:shape|dtype|train)/[\w-]+)"', path.read_text())}
    assert written == {d.code for _, d in diagnostics()}


@pytest.mark.parametrize("case", REFUSED, ids=lambda c: f"{c[0]}-{c[1]}-{c[2]}")
def test_a_fix_that_is_offered_cures(case: Case) -> None:
    type_, params, shapes = case
    graph = alone(BY_TYPE[type_], tuple(tensor(s) for s in shapes), **params)
    (found,) = infer(graph).errors
    proposed = _refusal(type_, params, tuple(tensor(s) for s in shapes)).fix
    assert (found.fix is not None) == (proposed is not None), "a fix that never cures should not be proposed"
    if found.fix:
        assert infer(apply(graph, found.fix.edits)).errors == ()


def test_linear_on_an_image_is_warned_of_and_flattened() -> None:
    graph = chain("Input", "Linear", "Output", a={"shape": (1, 8, 8)})
    (found,) = infer(graph).diagnostics
    assert (found.code, found.severity, found.node) == ("shape/linear-on-last-axis", "warning", "b")
    assert found.fix
    graph = apply(graph, found.fix.edits)
    assert infer(graph).diagnostics == ()
    assert str(infer(graph).outputs["c"]) == "16"


def test_linear_on_a_sequence_is_not_warned_of() -> None:
    graph = chain("Input", "LSTM", "Linear", "Output", a={"shape": (24, 1)}, b={"output": "sequence"})
    assert infer(graph).diagnostics == ()


def test_softmax_is_warned_of_only_right_before_the_output() -> None:
    graph = chain("Input", "Linear", "Softmax", "Output")
    (found,) = infer(graph).diagnostics
    assert (found.code, found.node) == ("train/softmax-before-output", "c")
    assert found.fix
    cured = apply(graph, found.fix.edits)
    assert [n.type for n in cured.nodes] == ["Input", "Linear", "Output"]
    assert infer(cured).diagnostics == ()
    assert infer(chain("Input", "Softmax", "Linear", "Output")).diagnostics == ()
