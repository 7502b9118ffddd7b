"""weights/arrays/c_values.py: what stands between braces is the declared array, number for number, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from lenet_fast import WeightsError
from lenet_fast.weights.arrays.c_values import array_in


def read(text, *sizes):
    array, end = array_in(text, 1, "w", sizes)
    assert text[:end] == text.rstrip("; ") and array.dtype == np.float64
    return array


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1", 1), ("-2.5f", -2.5), ("+.5F", 0.5), ("1.", 1), ("- 3e-2", -0.03), ("1E2f", 100), ("0", 0), ("-0.0", 0),
        ("0x1F", 31), ("-0X10u", -16), ("0x1.8p1", 3), ("-0x1p-2f", -0.25), ("3L", 3), ("1e999", np.inf), ("01.5", 1.5),
    ],
)  # fmt: skip
def test_numbers_as_c_has_them(word, value):
    assert read(f"{{{word}}};", 1).tolist() == [value]


@pytest.mark.parametrize(
    "word",
    ["012", "00", "1 2", "N", "NAN", "(float)1", "1/3", "1.0f*2", "1_0", "1'0", ".x=1", "[0]=1", "0x", "1ff", "--1", "", "1e",
     "0b1", '"a"', "#include", "1" * 90, "\u0661"],
)  # fmt: skip
def test_what_is_no_number_is_refused(word):
    """Octal numbers, which are others than they look, among them."""
    with pytest.raises(WeightsError, match="w: wanted numbers between commas"):
        read(f"{{2,{word},1}};", 3)


NESTED = np.arange(12.0).reshape(2, 3, 2)


@pytest.mark.parametrize(
    ("text", "sizes", "wanted"),
    [
        ("{{{0,1},{2,3},{4,5}},{{6,7},{8,9},{10,11}}}", (2, 3, 2), NESTED),
        ("{{{0,1},{2,3},{4,5}},{{6,7},{8,9},{10,11}}}", (None,), NESTED),
        ("{{{0,1},{2,3},{4,5}},{{6,7},{8,9},{10,11}}}", (None, 3, 2), NESTED),
        ("{ {0,1,2,3,4,5,} ,\n {6,7,8,9,10,11,} , }", (2, 3, 2), NESTED),
        ("{0,1,2,3,4,5,6,7,8,9,10,11}", (2, 3, 2), NESTED),
        ("{0,1,2,3,4,5,6,7,8,9,10,11}", (None, 3, 2), NESTED),
        ("{1,2,3}", (None,), [1, 2, 3]),
        ("{0, 0}", (2,), [0, 0]),
        ("{0}", (1,), [0]),
        ("{5}", (1,), [5]),
    ],
)
def test_shapes(text, sizes, wanted):
    found = read(text, *sizes)
    assert found.shape == np.shape(wanted) and (found == wanted).all()


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("{1,2}", (3,)), ("{1,2,3,4}", (3,)), ("{1}", (3,)), ("{0,0}", (3,)), ("{{1,2},{3,4},{5,6}}", (2, 3)),
        ("{{1,2,3},{4,5,6}}", (6,)), ("{{1,2},{3,4}}", (2, 2, 1, 2)), ("{1,2,3}", (None, 2)), ("{{1},{2}}", (None, 2)),
        ("{{1,2,3},{4,5,6}}", (None, 2)), ("{}", (None,)), ("{1,2}", (2, None)), ("{{},{}}", (2, 1)),
    ],
)  # fmt: skip
def test_a_shape_that_contradicts_the_values_is_refused(text, sizes):
    """C would fill up what is too short; here it was cut off, or is of another shape."""
    with pytest.raises(WeightsError, match="w: wanted .*values"):
        read(text, *sizes)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{{1,2},{3}}", "inner braces with as much in them each, found 2 and 1"),
        ("{1,{2}}", "nested evenly"),
        ("{{1},2}", "nested evenly"),
        ("{{{1}},{2}}", "nested evenly"),
        ("{" * 9 + "1" + "}" * 9, "nested evenly, 8 deep at most"),
        ("{{1,2},{3,4}", "a brace that does not close"),
        ("{1,2", "a brace that does not close"),
        ("{1,,2}", "numbers between commas"),
    ],
)
def test_braces_that_are_no_array_are_refused(text, found):
    with pytest.raises(WeightsError, match=found):
        read(text, None)


def test_what_one_zero_fills_is_a_buffer_of_any_size():
    for text, sizes in (("{0}", (1 << 20, 1 << 20)), ("{{0.0}}", (2, 2)), ("{}", (3,))):
        assert array_in(text, 1, "w", sizes) == (None, len(text))
    with pytest.raises(WeightsError, match="an array of 8 axes at most, found 9"):
        read("{0}", *[1] * 9)
