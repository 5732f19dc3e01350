from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.catalog import BY_TYPE
from builder.params import MAX_INTS, check_all, coerce, nearest, shown
from builder.spec import Param

KERNEL = Param("kernel_size", "int", 3, 1, 31)
RATE = Param("p", "float", 0.5, 0.0, 0.95, label="Dropout")
BIAS = Param("bias", "bool", True)
MODE = Param("mode", "choice", "tanh", choices=("tanh", "relu"))
SHAPE = Param("shape", "ints", (2,), 1, 100)
WINDOW = Param("window", "int", 3, 1, 31, axes=2)
OWNER = Param("share", "node", None, optional=True)
FIELD = Param("target", "name", "")
PER_AXIS = "Window must be a whole number or 2 of them, each from 1 to 31; it is "
STRIDE = Param("stride", "int", None, 1, 9, optional=True)
AXES = "Shape must be a list of 1 to 6 whole numbers, each from 1 to 100; it is "
ALL = (KERNEL, RATE, BIAS, MODE, SHAPE, STRIDE, WINDOW, OWNER, FIELD)

GOLDEN = [
    (KERNEL, 0, "range", "Kernel size must be a whole number from 1 to 31; it is 0. Use 1 or more."),
    (KERNEL, 32, "range", "Kernel size must be a whole number from 1 to 31; it is 32. Use 31 or less."),
    (KERNEL, 2.5, "type", "Kernel size must be a whole number from 1 to 31; it is 2.5. Give a whole number."),
    (KERNEL, True, "type", "Kernel size must be a whole number from 1 to 31; it is true. Give a whole number."),
    (KERNEL, "3", "type", "Kernel size must be a whole number from 1 to 31; it is '3'. Give a whole number."),
    (KERNEL, None, "type", "Kernel size must be a whole number from 1 to 31; it is empty. Give a whole number."),
    (
        KERNEL,
        math.nan,
        "type",
        "Kernel size must be a whole number from 1 to 31; it is not a number. Give a whole number.",
    ),
    (RATE, 1, "range", "Dropout must be a number from 0 to 0.95; it is 1. Use 0.95 or less."),
    (RATE, math.nan, "type", "Dropout must be a number from 0 to 0.95; it is not a number. Give a number."),
    (RATE, -math.inf, "type", "Dropout must be a number from 0 to 0.95; it is infinite. Give a number."),
    (RATE, False, "type", "Dropout must be a number from 0 to 0.95; it is false. Give a number."),
    (BIAS, 1, "type", "Bias must be true or false; it is 1. Give true or false."),
    (MODE, "rleu", "choice", "Mode must be one of tanh, relu; it is 'rleu'. Did you mean 'relu'?"),
    (MODE, "elephant", "choice", "Mode must be one of tanh, relu; it is 'elephant'. Use one of tanh, relu."),
    (MODE, 3, "type", "Mode must be one of tanh, relu; it is 3. Give one of tanh, relu."),
    (WINDOW, [3, 40], "range", PER_AXIS + "[3, 40]. Use 31 or less."),
    (WINDOW, [3, 5, 7], "type", PER_AXIS + "[3, 5, 7]. Give a whole number or 2 of them."),
    (WINDOW, [3, 2.5], "type", PER_AXIS + "[3, 2.5]. Give a whole number or 2 of them."),
    (WINDOW, [], "type", PER_AXIS + "[]. Give a whole number or 2 of them."),
    (
        FIELD,
        "next year",
        "type",
        "Target must be a name of letters, digits and _, with no digit first; it is 'next year'. "
        "Give a name of letters, digits and _, with no digit first.",
    ),
    (OWNER, 3, "type", "Share must be the id of a layer, or empty; it is 3. Give the id of a layer."),
    (OWNER, "a b", "type", "Share must be the id of a layer, or empty; it is 'a b'. Give the id of a layer."),
    (
        SHAPE,
        3,
        "type",
        AXES + "3. Give a list of 1 to 6 whole numbers.",
    ),
    (
        SHAPE,
        [],
        "type",
        AXES + "[]. Give a list of 1 to 6 whole numbers.",
    ),
    (
        SHAPE,
        [4, 0],
        "range",
        AXES + "[4, 0]. Use 1 or more.",
    ),
    (STRIDE, 10, "range", "Stride must be a whole number from 1 to 9, or empty; it is 10. Use 9 or less."),
]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=10,
)


