"""A page with nothing but the canvas, a few buttons that act from Python, and the drawing as Python knows it."""

from __future__ import annotations

import gc
import json
import random

import streamlit as st

from builder.blocks import BY_NAME
from builder.diagnostic import Diagnostic
from builder.document import to_json
from builder.edit import AddNode, Connect, Disconnect, SetLabel, SetParams
from builder.graph import Edge, Graph, Node
from builder.infer import infer
from pages.canvas import Doc, Insertion, canvas, fix_for, notes, sync
from pages.canvas.blocks import insert

KEY = "net"
if gc.get_freeze_count() == 0:
    gc.collect()
    gc.freeze()


def chain(*layers: tuple[str, dict]) -> Graph:
    graph, last = Graph(), ""
    for i, (type_, params) in enumerate(layers):
        node = Node(graph.fresh_id(type_), type_, params, position=(260.0 * (i % 4), 190.0 * (i // 4)))
        graph = graph.add(node, [Edge(last, node.id)] if last else [])
        last = node.id
    return graph


def residual(n: int) -> Graph:
    """Blocks of convolution, normalisation, ReLU and a skip: ``n`` nodes, about."""
    graph = chain(("Input", {"shape": [3, 32, 32]}), ("Conv2d", {"padding": 1}))
    last = "conv2d_1"
    while len(graph.nodes) < n - 3:
        start = last
        for type_ in ("Conv2d", "BatchNorm2d", "ReLU", "Add"):
            k = len(graph.nodes)
            params = {"padding": 1} if type_ == "Conv2d" else {}
            node = Node(graph.fresh_id(type_), type_, params, position=(260.0 * (k % 8), 190.0 * (k // 8)))
            graph = graph.add(node, [Edge(last, node.id)])
            last = node.id
        graph = graph.connect(Edge(start, last, 1))
    for type_ in ("Flatten", "Linear", "Output"):
        k = len(graph.nodes)
        node = Node(graph.fresh_id(type_), type_, position=(260.0 * (k % 8), 190.0 * (k // 8)))
        graph, last = graph.add(node, [Edge(last, node.id)]), node.id
    return graph


def blocks() -> Graph:
    """A residual block that stands there twice, between an Input and a head."""
    graph = chain(("Input", {"shape": [16, 14, 14]}))
    inner = BY_NAME["residual"].graph(in_channels=16, channels=16)
    graph = graph.add(Node("res_1", "Block", {"repeat": 2}, "Stage", (300.0, 0.0), inner), [Edge("input_1", "res_1")])
    last = "res_1"
    for k, (type_, params) in enumerate([("Flatten", {}), ("Linear", {"out_features": 10}), ("Output", {})]):
        node = Node(graph.fresh_id(type_), type_, params, position=(560.0 + 260 * k, 0.0))
        graph, last = graph.add(node, [Edge(last, node.id)]), node.id
    return graph


DRAWINGS = {
    "empty": Graph(),
    "blocks": blocks(),
    "cnn": chain(("Input", {"shape": [1, 28, 28]}), ("Conv2d", {}), ("ReLU", {}), ("MaxPool2d", {}), ("Flatten", {}),
                 ("Linear", {"out_features": 10}), ("Output", {})),
    "broken": chain(("Input", {"shape": [1, 28, 28]}), ("Conv2d", {}), ("MaxPool2d", {"kernel_size": 40}), ("ReLU", {}),
                    ("Output", {})),
    "fifty": residual(50),
    "ten": residual(9),
    "many": residual(200),
}  # fmt: skip

if "doc" not in st.session_state:
    st.session_state.doc = Doc()
    st.session_state.doc.load(DRAWINGS[st.query_params.get("drawing", "cnn")])
doc: Doc = st.session_state.doc


def widen() -> None:
    doc.command([SetParams("conv2d_1", {"out_channels": 32})])


def prolong() -> None:
    node = Node(doc.graph.fresh_id("Dropout"), "Dropout", {"p": 0.1})
    wire = doc.graph.inputs("output_1")[0]
    doc.command([AddNode(node), Connect(Edge(wire.source, node.id)), Connect(Edge(node.id, "output_1"))])


def several(n: int = 12) -> None:
    """Random edits, a command each: the browser must come to the same drawing as Python."""
    draw = random.Random(len(doc.graph.nodes))
    for _ in range(n):
        ids = [node.id for node in doc.graph.nodes]
        a, b = draw.sample(ids, 2)
        new = Node(doc.graph.fresh_id("Add"), "Add", position=(draw.uniform(0, 900), draw.uniform(600, 900)))
        wires = [e for e in doc.graph.edges if e.source != "input_1"]
        edit = draw.choice(
            [
                AddNode(new),
                SetLabel(a, f"was {b}"),
                SetParams("conv2d_1", {"stride": draw.randint(1, 2)}),
                Connect(Edge(a, "output_1")),
                Disconnect(draw.choice(wires)) if wires else AddNode(new),
            ]
        )
        doc.command([edit])


def cure(node: str, code: str) -> None:
    if fix := fix_for(infer(doc.graph).diagnostics, node, code):
        doc.command(fix.edits)


def add(wanted: Insertion) -> None:
    given = wanted.given(infer(doc.graph))
    insert(doc, wanted, wanted.spec.suit(given) if given else {})


@st.fragment
def editor() -> None:
    sync(doc, KEY)
    advice = Diagnostic("demo/wide", "This layer is very wide.", "Use fewer filters.", "conv2d_1", severity="warning")
    wide = doc.graph.by_id.get("conv2d_1", Node("", "")).params.get("out_channels", 0) > 30
    canvas(
        doc,
        key=KEY,
        notes=notes(infer(doc.graph), [advice] if wide else []),
        feed=st.session_state.get("feed") or None,
        preview=st.query_params.get("preview"),
        undo=st.query_params.get("net"),
        readonly=bool(st.session_state.get("readonly")),
        height=int(st.query_params.get("height", "600")),
        on_fix=cure,
        on_insert=add,
    )
    with st.container(horizontal=True):
        st.button("Widen", on_click=widen)
        st.button("Prolong", on_click=prolong)
        st.button("Several", on_click=several)
        st.button("Arrange", on_click=lambda: doc.ask("layout"))
        st.button("Pick conv", on_click=lambda: doc.ask("select", "conv2d_1"))
        for name, graph in DRAWINGS.items():
            st.button(f"Load {name}", on_click=doc.load, args=(graph,))
        st.toggle("Read only", key="readonly")
        st.text_input("Feed", key="feed")
    st.code(
        json.dumps(
            {**to_json(doc.graph), "selected": doc.selected, "open": doc.open, "rev": doc.rev, "epoch": doc.epoch}
        ),
        language=None,
    )


def design() -> None:
    editor()


def other() -> None:
    st.write("Another page")


st.set_page_config(layout="wide")
st.navigation([st.Page(design, title="Design", default=True), st.Page(other, title="Other")], position="top").run()
