"""weights/json_text.py: JSON within limits, and one sentence for all that is not an object."""

from __future__ import annotations

import json

import pytest
from lenet_fast import WeightsError
from lenet_fast.weights import json_text

DESCRIPTION = {"a": [1, 2.5, -3], "b": {"c": None, "d": "\u00e4"}}


@pytest.mark.parametrize("text", [json.dumps(DESCRIPTION), json.dumps(DESCRIPTION, ensure_ascii=False).encode()])
def test_an_object_is_read_as_json_says(text):
    assert json_text.parsed(text, "a header") == DESCRIPTION


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "Expecting value"),
        ("[]", "no JSON object"),
        ("3", "no JSON object"),
        ("{", "Expecting property name"),
        ("[" * 100_000, "recursion|nest|depth"),
        ('{"a": 1, "a": 2}', "the same name twice"),
        ('{"b": {"a": 1, "a": 2}}', "the same name twice"),
        ('{"a": ' + "9" * 21 + "}", "a number of 21 digits"),
        ('{"a": ' + "9" * 100_000 + "}", "a number of 100,000 digits"),
        (b'{"a": "\xff"}', "utf-8"),
    ],
)
def test_anything_else_is_damage(text, found):
    with pytest.raises(WeightsError, match=rf"^wanted a header, found a damaged one \(.*({found})"):
        json_text.parsed(text, "a header")


def test_a_number_may_have_as_many_digits_as_64_bits():
    assert json_text.parsed('{"a": -9223372036854775808}', "a header") == {"a": -(1 << 63)}


def test_a_text_has_a_length_that_a_description_may_have():
    longest = '{"a": "' + "x" * ((1 << 20) - 9) + '"}'
    assert len(json_text.parsed(longest, "a header")["a"]) == (1 << 20) - 9
    with pytest.raises(WeightsError, match="wanted a header, at most 1,048,576 characters, found 1,048,577"):
        json_text.parsed(longest + " ", "a header")
