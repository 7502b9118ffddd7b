"""weights/graph/operators/call.py: what an operator reads, by place, and what it may not be."""

from __future__ import annotations

import numpy as np
import pytest
from canonical import refused
from lenet_fast.weights.graph.flow import Flow
from lenet_fast.weights.graph.operators import Call

IMAGE = Flow(np.arange(4).reshape(1, 4), 0)
ONE, TWO = np.array([1, 2], np.int32), np.array([3.0])


def call(*values, names=()):
    return Call("Op", "here", values, names)


def test_one_input_is_the_image():
    assert call(ONE, IMAGE, None).flow() is IMAGE
    for values in ((ONE, TWO), (IMAGE, IMAGE)):
        refused(call(*values).flow, "here: wanted layers in one row, found Op")


def test_an_input_that_is_not_there_is_none():
    """Whether the file leaves it out at the end or says so in between."""
    assert call(IMAGE, None).given(1) is None and call(IMAGE).given(1) is None and call(IMAGE).floats(1) is None
    assert call(IMAGE, ONE).given(1) is ONE
    with pytest.raises(ValueError, match="here: Op without its input 1"):
        call(IMAGE).constant(1)


def test_two_branches_do_not_meet_where_a_constant_belongs():
    for read in (call(IMAGE, IMAGE).given, call(IMAGE, IMAGE).constant, call(IMAGE, IMAGE).floats):
        refused(lambda read=read: read(1), "joins two branches")


def test_constants_are_computed_with_in_float64():
    assert call(IMAGE, ONE).floats(1).dtype == np.float64 == call(IMAGE, ONE).other().dtype
    for values in ((IMAGE,), (IMAGE, ONE, TWO)):
        refused(call(*values).other, "here: wanted one constant beside the values")


def test_axes_are_an_attribute_or_an_input_or_all():
    assert call(IMAGE, np.array([1])).axes((-1, 0), 4) == [3, 0]
    assert call(IMAGE, np.array([-2])).axes(None, 4) == [2]
    assert call(IMAGE).axes(None, 4) == [0, 1, 2, 3]


def test_only_constants_with_a_name_are_tensors_of_the_file():
    values = (IMAGE, ONE, None, TWO, TWO)
    assert call(*values, names=("image", "w", "absent", "", "b")).tensors == ("w", "b")
