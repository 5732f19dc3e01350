"""The exported source is what a person would have written, and computes the same bits as the module."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from builder.compile import compile_graph
from builder.definitions import definitions
from builder.graph import Edge, Graph, Node
from builder.infer import infer
from builder.names import class_name, comment
from builder.source import WEIGHTS, source
from builder.spec import LayerSpec
from builder.templates import TEMPLATES, Template, load
from tests.builder.drawings import chain, graphs
from tests.builder.golden import golden
from tests.builder.layers import LAYERS, alone, batch, inputs_for

RUFF = Path(sys.executable).with_name("ruff")
LONG = "a" * 32
RUN = """
import importlib.util, sys
from pathlib import Path
from typing import Any
import torch
from safetensors.torch import load_file, save_file
for folder in map(Path, sys.argv[1:]):
    spec = importlib.util.spec_from_file_location(folder.name, folder / "net.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, torch.nn.Module)][-1]().eval()
    net.load_state_dict(load_file(folder / "weights.safetensors"))
    inputs = load_file(folder / "inputs.safetensors")
    # a clone lies where torch allocates: the bits of a matrix product depend on the alignment in memory
    out = net(*(inputs[k].clone() for k in sorted(inputs)))
    outs = out if isinstance(out, tuple) else (out,)
    save_file({str(i): o.detach().contiguous() for i, o in enumerate(outs)}, folder / "outputs.safetensors")
"""


def write(folder: Path, graph: Graph) -> list[Tensor]:
    """Source, weights and inputs in ``folder``; the outputs of the module."""
    folder.mkdir()
    net = compile_graph(graph, seed=1).eval()
    (folder / "net.py").write_text(source(graph, "net"), encoding="utf-8")
    save_file(net.state_dict(), folder / WEIGHTS)
    inputs = [batch(x, 3, i) for i, x in enumerate(infer(graph).inputs.values())]
    save_file({str(i): x for i, x in enumerate(inputs)}, folder / "inputs.safetensors")
    out = net(*inputs)
    return list(out) if isinstance(out, tuple) else [out]


def run(*arguments: object, cwd: Path) -> str:
    env = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run([*map(str, arguments)], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ruff_accepts(*texts: str, folder: Path, widths: tuple[int, ...] = (88, 120)) -> None:
    for i, text in enumerate(texts):
        (folder / f"source_{i}.py").write_text(text, encoding="utf-8")
    run(RUFF, "check", "--isolated", "--select", "E4,E7,E9,F,I,B,UP,SIM", folder, cwd=folder)
    for width in widths:
        run(RUFF, "format", "--isolated", "--check", "--diff", "--line-length", width, folder, cwd=folder)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda t: t.name)
def test_the_source_of_a_template_reads_as_agreed(template: Template) -> None:
    text = source(load(template.name), template.title)
    assert text == golden(f"{template.name}.py", text)


def test_what_torch_lacks_is_carried_along_once_and_reads_as_agreed() -> None:
    graph = chain(
        *("Input", "LearnedPositions", "ClassToken", "GaussianNoise", "TransformerEncoderLayer"),
        *("StochasticDepth", "TransformerEncoderLayer", "GaussianNoise", "Select", "Linear", "Output"),
        a={"shape": (24, 8)},
        e={"causal": True, "dropout": 0.0},
        g={"causal": True, "dropout": 0.0, "share": "e"},
        j={"out_features": 2, "init": "xavier_uniform"},
    )
    text = source(graph, "Own modules")
    assert text == golden("own_modules.py", text)
    for name in definitions():
        assert text.count(f"class {name}(") + text.count(f"def {name}(") == (name in USED), name


USED = {"LearnedPositions", "ClassToken", "GaussianNoise", "StochasticDepth", "causal_mask", "initialize"}


def test_in_a_fresh_process_templates_and_layers_compute_the_same_bits(tmp_path: Path) -> None:
    drawings = {t.name: load(t.name) for t in TEMPLATES}
    drawings |= {s.type: alone(s, inputs_for(s)) for s in LAYERS}
    drawings |= {f"{s.type}_variant": alone(s, inputs_for(s, **p), **p) for s, p in variants()}
    expected = {name: write(tmp_path / name, graph) for name, graph in drawings.items()}
    run(sys.executable, "-c", RUN, *(tmp_path / name for name in drawings), cwd=tmp_path)
    for name, tensors in expected.items():
        got = load_file(tmp_path / name / "outputs.safetensors")
        assert [k for k in got if not torch.equal(got[k], tensors[int(k)])] == [], name
        assert len(got) == len(tensors)


def variants() -> list[tuple[LayerSpec, dict[str, Any]]]:
    by_group: dict[str, dict[str, Any]] = {
        "Recurrent": {"bidirectional": True, "num_layers": 2, "bias": False, "dropout": 0.1},
        "Convolution": {"same_padding": True, "dilation": 2, "groups": 2, "bias": False, "init": "orthogonal"},
        "Pooling": {"padding": 1, "ceil_mode": True, "stride": 3},
        "Attention": {"causal": True, "norm_first": True, "activation": "gelu", "num_heads": 2},
        "Normalisation": {"affine": True, "elementwise_affine": False, "eps": 1e-3},
    }
    known = {s.type: {p.name for p in s.params} for s in LAYERS}
    found = [(s, {k: v for k, v in by_group.get(s.group, {}).items() if k in known[s.type]}) for s in LAYERS]
    return [(s, p) for s, p in found if p]


def test_the_file_runs_by_itself_with_and_without_weights(tmp_path: Path) -> None:
    write(tmp_path / "lenet", load("lenet5"))
    once = "runpy.run_path('lenet/net.py', run_name='__main__')"
    code = f"import os, runpy; {once}; os.remove('lenet/{WEIGHTS}'); {once}"
    assert run(sys.executable, "-c", code, cwd=tmp_path) == "(1, 10)\n(1, 10)\n"


def load_class(text: str, name: str = "Net") -> type[nn.Module]:
    """The class of our own generated text; no user text gets here other than through source()."""
    space: dict[str, object] = {"__name__": "exported"}
    exec(compile(text, "exported", "exec"), space)
    found = space[name]
    assert isinstance(found, type)
    return found


@pytest.mark.parametrize("init", ["pytorch", "xavier_uniform", "kaiming_normal", "normal_small"])
def test_the_same_seed_starts_source_and_module_alike(init: str) -> None:
    settings_ = {"out_features": 5, "init": init}
    graph = chain("Input", "Linear", "ReLU", "Linear", "Output", b=settings_, d=settings_)
    ours = compile_graph(graph, seed=3).state_dict()
    torch.manual_seed(3)
    theirs = load_class(source(graph))().state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)


@settings(max_examples=40, deadline=None)
@given(graph=graphs(), title=st.text(max_size=30))
def test_the_source_of_a_wild_drawing_is_python_with_the_same_keys(graph: Graph, title: str) -> None:
    found = infer(graph)
    if found.errors or found.params > 1_000_000:
        return
    text = source(graph, title)
    assert text.isascii()
    net = load_class(text, class_name(title))()
    assert list(net.state_dict()) == list(compile_graph(graph).state_dict())


def test_ruff_has_nothing_to_change(tmp_path: Path) -> None:
    long_ids = [_with_long_names(alone(s, inputs_for(s, **p), **p)) for s, p in variants()]
    many = Graph().add(Node("o", "Concat")).add(Node("out", "Output"), [Edge("o", "out")])
    for i in range(40):
        many = many.add(Node(f"i{i}", "Input"), [Edge(f"i{i}", "o", i)])
    drawings = [load(t.name) for t in TEMPLATES] + [alone(s, inputs_for(s)) for s in LAYERS] + long_ids + [many]
    ruff_accepts(*(source(g) for g in drawings), folder=tmp_path)


def _with_long_names(graph: Graph) -> Graph:
    new = {n.id: n.id if n.type in ("Input", "Output") else LONG for n in graph.nodes}
    nodes = tuple(Node(new[n.id], n.type, n.params, "A label. " * 20) for n in graph.nodes)
    return Graph(nodes, tuple(Edge(new[e.source], new[e.target], e.port) for e in graph.edges))


HOSTILE = [
    '"""\nimport os',
    "x\\",
    "fmt: off",
    "noqa: F401",
    "type: ignore",
    "\n\n    evil()",
    "é\u202e\x00",
    "class",
    "9 lives",
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_the_user_becomes_code(text: str, tmp_path: Path) -> None:
    plain = chain("Input", "Linear", "Output")
    named = Graph(tuple(Node(n.id, n.type, n.params, text) for n in plain.nodes), plain.edges)
    written = source(named, text)
    ours, theirs = ast.parse(source(plain, "Net")), ast.parse(written)
    for tree in (ours, theirs):
        tree.body[0] = ast.Pass()  # the docstring holds the title
    assert ast.dump(renamed(theirs, class_name(text))) == ast.dump(ours)
    ruff_accepts(written, folder=tmp_path)


def renamed(tree: ast.AST, name: str) -> ast.AST:
    """``tree`` with the class of that name called Net."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == name:
            node.name = "Net"
        if isinstance(node, ast.Name) and node.id == name:
            node.id = "Net"
    return tree


def test_a_label_stays_readable() -> None:
    assert comment("Block 1:  Kanten\n finden") == "Block 1: Kanten finden"
    assert comment("fmt: off") == "fmt - off"
    assert comment("Überblick") == "Uberblick"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("LeNet-5", "LeNet5"),
        ("Encoder–decoder", "EncoderDecoder"),
        ("my net", "MyNet"),
        ("5 layers", "Net5Layers"),
        ("none", "None_"),
        ("class token", "ClassToken_"),
        ("", "Net"),
    ],
)
def test_a_title_becomes_a_class_name(title: str, name: str) -> None:
    assert class_name(title) == name


@pytest.mark.parametrize(
    ("drawn", "names"),
    [
        ((("left", "A"), ("right", "B")), "left right"),
        ((("", "So far"), ("", "Überblick")), "so_far uberblick"),
        ((("", ""), ("", "")), "x y"),
        ((("same", ""), ("same", "")), "same y"),
        ((("class", ""), ("input", "")), "x y"),  # a keyword and a builtin
        ((("y", ""), ("x", "")), "x y"),  # what registers are called
        ((("torch", ""), ("causal_mask", "")), "x y"),
        ((("cat", ""), ("self", "")), "x y"),  # the name of a layer
        ((("", "5 numbers"), ("", "a" * 41)), "x y"),
    ],
)
def test_several_inputs_are_arguments_named_as_they_are_drawn(drawn: Any, names: str, tmp_path: Path) -> None:
    graph = Graph().add(Node("cat", "Concat")).add(Node("out", "Output"), [Edge("cat", "out")])
    for i, (field, label) in enumerate(drawn):
        graph = graph.add(Node(f"in_{i}", "Input", {"field": field}, label), [Edge(f"in_{i}", "cat", i)])
    text = source(graph)
    first, second = names.split()
    assert f"def forward(self, {first}: torch.Tensor, {second}: torch.Tensor)" in text
    typed = "x" if names.startswith("x ") else "x: torch.Tensor"
    assert f"{typed} = torch.cat([{first}, {second}], dim=1)" in text
    assert load_class(text)()(torch.zeros(1, 2), torch.ones(1, 2)).tolist() == [[0, 0, 1, 1]]


def test_an_input_that_is_an_output_as_well_is_returned_by_its_name() -> None:
    graph = Graph().add(Node("a", "Input", {"field": "left"})).add(Node("b", "Input", {"field": "right"}))
    graph = graph.add(Node("o", "Output"), [Edge("b", "o")]).add(Node("p", "Output"), [Edge("a", "p")])
    assert "        return right, left\n" in source(graph)


def test_the_export_needs_no_torch(tmp_path: Path) -> None:
    code = "import sys; from builder.source import source; from builder.templates import load; source(load('lstm')); "
    run(sys.executable, "-c", code + "assert 'torch' not in sys.modules", cwd=Path(__file__).parents[2])


def test_imports_are_those_that_are_used() -> None:
    plain = source(chain("Input", "Linear", "Output"))
    assert "Callable" not in plain
    assert "def initialize" not in plain
    assert "Callable" in source(chain("Input", "Linear", "Output", b={"init": "zeros"}))


def test_the_file_imports_every_module_that_the_catalogue_calls() -> None:
    called = set()
    for spec in LAYERS:
        for params in ({}, *(p for s, p in variants() if s is spec)):
            complete, inputs = spec.complete(params), inputs_for(spec, **params)
            calls = repr((spec.module and spec.module(complete, inputs), spec.forward(complete, inputs)))
            called |= set(re.findall(r"target='(\w+)", calls))
    assert called == {"self", "nn", "torch", "modules"}
