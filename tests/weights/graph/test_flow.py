"""weights/graph/flow.py: numbers of values move as values do, and what else is known of them stays."""

from __future__ import annotations

import numpy as np
from lenet_fast.weights.graph.flow import Codes, Flow


def test_what_a_graph_does_to_shapes_is_done_to_the_numbers_of_values():
    values = np.random.default_rng(0).random(24)
    flow = Flow(np.arange(24).reshape(1, 2, 3, 4), 3)
    moved = flow.rearranged(flow.index.transpose(0, 2, 3, 1).reshape(1, -1))
    assert moved.shape == (1, 24) and flow.shape == (1, 2, 3, 4)
    np.testing.assert_array_equal(values[moved.index], values.reshape(1, 2, 3, 4).transpose(0, 2, 3, 1).reshape(1, -1))


def test_rearranging_forgets_nothing():
    """The border's value and codes that were subtracted would be lost without a word."""
    flow = Flow(np.arange(2), 5, 0.5, Codes(np.ones(2), ("codes",)), True)
    moved = flow.rearranged(flow.index[::-1])
    assert (moved.stage, moved.fill, moved.codes, moved.squared) == (5, 0.5, flow.codes, True)


def test_two_flows_are_the_same_only_if_they_are_one():
    """Whether a product is a square is asked with `is`; arrays would compare value by value."""
    flow = Flow(np.arange(2), 0)
    assert flow == flow and flow != Flow(flow.index, 0)