@pytest.mark.parametrize(("param", "value", "problem", "text"), GOLDEN, ids=lambda x: getattr(x, "name", None))
def test_a_refusal_says_what_is_allowed_what_came_and_what_to_do(param, value, problem, text):
    d = param.check(value)
    assert (d.code, d.field, d.text) == (f"param/{problem}", param.name, text)


@pytest.mark.parametrize(
    ("param", "value", "becomes"),
    [
        (KERNEL, 3.0, 3),
        (RATE, 0, 0.0),
        (SHAPE, [1.0, 28, 28], (1, 28, 28)),
        (STRIDE, None, None),
        (BIAS, False, False),
        (MODE, "relu", "relu"),
        (KERNEL, 31, 31),
        (KERNEL, 1, 1),
    ],
)
def test_what_a_browser_sends_becomes_the_type_of_its_kind(param, value, becomes):
    assert param.check(value) is None
    assert coerce(param, value) == becomes
    assert type(coerce(param, value)) is type(becomes)


def test_seven_axes_are_refused_and_six_are_not():
    assert SHAPE.check([1] * MAX_INTS) is None
    assert SHAPE.check([1] * (MAX_INTS + 1)).code == "param/type"


@given(st.sampled_from(ALL), JUNK)
def test_whatever_is_sent_is_either_in_range_or_refused_in_one_short_line(param, value):
    d = param.check(value)
    if d is not None:
        assert len(d.text) < 400
        assert d.text.isprintable()
        return
    value = coerce(param, value)
    if param.kind in ("int", "float") and value is not None:
        assert all(param.low <= v <= param.high for v in (value if isinstance(value, tuple) else (value,)))
    if param.kind == "ints":
        assert isinstance(value, tuple)
        assert all(type(v) is int and 1 <= v <= 100 for v in value)


@pytest.mark.parametrize("kind", ["int", "float", "ints"])
def test_a_number_of_ten_thousand_digits_is_refused_even_without_a_range(kind):
    huge = 10**10_000
    d = Param("n", kind, 1).check([huge] if kind == "ints" else huge)
    assert d is not None
    assert len(d.text) < 200


@given(st.integers(-(10**30), 10**30))
def test_the_nearest_value_is_one_that_is_allowed(value):
    assert KERNEL.check(nearest(KERNEL, value)) is None
    assert SHAPE.check(nearest(SHAPE, [3, value])) is None
    assert WINDOW.check(nearest(WINDOW, (3, value))) is None
    assert nearest(SHAPE, [3, value])[0] == 3


def test_an_unknown_parameter_is_refused_with_the_likely_one():
    (d,) = check_all(BY_TYPE["Conv2d"], {"kernel": 3, "stride": 1})
    assert (d.code, d.field) == ("param/unknown", "kernel")
    assert d.text == "Conv2d has no parameter 'kernel'. Did you mean 'kernel_size'?"


def test_all_problems_are_told_not_only_the_first():
    codes = [d.code for d in check_all(BY_TYPE["Conv2d"], {"kernel_size": 0, "nonsense": 1, "bias": 1})]
    assert sorted(codes) == ["param/range", "param/type", "param/unknown"]


@given(JUNK)
def test_no_value_makes_a_long_or_unprintable_message(value):
    assert len(shown(value)) < 320
    assert shown(value).isprintable()


@pytest.mark.parametrize("spec", BY_TYPE.values(), ids=lambda s: s.type)
def test_every_default_of_the_catalogue_is_allowed_and_unchanged_by_coerce(spec):
    for p in spec.params:
        assert p.check(p.default) is None
        assert spec.complete({})[p.name] == p.default
