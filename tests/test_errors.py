"""errors.py: exceptions carry their parts, through pickle too, and whatever damage raises becomes one of them."""

from __future__ import annotations

import copy
import pickle

import pytest
from lenet_fast.errors import (
    ArgumentError,
    OpenQuestionError,
    OverBudgetError,
    WeightsError,
    brief,
    inside,
    refuse,
    shown,
    told,
    whole,
)

ERRORS = [
    WeightsError("C1", "5x5", "3x3", "train again", "m.onnx"),
    WeightsError("", "a model", "none"),
    OpenQuestionError("S2", "one", "two", "say which", "m.npz", "coefficients", ("sum", "mean")),
    ArgumentError("network", "a name", "'lenet9'", "see networks()"),
    OverBudgetError("", "at most 2 steps", "3", "say more", "m.pt", "visits", 3),
]
PARTS = ("what", "wanted", "found", "way_out", "file", "keyword", "choices", "argument", "resource", "count")


def parts(error):
    return {name: getattr(error, name) for name in PARTS if hasattr(error, name)}


@pytest.mark.parametrize("error", ERRORS, ids=str)
@pytest.mark.parametrize("copied", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
def test_every_part_survives_pickle_and_copy(error, copied):
    """As it must on its way out of another process."""
    again = copied(error)
    assert type(again) is type(error)
    assert parts(again) == parts(error)
    assert str(again) == str(error)


def test_the_sentence_has_the_parts_that_there_are():
    assert [str(error) for error in ERRORS] == [
        "m.onnx: C1: wanted 5x5, found 3x3; train again",
        "wanted a model, found none",
        "m.npz: S2: wanted one, found two; say which",
        "network: wanted a name, found 'lenet9'; see networks()",
        "m.pt: wanted at most 2 steps, found 3; say more",
    ]
    assert all(isinstance(error, ValueError) for error in ERRORS)


@pytest.mark.parametrize(
    "error", [ERRORS[1], OpenQuestionError("S2", "one", "two", keyword="k", choices=("a",))], ids=str
)
def test_inside_names_the_file_once(error):
    named = error.inside("a.onnx")
    assert named.file == "a.onnx"
    assert error.file == ""
    assert parts(named) | {"file": ""} == parts(error)
    assert named.inside("b.zip") is named
    assert parts(pickle.loads(pickle.dumps(named))) == parts(named)


def test_refuse_raises():
    with pytest.raises(WeightsError, match="^C1: wanted 5x5, found 3x3; do it$") as caught:
        refuse("C1", "5x5", "3x3", "do it")
    assert type(caught.value) is WeightsError


@pytest.mark.parametrize(
    "kind",
    [
        ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, EOFError, ZeroDivisionError,
        RecursionError, OSError, UnicodeWarning, StopIteration, RuntimeError,
    ],
    ids=lambda kind: kind.__name__,
)  # fmt: skip
def test_damage_becomes_one_error_with_its_cause(kind):
    with (
        pytest.raises(WeightsError, match=r"^wanted an ONNX file, found a damaged one \('?torn'?\); again$") as caught,
        whole("an ONNX file", "again"),
    ):
        raise kind("torn")
    assert isinstance(caught.value.__cause__, kind)


def test_a_refusal_passes_and_so_does_what_is_no_damage():
    for error in (ERRORS[0], MemoryError(), ImportError("pip install onnx"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, whole("a file"):
            raise error
        assert caught.value is error


def test_nothing_goes_through_the_door_but_with_the_name_of_the_file():
    for error, sentence in ((KeyError("w"), "m.pt: wanted a whole file of its format, found a damaged one ('w')"),
                            (WeightsError("", "a model", "none"), "m.pt: wanted a model, found none")):  # fmt: skip
        with pytest.raises(WeightsError) as caught, inside("m.pt"):
            raise error
        assert str(caught.value) == sentence


@pytest.mark.parametrize("name", ["\ud800", "two\nlines", "\x1b[31mred", "tab\t", "x" * 10_000, "\0", b"bytes", 3])
def test_a_sentence_is_one_line_that_can_be_written_whatever_a_file_calls_its_things(name):
    sentence = str(WeightsError(name, "a model", name, name, "m.pt"))
    assert sentence.isprintable() and len(sentence) < 2000
    sentence.encode()
    assert len(told(name)) <= 400 or "\\" in told(name)
    assert told("n\u00e4me") == "n\u00e4me"


def test_brief_is_one_short_line():
    assert brief(ValueError("\n first\nsecond")) == "first"
    assert brief(KeyError()) == "KeyError"
    assert brief(ValueError("x" * 160)) == "x" * 160
    assert brief(ValueError("x" * 161)) == "x" * 157 + "..."


class Unspeakable:
    def __repr__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value",
    ["x" * 1000, "two\nlines", [1] * 1000, 10**5000, Unspeakable(), None],
    ids=lambda value: type(value).__name__,
)
def test_what_was_found_is_shown_short_and_on_one_line(value):
    assert 4 <= len(shown(value)) <= 60
    assert "\n" not in shown(value)
