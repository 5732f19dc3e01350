"""The look at the data, for each kind of data."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from engine.data import DATASETS

ONE_OF_EACH = {d.kind: d.name for d in DATASETS if d.name != "csv"}


def look(name: str) -> None:
    from engine.config import DataRef
    from engine.data import load, preview
    from pages.preview import draw

    draw(preview(load(DataRef(name))))


def drawn(name: str) -> AppTest:
    test = AppTest.from_function(look, kwargs={"name": name}, default_timeout=30).run()
    assert not test.exception
    return test


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_every_kind_of_data_is_drawn_as_what_it_is(kind: str) -> None:
    wanted = {"table": "dataframe", "text": "caption"} | dict.fromkeys(("points2d", "curve", "series"), "plotly_chart")
    assert wanted.get(kind, "image") in [element.type for element in drawn(ONE_OF_EACH[kind]).main]


def test_text_is_shown_as_text_with_what_is_asked() -> None:
    said = "\n".join(c.value for c in drawn("questions").caption)
    assert "question: **where is" in said
    assert "place: **" in said


def test_a_mask_has_a_legend_of_its_colours() -> None:
    said = "".join(element.proto.body for element in drawn("brain_slices").get("html"))
    assert all(word in said for word in ("background", "grey matter", "white matter"))
    assert said.count("color: #") == 4


def test_a_data_set_is_found_in_the_list_by_its_application() -> None:
    test = AppTest.from_function(form, default_timeout=30).run()
    assert not test.exception
    box = test.selectbox(key="set.dataset")
    assert "Language · Shakespeare" in box.options
    assert box.options[0] == "Your own table"
    test.selectbox(key="set.dataset").select("shapes").run()
    assert not test.exception
    assert "In: image\\: a picture of 32 × 32" in "\n".join(c.value for c in test.caption)


def form() -> None:
    from pages.settings import settings

    settings()
