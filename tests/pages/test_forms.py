"""Widgets follow their Params: what a person may type, and what they read."""

from __future__ import annotations

import pytest

from builder.spec import Param
from pages.forms import escape, parse, words, write

SHAPE = Param("shape", "ints", (3, 32, 32), 1, 4096)
KERNEL = Param("kernel_size", "int", 3, 1, 31, axes=2)
FIELD = Param("field", "name", "")
SHARE = Param("share", "node", None, optional=True)
NORM = Param("limit", "float", None, 0.0, 10.0, optional=True)


@pytest.mark.parametrize("text", ["3, 32, 32", "3 32 32", "(3,32,32)", "3×32×32", "3x32x32", "[3; 32; 32]"])
def test_a_shape_is_read_as_people_write_it(text: str) -> None:
    assert parse(SHAPE, text) == [3, 32, 32]


@pytest.mark.parametrize(("text", "value"), [("", None), ("  ", None), ("2.5", 2.5), ("many", "many")])
def test_an_optional_number_may_be_left_out_and_a_word_stays_a_word(text: str, value: object) -> None:
    assert parse(NORM, text) == value


def test_a_word_for_a_shape_is_refused_by_the_param_with_what_is_allowed() -> None:
    problem = SHAPE.check(parse(SHAPE, "big"))
    assert problem is not None
    assert "big" in problem.what


@pytest.mark.parametrize(("text", "value"), [("3", 3), ("3, 5", (3, 5)), ("3 × 3", 3), ("1x2x3", (1, 2, 3)), ("", ())])
def test_a_kernel_is_one_number_or_one_per_axis(text: str, value: object) -> None:
    read = KERNEL.coerce(parse(KERNEL, text))
    assert read == value
    assert (KERNEL.check(read) is None) == (text in ("3", "3, 5", "3 × 3"))


@pytest.mark.parametrize(("text", "value"), [("linear_1", "linear_1"), ("", None)])
def test_another_layer_is_named_by_its_id(text: str, value: object) -> None:
    assert parse(SHARE, text) == value
    assert SHARE.check(parse(SHARE, text)) is None


@pytest.mark.parametrize(("text", "value"), [("image", "image"), (" image ", "image"), ("", "")])
def test_a_field_of_the_data_is_chosen_by_name_or_left_open(text: str, value: str) -> None:
    assert parse(FIELD, text) == value
    assert FIELD.check(parse(FIELD, text)) is None


@pytest.mark.parametrize("value", [(3, 32, 32), [7], 2.5, None])
def test_what_is_written_is_read_back(value: object) -> None:
    param = NORM if value is None or isinstance(value, float) else SHAPE
    assert parse(param, write(value)) == (list(value) if isinstance(value, tuple) else value)


def test_free_text_cannot_format_a_page() -> None:
    assert escape("**bold** <b> :material/home: [x](y)") == r"\*\*bold\*\* \<b\> \:material/home\: \[x\](y)"


def test_choices_read_as_words() -> None:
    assert (words("xavier_uniform"), words("mse")) == ("xavier uniform", "mean squared error")
