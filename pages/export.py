"""Take it away: a run, or a drawing with the settings chosen for it, as files that need no Layerloom."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from builder.diagnostic import Refused
from builder.graph import Graph
from builder.infer import infer
from builder.source import source
from engine.export import weights
from engine.export.bundle import bundle, bundle_of, folder
from engine.export.job import STAGES, OnnxJob, Stage
from engine.export.notebook import notebook
from engine.export.recipe import Recipe, of_run, planned
from engine.export.script import train_script
from engine.store import RunFolder
from pages import settings
from pages.forms import tell

WORDS: dict[Stage, str] = {
    "wait": "Waiting for another export to end",
    "start": "Starting PyTorch",
    "load": "Building the network",
    "write": "Writing the ONNX file",
    "compare": "Comparing its numbers with the network's",
}
BINARY = "application/octet-stream"
NEEDS = "It repeats the training with the same losses, without Layerloom."
BESIDE = "It needs data.npz beside it, which the zip holds."
EVERYTHING = "Everything as a zip"
JOB = "away.onnx"
POLL = 0.5  # seconds


def take_away(graph: Graph, run: RunFolder | None = None) -> None:
    """A closed box; what it offers is worked out only while it is open."""
    box = st.expander("Take it away", icon=":material/archive:", key="away", on_change="rerun")
    if box.open:
        with box:
            offers(graph, run)


def offers(graph: Graph, run: RunFolder | None) -> None:
    """Everything there is to take of ``run``, or else of ``graph`` and the settings on the Train page."""
    if not infer(graph).ok:
        st.info("There is something to take away once the network is whole. The red layers say what is missing.")
        return
    with st.container(horizontal=True):
        if run and weights.saved(run):
            _of_run(run)
        elif run:
            st.caption("The run has nothing to take away yet: its first weights are saved within ten seconds.")
        else:
            _planned(graph)
        _file("model.py", lambda: source(graph), "text/x-python", "The network as PyTorch source.")
    working = (job := _job(graph, run)) is not None and not job.done
    st.fragment(_onnx, run_every=POLL if working else None)(graph, run)


def _of_run(run: RunFolder) -> None:
    name = f"{folder(run.meta.title)}.zip"
    _file(name, lambda: bundle_of(run), "application/zip", f"All of this and the data. {NEEDS}", EVERYTHING)
    _training(lambda: of_run(run, weights.read(run).step))
    _file("weights.safetensors", lambda: weights.read(run).content, BINARY, "The weights as last saved.")
    if weights.saved(run, "best"):
        best = "The weights of the lowest validation loss."
        _file("best.safetensors", lambda: weights.read(run, "best").content, BINARY, best)


def _planned(graph: Graph) -> None:
    config = settings.chosen(graph)
    if config.data.name == "csv":
        st.caption("A table of your own goes along with a run: press Train.")
        return
    try:
        recipe = planned(graph, config)
    except Refused as refused:
        st.caption("The training can be taken along once the network fits the data set on the Train page.")
        tell(refused.diagnostics[0])
        return
    name = f"{folder(config.data.name)}.zip"
    _file(
        name,
        lambda: bundle(recipe, config.data.name),
        "application/zip",
        f"All of this and the data. {NEEDS}",
        EVERYTHING,
    )
    _training(lambda: recipe)


def _training(recipe: Callable[[], Recipe]) -> None:
    _file("train.py", lambda: train_script(recipe()), "text/x-python", f"The training as a program. {BESIDE}")
    _file("train.ipynb", lambda: notebook(recipe()), "application/x-ipynb+json", f"The same as a notebook. {BESIDE}")


def _file(name: str, content: Callable[[], str | bytes], mime: str, about: str, label: str = "") -> None:
    """A download that is made when it is asked for."""
    st.download_button(
        label or name,
        content,
        name,
        mime,
        key=f"away.{name}",
        help=about,
        type="primary" if label == EVERYTHING else "secondary",
        icon=":material/download:",
        on_click="ignore",
    )


def _onnx(graph: Graph, run: RunFolder | None) -> None:
    """The button, then how far the worker is, then the file or why there is none."""
    job = _job(graph, run)
    if job is None or job.problem:
        if job and job.problem:
            tell(job.problem)
        help_ = "A file for other programs, checked against onnxruntime before you get it. Takes some seconds."
        if st.button("Make ONNX", key="away.make", icon=":material/deployed_code:", help=help_):
            try:
                _start(graph, run)
            except Refused as refused:
                tell(refused.diagnostics[0])
            else:
                st.rerun()
    elif job.content is None:
        st.progress((STAGES.index(job.stage) + 1) / (len(STAGES) + 1), f"{WORDS[job.stage]} …")
    else:
        content = job.content
        _file(
            "network.onnx", lambda: content, BINARY, f"onnxruntime agrees to {job.difference:.1g}, at any batch size."
        )
    if job and job.done and st.session_state.pop(f"{JOB}.new", False):
        st.rerun()  # this part need not look again by itself


def _start(graph: Graph, run: RunFolder | None) -> None:
    content = weights.read(run).content if run and weights.saved(run) else None
    st.session_state[JOB] = (graph, run.id if run else None, OnnxJob(graph, content))
    st.session_state[f"{JOB}.new"] = True


def _job(graph: Graph, run: RunFolder | None) -> OnnxJob | None:
    """The export that was asked for, as long as it is of this network and run."""
    of_graph, of_run_id, job = st.session_state.get(JOB, (None, None, None))
    return job if of_graph == graph and of_run_id == (run.id if run else None) else None
