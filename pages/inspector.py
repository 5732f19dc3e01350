"""The panel beside the canvas: the selected layer's form, or the whole network's summary."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import Any

import streamlit as st

from builder.block import at, entries, inside, is_block
from builder.catalog import BY_TYPE
from builder.diagnostic import Diagnostic
from builder.edit import AddNode, SetLabel, SetParams
from builder.graph import Node
from builder.grouping import ungroup
from builder.infer import Inference, NodeInfo
from builder.params import coerce
from builder.spec import LayerSpec, Param
from engine.cost import Costs
from pages.canvas import Doc
from pages.canvas.paths import find, numbered, split
from pages.costs import amount, badge
from pages.ends import name_input
from pages.forms import escape, is_text, param_input, parse, tell, write

PORTS = ("Input", "Output")  # within a block


def inspector(doc: Doc, inference: Inference, costs: Costs) -> None:
    picked = [path for path in doc.selected if (node := find(doc.graph, path)) and node.type in BY_TYPE]
    if len(picked) == 1 and len(doc.selected) == 1:
        _layer(doc, picked[0], inference, costs)
    else:
        _summary(doc, inference, len(picked))


def apply_fix(doc: Doc, problem: Diagnostic) -> None:
    if problem.fix:
        doc.command(problem.fix.edits)


def _summary(doc: Doc, inference: Inference, picked: int) -> None:
    st.markdown(f"##### {picked} layers selected" if picked else "##### The network")
    a, b = st.columns(2)
    a.metric("Parameters", f"{inference.params:,}", help="Numbers that training adjusts.")
    b.metric("FLOPs", amount(inference.flops), help="Arithmetic operations for one example, forward.")
    problems(doc, inference.diagnostics)
    if not inference.diagnostics:
        st.success("Everything fits together.", icon=":material/check_circle:")
    st.caption("Select a layer to change it.")


def problems(doc: Doc, diagnostics: tuple[Diagnostic, ...], place: str = "summary") -> None:
    """Every Diagnostic with the button that cures it, and the way into the block where it is."""
    for i, problem in enumerate(diagnostics):
        tell(problem)
        if problem.fix:
            st.button(
                problem.fix.label,
                key=f"fix.{place}.{i}",
                on_click=apply_fix,
                args=(doc, problem),
                width="stretch",
                icon=":material/build:",
            )
        if problem.node and "." in problem.node and find(doc.graph, problem.node):
            st.button(
                f"Show {escape(problem.node)}",
                key=f"show.{place}.{i}",
                on_click=doc.ask,
                args=("select", problem.node),
                width="stretch",
                icon=":material/search:",
            )


def _layer(doc: Doc, path: str, inference: Inference, costs: Costs) -> None:
    block, id = split(path)
    node = at(doc.graph, block).by_id[id]
    info = inference.nodes.get(numbered(doc.graph, path), NodeInfo())
    spec = BY_TYPE[node.type]
    st.markdown(f"##### {spec.title or spec.type}", help=spec.help)
    params = costs.nodes[path].params if path in costs.nodes else info.params
    st.caption(f"{path} · output {info.output or 'not known'} · {params:,} parameters")
    if info.output and path in costs.nodes:
        st.caption(f"Needs {badge(costs.nodes[path])}.")
    problems(doc, info.diagnostics, path)
    _label(doc, path, node)
    if block and node.type in PORTS:
        st.caption("It stands for what comes into this block." if node.type == "Input" else "What this block gives.")
        return
    if is_block(node):
        _block(doc, path, node, info)
    for param in spec.params:
        _param(doc, path, param, spec.complete(node.params)[param.name])
    _about(spec)


def _block(doc: Doc, path: str, node: Node, info: NodeInfo) -> None:
    """The ports of a block, and the way in and out of having it."""
    names = [n.label or n.id for n in entries(inside(node))]
    for name, shape in zip_longest(names, info.inputs):
        st.caption(f"input **{escape(name or '')}** · {shape or 'not known'}")
    a, b = st.columns(2)
    a.button("Open", on_click=doc.ask, args=("open", *path.split(".")), icon=":material/open_in_full:", width="stretch")
    b.button("Ungroup", on_click=_ungroup, args=(doc, path), icon=":material/grid_view:", width="stretch")


def _ungroup(doc: Doc, path: str) -> None:
    block, id = split(path)
    edits = ungroup(at(doc.graph, block), id)
    doc.change(block, edits)
    doc.ask("select", *(f"{block}.{e.node.id}" if block else e.node.id for e in edits if isinstance(e, AddNode)))


def _label(doc: Doc, path: str, node: Node) -> None:
    name = f"label.{path}"
    key = _key(name, node.label)
    st.session_state[key] = node.label
    st.text_input(
        "Name",
        key=key,
        max_chars=60,
        placeholder=node.id,
        on_change=_set_label,
        args=(doc, path, name, key),
        help="Free text, shown on the canvas.",
    )


def _set_label(doc: Doc, path: str, name: str, key: str) -> None:
    label = st.session_state[key].strip()
    if _edited(name, key, label):
        block, id = split(path)
        doc.change(block, (SetLabel(id, label),))


def _key(name: str, value: Any) -> str:
    """The key of the field that shows ``value``: a new one where that came from elsewhere (undo, a cure), since the
    browser may still send what the old one showed, which is no edit."""
    count, last = st.session_state.get(f"{name}.shown", (0, value))
    count += last != value
    st.session_state[f"{name}.shown"] = (count, value)
    return f"{name}.{count}" if count else name


def _edited(name: str, key: str, value: Any) -> bool:
    """Whether the user changed the field to ``value``. Streamlit also calls back for a field that only came back to the
    page as it was, or that is gone by now."""
    count, last = st.session_state[f"{name}.shown"]
    if value == last or key != (f"{name}.{count}" if count else name):
        return False
    st.session_state[f"{name}.shown"] = (count, value)
    return True


def _param(doc: Doc, path: str, param: Param, value: Any) -> None:
    name = f"param.{path}.{param.name}"
    key = _key(name, coerce(param, value))
    st.session_state[key] = (
        write(value) if is_text(param) else value
    )  # the document is the truth, the widget follows it
    if param.kind == "name":
        name_input(param, value, key, doc.graph, on_change=_set_param, args=(doc, path, param, name, key))
    else:
        free = replace(param, low=None, high=None)  # a browser refuses what is out of bounds without a word
        param_input(free, value, key, on_change=_set_param, args=(doc, path, param, name, key))
    if problem := st.session_state.pop(f"{name}.problem", None):
        tell(problem)


def _set_param(doc: Doc, path: str, param: Param, name: str, key: str) -> None:
    raw = st.session_state[key]
    value = coerce(param, parse(param, raw) if isinstance(raw, str) and param.kind != "choice" else raw)
    problem = param.check(value)
    if problem:
        st.session_state[f"{name}.problem"] = problem
    elif _edited(name, key, value):
        block, id = split(path)
        doc.change(block, (SetParams(id, {param.name: value}),))


def _about(spec: LayerSpec) -> None:
    with st.expander("What it does"):
        st.write(spec.help)
        if spec.formula:
            st.code(spec.formula, language=None, wrap_lines=True)
        if spec.source:
            st.caption(escape(spec.source))
