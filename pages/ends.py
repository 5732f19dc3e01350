"""The choice of what an Input takes and an Output predicts, among what the chosen data set has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from builder.diagnostic import Refused
from builder.graph import Graph
from builder.spec import Param
from engine.data import load
from engine.data.csv import CSV
from engine.data.split import NAMES
from engine.data.words import asked, given
from pages import settings

IN_ORDER = "whatever comes next"
OF_CSV = {"field": (NAMES[CSV.kind],), "target": ("class", "value", NAMES[CSV.kind])}


def name_input(
    param: Param, value: str, key: str, graph: Graph, on_change: Callable[..., None], args: tuple[Any, ...]
) -> None:
    """Offers the names that ``param`` ("field" or "target") may have, and ``value`` even where the data lacks it."""
    known = names(param.name, graph)
    options = list(dict.fromkeys(("", *known, value)))
    st.selectbox(
        param.title,
        options,
        key=key,
        format_func=lambda name: known.get(name, name) or IN_ORDER,
        help=param.help,
        on_change=on_change,
        args=args,
    )


def names(param: str, graph: Graph) -> dict[str, str]:
    """Name → what it is, in words, of the data set that the form has chosen."""
    config = settings.chosen(graph)
    if config.data.name == CSV.name:  # its table may take long to read, and its names are always these
        return {name: name for name in OF_CSV[param]}
    try:
        data = load(config.data, config.seed)
    except Refused:
        return {}
    inputs = {f.name: f"{f.name}: {given(f)}" for f in data.inputs}
    if param == "field":
        return inputs
    return {f.name: f"{f.name}: {asked(f)}" for f in data.targets} | inputs
