from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder import document
from builder.diagnostic import Diagnostic, Refused
from builder.document import dumps, from_json, loads, to_json
from builder.graph import Edge, Graph
from builder.reader import MAX_PROBLEMS
from tests.builder.drawings import draw, graphs

GOLDEN = """{
  "format": "layerloom",
  "version": 2,
  "nodes": [
    {"id": "a", "type": "Input", "params": {"shape": [1, 28, 28]}, "position": [0.0, 0.0]},
    {"id": "b", "type": "Flatten", "label": "Flach, größer", "position": [100.0, 0.0]}
  ],
  "edges": [
    {"source": "a", "target": "b", "port": 0}
  ]
}
"""


def body(nodes=(), edges=(), **more):
    return {"format": "layerloom", "version": 2, "nodes": list(nodes), "edges": list(edges), **more}


def problems(text_or_body) -> list[tuple[str, str]]:
    """(code, text) of everything that is said against a document."""
    with pytest.raises(Refused) as refused:
        loads(text_or_body) if isinstance(text_or_body, str | bytes) else loads(json.dumps(text_or_body))
    return [(d.code.removeprefix("document/"), d.text) for d in refused.value.diagnostics]


@settings(max_examples=60)
@given(graphs())
def test_what_is_saved_loads_as_the_same_graph(graph):
    assert loads(dumps(graph)) == graph
    assert loads(dumps(graph).encode()) == graph
    assert from_json(to_json(graph)) == graph


@given(graphs())
def test_saving_is_stable(graph):
    assert dumps(loads(dumps(graph))) == dumps(graph)


def test_a_saved_file_is_readable():
    graph = draw("a:Input b:Flatten", "a>b", a={"shape": (1, 28, 28)}).set_label("b", "Flach, größer")
    assert dumps(graph) == GOLDEN
    assert dumps(Graph()).count("[]") == 2


def test_a_half_drawn_network_loads():
    circle = draw("a:Linear b:Add c:Output", "a>b b>a c>b:1")
    assert loads(dumps(circle)) == circle
    assert loads(json.dumps(body())) == Graph()


def test_a_value_out_of_range_loads_so_that_no_drawing_is_lost_to_a_slip():
    graph = draw("a:Conv2d", a={"kernel_size": 0})
    assert loads(dumps(graph)) == graph


def test_optional_keys_may_be_left_out():
    graph = loads(json.dumps(body([{"id": "a", "type": "Input"}, {"id": "b", "type": "Output"}],
                                  [{"source": "a", "target": "b"}])))  # fmt: skip
    assert graph.edges == (Edge("a", "b", 0),)
    assert (graph.nodes[0].params, graph.nodes[0].label, graph.nodes[0].position) == ({}, "", (0.0, 0.0))


def test_left_out_ports_of_a_variadic_layer_are_numbered_in_the_order_of_the_file():
    nodes = [{"id": i, "type": "Input"} for i in "abc"] + [{"id": "z", "type": "Concat"}]
    edges = [{"source": "b", "target": "z"}, {"source": "a", "target": "z"}, {"source": "c", "target": "z", "port": 5}]
    graph = loads(json.dumps(body(nodes, [*edges, {"source": "c", "target": "z"}])))
    assert [(e.source, e.port) for e in graph.inputs("z")] == [("b", 0), ("a", 1), ("c", 5), ("c", 6)]


def test_numbers_of_a_browser_become_the_kind_of_the_parameter():
    nodes = [{"id": "a", "type": "Conv2d", "params": {"kernel_size": 5.0}, "position": [3, 4.5]}]
    (node,) = loads(json.dumps(body(nodes))).nodes
    assert type(node.params["kernel_size"]) is int
    assert node.position == (3.0, 4.5)


