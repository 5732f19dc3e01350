"""What the network costs, beside the canvas: in all as one line, and layer by layer as a table."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from builder.block import at
from builder.catalog import BY_TYPE
from builder.flatten import TOO_MANY
from builder.infer import Inference, NodeInfo
from engine import memory
from engine.config import TrainConfig
from engine.cost import Cost, Costs, costs
from engine.data import Dataset, load
from pages.forms import escape, words

UNKNOWN = 1000  # examples that are assumed where no table has been chosen yet
COLUMNS = {
    "Parameters": "Numbers that training adjusts.",
    "Operations": "Additions and multiplications for one example, forward.",
    "Per step": "The same for one training step: a whole batch, forward and back.",
    "To run": "Memory for one batch without training: weights, what goes in and what comes out.",
    "To train": "Memory of a step: weights with gradients, optimizer and checkpoints, and the outputs of a batch. "
    "The line above also counts how the network is scored, which may take more for a moment.",
}


def measured(inference: Inference, config: TrainConfig) -> Costs:
    """The costs of a run with ``config``. A table that has not been read yet counts nothing."""
    if _too_many(inference):  # which the canvas says
        return Costs({}, Cost(), 0)
    data = _data(config)
    if data is None:
        return costs(inference, config, UNKNOWN, UNKNOWN)
    return costs(inference, config, data.n_train, data.n_val, data.nbytes)


def _too_many(inference: Inference) -> bool:
    return any(d.code == TOO_MANY for d in inference.errors)


def _data(config: TrainConfig) -> Dataset | None:
    if config.data.name == "csv":
        kept = st.session_state.get("csv.data")
        return kept[1] if kept else None
    return load(config.data, config.seed)


def cost_panel(inference: Inference, found: Costs, config: TrainConfig, block: str) -> None:
    """The line, and the table under it: of what is in the block that is open, or of the network."""
    if _too_many(inference):
        st.caption("What it costs is computed as soon as the network has fewer layers.")
        return
    st.caption(line(found, memory.available()))
    with st.expander("What each layer costs", icon=":material/payments:"):
        st.caption(basis(config, block))
        st.dataframe(table(inference, found, block), hide_index=True, width="stretch", column_config=_config())


def line(found: Costs, free: int) -> str:
    total = found.total
    return (
        f"{total.params:,} parameters · {amount(total.flops)} operations for one example · training needs about "
        f"{memory.said(total.training + found.data)} of the {memory.said(free)} that are free · running it "
        f"{memory.said(total.inference)}"
    )


def basis(config: TrainConfig, block: str = "") -> str:
    """What the figures rest on."""
    size = memory.batch_size(config)
    examples = "1 example" if size == 1 else f"{size:,} examples"
    where = f"What is in {escape(block)}, all its repeats together. " if block else ""
    batches = f"For batches of {examples} and {words(config.optimizer)}, as on the Train page."
    return f"{where}{batches} A click on a title sorts."


def table(inference: Inference, found: Costs, block: str = "") -> pd.DataFrame:
    """One row per node of the network, or of the ``block`` at that path with all its repeats."""
    rows = []
    known = inference.inside(block)
    for node in at(inference.graph, block).nodes:
        if block and node.type in ("Input", "Output"):
            continue  # ports, which cost nothing
        cost = found.nodes.get(f"{block}.{node.id}" if block else node.id, Cost())
        info, spec = known.get(node.id, NodeInfo()), BY_TYPE.get(node.type)
        title = (spec and spec.title) or node.type
        shape = str(info.output) if info.output else "not known"
        rows.append({"Layer": node.label or node.id, "Type": title, "Output": shape, **_figures(cost)})
    return pd.DataFrame(rows, columns=["Layer", "Type", "Output", *COLUMNS])


def _figures(cost: Cost) -> dict[str, int]:
    return dict(zip(COLUMNS, (cost.params, cost.flops, cost.step_flops, cost.inference, cost.training), strict=True))


def _config() -> dict[str, Any]:
    formats = dict.fromkeys(COLUMNS, "localized") | {"To run": "bytes", "To train": "bytes"}
    return {name: st.column_config.NumberColumn(help=COLUMNS[name], format=form) for name, form in formats.items()}


def amount(n: float) -> str:
    """A number of operations as a person reads it: 950, 12.3 k, 4.56 M."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:,.0f}"


def space(nbytes: int) -> str:
    """A number of bytes, down to small ones: 640 B, 12.3 kB, 4.56 MB."""
    for unit, size in (("GB", 2**30), ("MB", 2**20), ("kB", 2**10)):
        if nbytes >= size:
            return f"{nbytes / size:.3g} {unit}"
    return f"{nbytes:,} B"


def badge(cost: Cost) -> str:
    """One layer's cost, for its badge."""
    return (
        f"{amount(cost.flops)} operations per example, {space(cost.training)} to train, {space(cost.inference)} to run"
    )
