"""The panel beside the canvas: the selected layer's form, or the whole network's summary."""

from __future__ import annotations

from typing import Any

import streamlit as st

from builder.catalog import BY_TYPE
from builder.diagnostic import Diagnostic
from builder.edit import SetLabel, SetParams
from builder.graph import Node
from builder.infer import Inference, NodeInfo
from builder.params import coerce
from builder.spec import LayerSpec, Param
from engine.cost import Costs
from pages.canvas import Doc
from pages.costs import amount, badge
from pages.forms import escape, is_text, param_input, parse, tell, write


def inspector(doc: Doc, inference: Inference, costs: Costs) -> None:
    picked = [n for n in doc.graph.nodes if n.id in doc.selected]
    if len(picked) == 1 and picked[0].type in BY_TYPE:
        _layer(doc, picked[0], inference.nodes[picked[0].id], costs)
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
    """Every Diagnostic with the button that cures it."""
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


def _layer(doc: Doc, node: Node, info: NodeInfo, costs: Costs) -> None:
    spec = BY_TYPE[node.type]
    st.markdown(f"##### {spec.title or spec.type}", help=spec.help)
    st.caption(f"{node.id} · output {info.output or 'not known'} · {info.params:,} parameters")
    if info.output:
        st.caption(f"Needs {badge(costs.nodes[node.id])}.")
    for problem in info.diagnostics:
        tell(problem)
        if problem.fix:
            st.button(
                problem.fix.label,
                key=f"fix.{node.id}.{problem.code}",
                on_click=apply_fix,
                args=(doc, problem),
                width="stretch",
                icon=":material/build:",
            )
    _label(doc, node)
    for param in spec.params:
        _param(doc, node, param, spec.complete(node.params)[param.name])
    _about(spec)


def _label(doc: Doc, node: Node) -> None:
    key = f"label.{node.id}"
    st.session_state[key] = node.label
    st.text_input(
        "Name",
        key=key,
        max_chars=60,
        placeholder=node.id,
        on_change=_set_label,
        args=(doc, node.id, key),
        help="Free text, shown on the canvas.",
    )


def _set_label(doc: Doc, node: str, key: str) -> None:
    doc.command((SetLabel(node, st.session_state[key].strip()),))


def _param(doc: Doc, node: Node, param: Param, value: Any) -> None:
    key = f"param.{node.id}.{param.name}"
    st.session_state[key] = (
        write(value) if is_text(param) else value
    )  # the document is the truth, the widget follows it
    param_input(param, value, key, on_change=_set_param, args=(doc, node.id, param, key))
    if problem := st.session_state.pop(f"{key}.problem", None):
        tell(problem)


def _set_param(doc: Doc, node: str, param: Param, key: str) -> None:
    raw = st.session_state[key]
    value = coerce(param, parse(param, raw) if isinstance(raw, str) and param.kind != "choice" else raw)
    problem = param.check(value)
    if problem:
        st.session_state[f"{key}.problem"] = problem
    else:
        doc.command((SetParams(node, {param.name: value}),))


def _about(spec: LayerSpec) -> None:
    with st.expander("What it does"):
        st.write(spec.help)
        if spec.formula:
            st.code(spec.formula, language=None, wrap_lines=True)
        if spec.source:
            st.caption(escape(spec.source))
