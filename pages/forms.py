"""Widgets built from Params: a setting's range, help and words come from its one description."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from typing import Any

import streamlit as st

from builder.diagnostic import Diagnostic
from builder.spec import Param

WORDS = {
    "mse": "mean squared error",
    "mae": "mean absolute error",
    "bce": "binary cross-entropy",
    "sgd": "SGD",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "adamw": "AdamW",
    "cpu": "CPU",
    "cuda": "CUDA (NVIDIA)",
    "mps": "MPS (Apple)",
    "pytorch": "PyTorch's default",
}


def param_input(
    param: Param, value: Any, key: str, on_change: Callable[..., None] | None = None, args: tuple[Any, ...] = ()
) -> Any:
    """The widget for ``param``, showing ``value`` at first; returns what it says, a number within its range."""
    st.session_state.setdefault(key, write(value) if is_text(param) else value)
    common: dict[str, Any] = {"key": key, "help": param.help or None, "on_change": on_change, "args": args}
    name = f"{param.title} {param.symbol}".strip()
    if param.kind == "bool":
        return st.checkbox(name, **common)
    if param.kind == "choice":
        return st.selectbox(name, param.choices, format_func=words, **common)
    if is_text(param):
        return parse(param, st.text_input(name, placeholder="not set" if param.optional else None, **common))
    return _number(name, param, float(value), common)


def _number(name: str, param: Param, value: float, common: dict[str, Any]) -> Any:
    """A number field; the browser keeps it within the bounds and names the one that was passed."""
    cast: Any = int if param.kind == "int" else float
    low, high = (None if bound is None else cast(bound) for bound in (param.low, param.high))
    fraction = 10.0 ** math.floor(math.log10(abs(value) or 1)) / 10 if param.log else 0.05
    st.session_state[common["key"]] = cast(st.session_state[common["key"]])
    shape: dict[str, Any] = {"step": 1, "format": "%d"} if cast is int else {"step": fraction, "format": "%g"}
    return st.number_input(name, min_value=low, max_value=high, **shape, **common)


def is_text(param: Param) -> bool:
    """Whether it is typed as text: several numbers, a number that may be left out, the id of a layer, or a name."""
    return param.kind in ("ints", "node", "name") or param.axes > 1 or param.optional


def words(choice: str) -> str:
    """``xavier_uniform`` as a person writes it."""
    return WORDS.get(choice, choice.replace("_", " "))


def write(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def parse(param: Param, text: str) -> Any:
    """What ``text`` says: whole numbers for "ints" ("3, 32, 32" or "3×32×32"), else one number; itself if neither.

    A setting with several axes takes one number, or one for each.
    """
    text = text.strip()
    if not text and param.optional:
        return None
    if param.kind in ("node", "name"):
        return text
    try:
        if param.kind == "ints" or param.axes > 1:
            whole = [int(piece) for piece in re.split(r"[,;x×\s()\[\]]+", text) if piece]
            return whole[0] if param.axes > 1 and len(whole) == 1 else whole
        return int(text) if param.kind == "int" else float(text)
    except ValueError:
        return text


def tell(problem: Diagnostic) -> None:
    """One Diagnostic, as the page shows it."""
    body = f"**{escape(problem.what)}** {escape(problem.cure)}"
    if problem.severity == "error":
        st.error(body, icon=":material/error:")
    else:
        st.warning(body, icon=":material/info:")


def tell_bug(error: Exception) -> bool:
    """What a user reads when the app itself is at fault; the server's log has the rest."""
    logging.getLogger("layerloom").error("A page failed", exc_info=error)
    st.error(
        "**Something in Layerloom itself went wrong.** Your network and your runs are safe on disk. Reload the page; "
        "if it happens again, open another network, and tell whoever looks after this server.",
        icon=":material/bug_report:",
    )
    return True


def escape(text: str) -> str:
    """``text`` with Markdown's signs made harmless: labels and file names are free text."""
    return re.sub(r"([\\`*_{}\[\]<>#$|~:])", r"\\\1", text)
