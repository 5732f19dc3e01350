"""What one can do with the moments of a run: go on from one, look at the batch that stopped it, repeat it all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from builder.diagnostic import Refused
from engine import account
from engine.config import TrainConfig
from engine.data import Dataset, load, preview
from engine.executor import default_executor
from engine.export.bundle import folder
from engine.fork import changes, fork
from engine.home import home
from engine.preflight import preflight
from engine.repeating import Repetition
from engine.store import RunFolder
from pages.forms import escape, tell
from pages.preview import draw
from pages.settings import Choice

POLL = 0.5  # seconds
JOB = "repeat"


def go_on(run: RunFolder, wanted: dict[str, Any], config: TrainConfig, owner: str) -> RunFolder:
    """Starts the run that ``wanted`` (a Fork of the panel, see types.ts) asks for. Raises Refused where it cannot."""
    with_settings = config if wanted.get("settings") else None
    if with_settings and with_settings.data.name != "csv":
        data = load(with_settings.data, with_settings.seed)
        if errors := [d for d in preflight(run.graph, with_settings, data) if d.severity == "error"]:
            raise Refused(*errors)
    other = fork(home(), run, int(wanted["step"]), dict(wanted["knobs"]), with_settings, owner=owner)
    default_executor().start(other)
    return other


def other_settings(run: RunFolder, config: TrainConfig) -> str:
    """What the form would change in ``run``, in words; "" where nothing, or where its data are others."""
    if config.data != run.config.data:
        return ""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in changes(config, run.config).items())


def culprits(run: RunFolder, form: Choice) -> None:
    """The batch at which the run stopped by itself, as long as it has not gone on."""
    hit, state = run.log.last("hit"), run.log.last("state")
    if hit is None or state is None or state.body["state"] not in ("paused", "failed") or not hit.body["rows"]:
        return
    rows = hit.body["rows"]
    with st.expander(f"The batch that stopped it: {len(rows)} examples", icon=":material/search:", key="culprits"):
        st.caption(escape(hit.body["says"]))
        st.caption("Numbers of the training examples: " + ", ".join(map(str, rows[:64])) + (" …" * (len(rows) > 64)))
        data = data_of(run, form)
        if data is not None and data.kind != "series":  # its windows overlap: they make no picture together
            draw(preview(picked(data, rows)))


def data_of(run: RunFolder, form: Choice) -> Dataset | None:
    """What ``run`` is trained on. A table is read by a process of its own, so of one there is what the form has."""
    config, table = run.config, run.path / "data.csv"
    if config.data.name != "csv":
        return load(config.data, config.seed)
    same = (form.config.data, form.config.seed) == (config.data, config.seed)
    return form.data if same and form.csv and table.is_file() and form.csv.samefile(table) else None


def picked(data: Dataset, rows: Sequence[int]) -> Dataset:
    """``data`` with only those of its training examples."""
    place = np.asarray(rows, dtype=np.int64)
    inputs, targets = (
        tuple(replace(f, train=f.train[place], val=f.val[:0]) for f in fields) for fields in (data.inputs, data.targets)
    )
    return replace(data, inputs=inputs, targets=targets, missing={}, notes=())


def repeat(run: RunFolder) -> None:
    """A closed box; what it offers is worked out only while it is open."""
    box = st.expander("Repeat and compare", icon=":material/replay:", key="repeat.box", on_change="rerun")
    if box.open:
        with box:
            job = _job(run)
            st.fragment(_repeating, run_every=POLL if job and not job.done else None)(run)


def _repeating(run: RunFolder) -> None:
    if run.checkpoint_step is None:
        st.caption("There is nothing to repeat yet: its first weights are saved within ten seconds.")
        return
    st.caption(f"Does all {run.checkpoint_step:,} steps again, with each turn of a knob, and compares the weights.")
    job = _job(run)
    with st.container(horizontal=True):
        if (job is None or job.done) and st.button("Repeat this run", key="repeat.go", icon=":material/replay:"):
            st.session_state[JOB] = (run.id, Repetition(run))
            st.rerun()
        name = f"{folder(run.meta.title)}.run.json"
        text, help_ = "Download its document", "Network, data, settings and turns: python -m engine replay FILE --check"
        st.download_button(
            text,
            lambda: account.of_run(run).dumps(),
            name,
            "application/json",
            key="repeat.document",
            help=help_,
            icon=":material/download:",
            on_click="ignore",
        )
    if job and not job.done:
        st.progress(min(1.0, job.step / max(1, job.steps)), f"Step {job.step:,} of {job.steps:,}")
        st.session_state[f"{JOB}.new"] = True
    elif job:
        _verdict(job)
        if st.session_state.pop(f"{JOB}.new", False):
            st.rerun()  # this part need not look again by itself


def _verdict(job: Repetition) -> None:
    if job.problem:
        tell(job.problem)
    elif job.same:
        st.success(escape(job.says), icon=":material/check_circle:")
    else:
        st.warning(escape(job.says), icon=":material/difference:")


def _job(run: RunFolder) -> Repetition | None:
    of_run, job = st.session_state.get(JOB, (None, None))
    return job if of_run == run.id else None


def parent(run: RunFolder) -> tuple[RunFolder, int] | None:
    """The run that ``run`` goes on from, while it is there, and at which step."""
    if run.origin is None:
        return None
    try:
        return RunFolder.open(home(), run.origin.parent), run.origin.step
    except Refused:
        return None