NODE = {"id": "a", "type": "Linear"}
REFUSED = {
    "empty": ("", "empty", "The file is empty. Open a file that Layerloom saved."),
    "blank": (" \n ", "empty", "The file is empty. Open a file that Layerloom saved."),
    "not JSON": (
        "hello",
        "not-json",
        "Line 1, column 1: this is not JSON. Mend that place, or open a file that Layerloom saved.",
    ),
    "cut off": (
        GOLDEN[:120],
        "not-json",
        "Line 5, column 65: this is not JSON. Mend that place, or open a file that Layerloom saved.",
    ),
    "a picture": (
        b"\x89PNG\r\n\x1a\n\x00",
        "not-text",
        "The file is not text in UTF-8. Open a file that Layerloom saved.",
    ),
    "3 MB": (
        "[" + "1," * 1_500_000 + "1]",
        "too-large",
        "The file has more than 2,000,000 bytes, which no network needs. Open a smaller file.",
    ),
    "a bomb of brackets": (
        "[" * 900_000,
        "too-deep",
        "The file is nested too deeply. Open a file that Layerloom saved.",
    ),
    "a bomb of objects": (
        '{"a":' * 300_000,
        "too-deep",
        "The file is nested too deeply. Open a file that Layerloom saved.",
    ),
    "a list": ("[]", "wrong-format", "A network file is an object; it is []. Open a file that Layerloom saved."),
    "another format": (
        '{"format": "onnx"}',
        "wrong-format",
        'A network file says "format": "layerloom"; its format is \'onnx\'. Open a file that Layerloom saved.',
    ),
    "a newer version": (
        body() | {"version": 7},
        "newer",
        "The file was saved by a newer Layerloom (format 7; this one reads up to 2). Update Layerloom.",
    ),
    "no version": (
        {"format": "layerloom"},
        "wrong-version",
        "version: must be 1, 2; it is empty. Open a file that Layerloom saved.",
    ),
    "version true": (
        body() | {"version": True},
        "wrong-version",
        "version: must be 1, 2; it is true. Open a file that Layerloom saved.",
    ),
    "100,000 digits": (
        '{"format": "layerloom", "version": ' + "9" * 100_000 + "}",
        "number-too-large",
        "A number has 100,000 digits (99999999…); at most 20 are read. Use a smaller number.",
    ),
    "1e400": (
        '{"format": "layerloom", "version": 1e400}',
        "number-too-large",
        "The number 1e400 is too large. Use a smaller number.",
    ),
    "NaN": (
        '{"version": NaN}',
        "not-finite",
        "NaN is not a number that a network can have. Use an ordinary number.",
    ),
    "-Infinity": (
        '{"version": -Infinity}',
        "not-finite",
        "-Infinity is not a number that a network can have. Use an ordinary number.",
    ),
    "a key twice": (
        '{"format": "layerloom", "format": "layerloom"}',
        "duplicate-key",
        "The key 'format' stands twice in one object. Remove one of them.",
    ),
    "__class__": (
        body(__class__="os.system"),
        "unknown-key",
        "__class__: there is no such key. Use one of format, version, nodes, edges, notes.",
    ),
    "__class__ in a node": (
        body([NODE | {"__class__": 1}]),
        "unknown-key",
        "nodes[0].__class__: there is no such key. Use one of id, type, params, label, position.",
    ),
    "__class__ in params": (
        body([NODE | {"params": {"__class__": "x"}}]),
        "unknown-parameter",
        "nodes[0].params.__class__: Linear has no parameter '__class__'. Use one of out_features, bias, init, share.",
    ),
    "a misspelt key": (
        body([NODE | {"parms": {}}]),
        "unknown-key",
        "nodes[0].parms: there is no such key. Did you mean 'params'?",
    ),
    "a path as id": (
        body([{"id": "../../etc/passwd", "type": "Input"}]),
        "id",
        "nodes[0].id: must be letters, digits and _, at most 64 and no digit first; it is '../../etc/passwd'. "
        "Choose another id.",
    ),
    "a path as type": (
        body([{"id": "a", "type": "../Linear"}]),
        "unknown-type",
        "nodes[0].type: must name a layer type; it is '../Linear'. Did you mean 'Linear'?",
    ),
    "no type": (
        body([{"id": "a"}]),
        "unknown-type",
        "nodes[0].type: must name a layer type; it is empty. Check the spelling.",
    ),
    "an id twice": (
        body([NODE, NODE]),
        "duplicate-id",
        "nodes[1].id: 'a' is taken by a layer before. Choose another id.",
    ),
    "a word for a number": (
        body([NODE, {"id": "b", "type": "Conv2d", "params": {"kernel_size": "three"}}]),
        "type",
        "nodes[1].params.kernel_size: Kernel size must be a whole number or 2 of them, each from 1 to 1,024; "
        "it is 'three'. Give a whole number or 2 of them.",
    ),
    "an object for a number": (
        body([{"id": "b", "type": "Conv2d", "params": {"kernel_size": {"__reduce__": []}}}]),
        "type",
        "nodes[0].params.kernel_size: Kernel size must be a whole number or 2 of them, each from 1 to 1,024; "
        "it is an object. Give a whole number or 2 of them.",
    ),
    "params as a list": (
        body([NODE | {"params": [1]}]),
        "type",
        "nodes[0].params: must be an object; it is [1]. Put it in { }.",
    ),
    "a node that is none": (body(["a"]), "type", "nodes[0]: must be an object; it is 'a'. Put it in { }."),
    "nodes missing": (
        {"format": "layerloom", "version": 1, "edges": []},
        "type",
        "nodes: must be a list; it is empty. Put them in [ ].",
    ),
    "2,001 nodes": (
        body([{"id": f"n{i}", "type": "ReLU"} for i in range(2001)]),
        "too-many",
        "nodes: has 2,001 entries; at most 2,000 are read. Use fewer.",
    ),
    "a label of two lines": (
        body([NODE | {"label": "a\nb"}]),
        "label",
        "nodes[0].label: must be one line of at most 200 characters; it is 'a\\nb'. Shorten it.",
    ),
    "half a surrogate": (
        body([NODE | {"label": "\ud800"}]),
        "label",
        "nodes[0].label: must be one line of at most 200 characters; it is '\\ud800'. Shorten it.",
    ),
    "a label of 201": (
        body([NODE | {"label": "a" * 201}]),
        "label",
        f"nodes[0].label: must be one line of at most 200 characters; it is '{'a' * 39}…'. Shorten it.",
    ),
    "a position out of sight": (
        body([NODE | {"position": [0, 1e9]}]),
        "position",
        "nodes[0].position: must be two numbers [x, y]; it is [0, 1e+09]. Leave it out.",
    ),
    "an edge to nowhere": (
        body([NODE], [{"source": "a", "target": "ghost"}]),
        "unknown-node",
        "edges[0].target: there is no layer 'ghost'. Use one of a.",
    ),
    "a port that is not there": (
        body([NODE], [{"source": "a", "target": "a", "port": 1}]),
        "port",
        "edges[0].port: must be 0 for a (Linear); it is 1. Correct it.",
    ),
    "a port of an Input": (
        body([NODE, {"id": "i", "type": "Input"}], [{"source": "a", "target": "i"}]),
        "port",
        "edges[0].port: i (Input) takes no input. Remove this connection.",
    ),
    "a port out of all proportion": (
        body([NODE, {"id": "s", "type": "Add"}], [{"source": "a", "target": "s", "port": 10**12}]),
        "port",
        "edges[0].port: must be a whole number from 0 for s (Add); it is 1000000000000. Correct it.",
    ),
    "a negative port": (
        body([NODE, {"id": "s", "type": "Add"}], [{"source": "a", "target": "s", "port": -1}]),
        "port",
        "edges[0].port: must be a whole number from 0 for s (Add); it is -1. Correct it.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_or_broken_file_is_refused_with_the_place_and_the_reason(name):
    given_, code, text = REFUSED[name]
    assert problems(given_) == [(code, text)]


def test_all_problems_of_a_file_are_told_at_once():
    nodes = [{"id": "1", "type": "Input"}, {"id": "b", "type": "Lineer", "label": 3}]
    edges = [{"source": "b", "target": "c", "prot": 0}]
    assert [code for code, _ in problems(body(nodes, edges, extra=1))] == [
        "unknown-key",
        "id",
        "unknown-type",
        "label",
        "unknown-key",
        "unknown-node",
    ]


def test_a_file_with_a_hundred_thousand_problems_is_refused_with_the_first_of_them():
    many = {f"k{i}": 0 for i in range(100_000)}
    assert len(problems(body([NODE | {"params": many}]))) == MAX_PROBLEMS
    assert len(problems(body(**many))) == MAX_PROBLEMS
    assert problems("{" + ",".join(f'"k{i % 99_999}":0' for i in range(100_000)) + "}")[0][0] == "duplicate-key"


def test_a_byte_order_mark_does_no_harm():
    assert loads(b"\xef\xbb\xbf" + GOLDEN.encode()) == loads(GOLDEN)


def test_labels_keep_every_script_and_emoji():
    label = "Schicht größer 层 👩‍🔬 ../x <b>"
    assert loads(dumps(draw("a:ReLU").set_label("a", label))).nodes[0].label == label


def test_an_older_file_is_brought_up_version_by_version(monkeypatch):
    def rename(old: dict) -> dict:
        layers = [{"id": x["name"], "type": x["type"]} for x in old["layers"]]
        return {"format": "layerloom", "version": 2, "nodes": layers, "edges": []}

    monkeypatch.setattr(
        document, "MIGRATIONS", {**document.MIGRATIONS, -1: lambda old: old | {"version": 0}, 0: rename}
    )
    for version in (-1, 0):
        old = {"format": "layerloom", "version": version, "layers": [{"name": "a", "type": "ReLU"}]}
        assert [n.id for n in from_json(old).nodes] == ["a"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "type", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(st.data(), graphs())
def test_any_damage_to_a_document_is_refused_with_reasons_or_still_a_graph(data, graph):
    damaged = to_json(graph)
    lists = [damaged["nodes"], damaged["edges"], [damaged]]
    item = data.draw(st.sampled_from([x for xs in lists for x in xs]))
    key = data.draw(st.sampled_from([*item, "extra", "port", "params"]))
    item[key] = data.draw(JSON)
    said = reasons(damaged)
    assert all(d.code.startswith("document/") and d.what.isprintable() for d in said)
    assert said or loads(dumps(from_json(damaged))) == from_json(damaged)


def reasons(body) -> tuple[Diagnostic, ...]:
    """Why ``body`` is refused; nothing if it is not."""
    try:
        from_json(body)
    except Refused as refused:
        return refused.diagnostics
    return ()


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_text_is_refused_in_words(text):
    with pytest.raises(Refused) as refused:
        loads(text)
    assert all(d.text.isprintable() for d in refused.value.diagnostics)
