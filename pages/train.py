"""Train: choose data and settings, press Train, watch and steer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from builder.diagnostic import Diagnostic, Refused
from builder.graph import Graph
from builder.infer import infer
from engine.config import TrainConfig
from engine.data import BY_NAME, preview
from engine.executor import default_executor
from engine.home import home
from engine.knobs import initial
from engine.preflight import preflight
from engine.store import RunFolder
from pages import session
from pages.browsers import is_mine, owner
from pages.canvas import Doc, canvas, notes
from pages.export import take_away
from pages.forms import escape, tell, words
from pages.hide import hidden, hidden_names
from pages.inspector import problems
from pages.lead import EVERY, beat, lead, notices
from pages.live import live_panel
from pages.moments import culprits, go_on, other_settings, parent, repeat
from pages.settings import Choice, only_turned, settings, turned


@st.fragment
def body() -> None:
    lead()
    notices()
    left, right = st.columns([1, 3.2], gap="medium")
    run = attached()
    with left:
        button = st.container()
        choice = as_turned(settings())
        with button:
            train_button(choice, checks(choice))
    with right:
        if run:
            heading(run)
        network(run)
        labels = {n.id: n.label for n in session.doc().graph.nodes if n.label}
        before = parent(run) if run else None
        panel = live_panel(
            run.id if run else None,
            key="live",
            parent=(before[0].id, before[1]) if before else None,
            foreign=run is not None and not is_mine(run.meta.owner),
            settings=other_settings(run, choice.config) if run else "",
            breakpoints=st.session_state.get("breakpoints", ()),
            points=points(choice),
            labels=labels,
            knobs=knobs(),
            hide=hidden_names(),
        )
        if panel.knobs:
            st.session_state.knobs = only_turned(panel.knobs, session.doc().graph)
        if panel.breakpoints is not None and panel.breakpoints != st.session_state.get("breakpoints.told"):
            st.session_state.breakpoints = st.session_state["breakpoints.told"] = panel.breakpoints
        if run and panel.fork:
            branch(run, panel.fork, choice)
        session.save()
        if run:
            culprits(run, choice)
        if run and not hidden("repeat"):
            repeat(run)
        if run and not hidden("export"):
            take_away(run.graph, run)


def as_turned(choice: Choice) -> Choice:
    """``choice`` with the knobs and breakpoints that the panel holds for the next run."""
    stops = tuple(st.session_state.get("breakpoints", ()))
    return replace(choice, config=replace(choice.config, knobs=turned(session.doc().graph), breakpoints=stops))


def knobs() -> dict[str, float]:
    """The knobs as last turned, for the network drawn now: where the next run starts."""
    graph = session.doc().graph
    return initial(graph) | turned(graph)


def points(choice: Choice) -> list[tuple[float, float, float, bool]]:
    """Two-dimensional data, for the picture of the decision boundary."""
    if choice.data is None or choice.data.kind != "points2d":
        return []
    return [(p.x, p.y, p.value, p.held_out) for p in preview(choice.data).points]


def attached() -> RunFolder | None:
    """The run in the URL, or the one this session watched last."""
    wanted = st.query_params.get("run") or st.session_state.get("run")
    if not wanted:
        return None
    try:
        run = RunFolder.open(home(), wanted)
    except Refused as refused:
        tell(refused.diagnostics[0])
        st.query_params.pop("run", None)
        st.session_state.pop("run", None)
        return None
    st.query_params["run"] = st.session_state.run = run.id
    return run


def checks(choice: Choice) -> tuple[Diagnostic, ...]:
    if choice.data is None:
        return ()
    return preflight(session.doc().graph, choice.config, choice.data)


def train_button(choice: Choice, found: tuple[Diagnostic, ...]) -> None:
    stopped = choice.data is None or any(d.severity == "error" for d in found)
    st.button(
        "Train",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        on_click=start,
        args=(choice,),
        disabled=stopped,
    )
    if st.session_state.get("run"):
        st.caption("Starts another run: of the network on the Design page, with the data and settings below.")
    if session.leading():
        problems(session.doc(), found, "preflight")
    else:  # without the buttons that would change the drawing
        for problem in found:
            tell(problem)
    if problem := st.session_state.pop("start.problem", None):
        tell(problem)


def start(choice: Choice) -> None:
    choice = as_turned(choice)  # what was turned last has come after the button was drawn
    try:
        graph = session.doc().graph
        run = RunFolder.create(home(), graph, choice.config, owner=owner(), title=title(choice), csv=choice.csv)
        default_executor().start(run)
    except Refused as refused:
        st.session_state["start.problem"] = refused.diagnostics[0]
        return
    st.query_params["run"] = st.session_state.run = run.id


def branch(run: RunFolder, wanted: dict[str, Any], choice: Choice) -> None:
    """Goes on from a moment of ``run``, in a run of its own, which is then shown."""
    try:
        other = go_on(run, wanted, choice.config, owner())
    except Refused as refused:
        for problem in refused.diagnostics:
            tell(problem)
        return
    st.query_params["run"] = st.session_state.run = other.id
    st.rerun()


def title(choice: Choice) -> str:
    """What tells this run from others in the list."""
    graph, config = session.doc().graph, choice.config
    found = infer(graph)
    layers = sum(bool(info.weights) for info in found.nodes.values())
    network = f"{layers} layer{'s' * (layers != 1)}, {found.params:,} parameters"
    return f"{BY_NAME[config.data.name].title} · {network} · {words(config.optimizer)}, {seeded(config)}"


def seeded(config: TrainConfig) -> str:
    return f"seed {config.seed}" if config.copies == 1 else f"{config.copies} copies, seed {config.seed}"


def heading(run: RunFolder) -> None:
    """Which run is shown, and that the drawing has become another since."""
    with st.container(horizontal=True, vertical_alignment="center"):
        other = computed(run.graph) != computed(session.doc().graph)
        said = " The drawing has changed since; **Train** starts a run of it." if other else ""
        st.markdown(f":small[**{escape(run.meta.title or run.id)}**.{said}]", width="stretch")
        if before := parent(run):
            st.button(
                "Run before", on_click=show, args=(before[0],), help=f"It went on from step {before[1]:,} of that."
            )
        st.button("Leave this run", on_click=leave, help="It goes on by itself, and stays in the list of runs.")


def computed(graph: Graph) -> tuple[object, ...]:
    """What of a drawing makes a difference to a run: not places, names and notes."""
    return tuple((n.id, n.type, dict(n.params)) for n in graph.nodes), graph.edges


def show(run: RunFolder) -> None:
    st.query_params["run"] = st.session_state.run = run.id


def leave() -> None:
    st.session_state.pop("run", None)
    st.query_params.pop("run", None)


def network(run: RunFolder | None) -> None:
    """The run's own network, coloured live by its gradients; before the first run, the one drawn."""
    graph: Graph = run.graph if run else session.doc().graph
    view: Doc = st.session_state.setdefault("run.drawing", Doc())
    if view.graph != graph:
        view.load(graph)
    canvas(view, key="view", notes=notes(infer(graph)), feed=run.id if run else None, readonly=True, height=300)


@st.fragment(run_every=EVERY)
def watch() -> None:
    beat()


body()
watch()
