"""The menu of templates: a card for each, in groups, with search."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import cache
from itertools import groupby

import streamlit as st

from builder import templates
from builder.infer import infer
from builder.templates import Template
from builder.thumbnail import thumbnail
from engine.config import DataRef, TrainConfig
from engine.data import BY_NAME
from pages import dialogs, session, settings
from pages.dialogs import Dialog

CARD = 284  # px


def _menu() -> None:
    """Choosing one replaces the drawing, which can be brought back, and sets the data and settings it trains with."""
    asked = st.text_input("Search", key="template.search", placeholder="image, memory, attention, speech, …")
    words = asked.lower().split()
    found = [t for t in templates.TEMPLATES if all(word in _text(t.name) for word in words)]
    if not found:
        st.caption("No template has all these words. Try fewer.")
    for group, members in groupby(found, key=lambda t: t.group):
        st.markdown(f"##### {group}")
        with st.container(horizontal=True, gap="small"):
            for template in members:
                _card(template)


def _card(template: Template) -> None:
    with st.container(border=True, width=CARD, height="stretch", gap="small"):
        st.html(f'<img src="{_picture(template.name)}" alt="" style="display: block; width: 100%">')
        key = f"template.{template.name}"
        if st.button(template.title, key=key, width="stretch", on_click=use_template, args=(template,)):
            st.rerun()  # closes the menu
        st.caption(template.about)
        st.caption(f"{_params(template.name):,} parameters · {BY_NAME[template.dataset].title}")


def use_template(template: Template) -> None:
    """Seed, device, time limit and pace stay as they are: they are the user's, whatever is trained."""
    dialogs.close()
    now = settings.chosen(templates.load(template.name))
    session.replace(templates.load(template.name))
    config = config_of(template)
    knobs = {**config.knobs, **{name: now.knobs[name] for name in settings.WATCHABLE if name in now.knobs}}
    settings.choose(replace(config, knobs=knobs, seed=now.seed, device=now.device, max_seconds=now.max_seconds))


MENU = Dialog(_menu, "Templates", ":material/dashboard:", "large", edits=True)


def config_of(template: Template) -> TrainConfig:
    data = DataRef(template.dataset, template.options)
    return TrainConfig(data, knobs=dict(template.knobs), **template.settings)


@cache
def _picture(name: str) -> str:
    """As a data URL: st.html takes no SVG as it stands."""
    drawn = thumbnail(templates.load(name)).encode()
    return "data:image/svg+xml;base64," + base64.b64encode(drawn).decode()


@cache
def _params(name: str) -> int:
    return infer(templates.load(name)).params


@cache
def _text(name: str) -> str:
    """What a search goes through: words, layers and data."""
    template, graph = templates.BY_NAME[name], templates.load(name)
    data = BY_NAME[template.dataset]
    words = [template.title, template.about, template.group, data.title, data.about]
    return " ".join([*words, *(n.type for n in graph.nodes), *(n.text for n in graph.notes)]).lower()
