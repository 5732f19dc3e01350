"""Several copies of the network at once: how many, and in what they differ."""

from __future__ import annotations

from typing import Any

import streamlit as st

from builder.spec import Param
from engine.config import TrainConfig
from engine.knobs import knob
from engine.replicas.variants import MOST, SPREADS, spread
from pages.forms import param_input

SEEDS = "seeds"
WORDS = {SEEDS: "Seed: other starting weights, other order", "order": "Order of the examples only"}
COUNT = Param("copies", "int", 1, 1, MOST, label="Copies", help="So many networks train at once, as one run.")


def copies(state: dict[str, Any]) -> dict[str, Any]:
    """The form; returns the fields of a TrainConfig. What it says survives in ``state``."""
    count = state["copies"] = int(param_input(COUNT, state.get("copies", 1), "set.copies"))
    if count == 1:
        st.caption("With more, you see what chance does, or try many values of a knob in one run.")
        return {}
    names = list(WORDS) + list(SPREADS)
    st.session_state.setdefault("set.vary", state.get("vary", SEEDS))
    name = state["vary"] = st.selectbox("What differs", names, format_func=title, key="set.vary")
    if name in SPREADS:
        low, high = (_end(name, k, state) for k in (0, 1))
        state["vary.ends"] = [low, high]
    return fields(state)


def fields(state: dict[str, Any]) -> dict[str, Any]:
    """What the form in ``state`` says, as fields of a TrainConfig."""
    count, name = int(state.get("copies", 1)), state.get("vary", SEEDS)
    if count == 1:
        return {}
    if name == SEEDS:
        return {"copies": count}
    if name == "order":
        return {"copies": count, "vary": {"order": list(range(count))}}
    low, high = state.get("vary.ends", SPREADS[name])
    return {"copies": count, "vary": {name: spread(name, low, high, count)}}


def keep(config: TrainConfig) -> dict[str, Any]:
    """The state of the form that says what ``config`` does."""
    if config.copies == 1:
        return {}
    name = next(iter(config.vary), SEEDS)
    state: dict[str, Any] = {"copies": config.copies, "vary": SEEDS if name == "seed" else name}
    if name in SPREADS:
        state |= {"vary.of": name, "vary.ends": [min(config.vary[name]), max(config.vary[name])]}
    return state


def caption(config: TrainConfig) -> None:
    """Which values the copies get."""
    if config.vary and (name := next(iter(config.vary))) in SPREADS:
        *some, last = (f"{value:g}" for value in config.vary[name])
        st.caption(f"They train with {title(name).lower()} {', '.join(some)} and {last}.")


def title(name: str) -> str:
    param = knob(name)
    return WORDS.get(name, param.title if param else name)


def _end(name: str, k: int, state: dict[str, Any]) -> float:
    """A field for the lowest (0) or the highest (1) value."""
    param = knob(name)
    assert param is not None
    kept = state.get("vary.ends") if state.get("vary.of") == name else None
    if k == 1:
        state["vary.of"] = name
    end = Param(param.name, param.kind, 0, param.low, param.high, label=("From", "To")[k], log=param.log)
    return float(param_input(end, (kept or SPREADS[name])[k], f"set.vary.{name}.{k}"))
