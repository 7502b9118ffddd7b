"""weights/graph/node.py: of a graph only what an output depends on is live, and arrays are fetched when needed."""

from __future__ import annotations

import numpy as np
import pytest
from lenet_fast.weights.graph.node import Constant, Entry, Graph, Image, always, as_floats

IMAGE = Image("x", "x", [(1, 1, 8, 8)])
ENTRIES = [
    Entry("A", "a", ("x",), "a"),
    Entry("B", "b", ("x",), "b"),
    Entry("C", "c", ("a", "w"), "c", others=("c2",)),
    Entry("D", "d", ("b",), "d"),
    Entry("E", "e", ("a", "d"), "e"),
]


@pytest.mark.parametrize(
    ("outputs", "live"),
    [
        (["c"], "ac"),
        (["c2"], "ac"),
        (["d"], "bd"),
        (["a", "d"], "abd"),
        (["e"], "abde"),
        (["x"], ""),
        ([], ""),
        (None, "abcde"),
    ],
)
def test_live_is_what_an_output_depends_on(outputs, live):
    """In the graph's order; everything where no output is named."""
    graph = Graph("format", IMAGE, ENTRIES, {}, outputs=outputs)
    assert [entry.where for entry in graph.live()] == list(live)


def test_a_constant_is_loaded_when_somebody_needs_it():
    """Damage in an array that nothing reads is no error."""

    def damaged():
        raise ValueError

    assert Constant("w", damaged).name == "w"
    array = np.ones(2)
    assert Constant.of("w", array).load() is array


def test_a_translation_that_is_always_the_same_does_not_look_at_its_entry():
    nodes = [always("curve", kind="tanh")(entry) for entry in ENTRIES]
    assert all((n.op, n.attributes, n.constants) == ("curve", {"kind": "tanh"}, ()) for n in nodes)


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.uint8, np.float64])
def test_floats_are_float64(dtype):
    found = as_floats(np.array([1, 2], dtype))
    assert found.dtype == np.float64 and found.tolist() == [1, 2]
