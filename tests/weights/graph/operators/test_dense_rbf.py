"""weights/graph/operators/dense_rbf.py: every weight finds its value; squared differences that are summed are RBF units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import reference
from canonical import MOVES, NONE, Row, close, normal, outputs, refused
from lenet_fast import OverBudgetError, WeightsError

# --- full connections ---


@pytest.mark.parametrize("name", MOVES)
def test_a_full_connection_finds_its_values_wherever_they_went(name):
    Row().conv().moved(MOVES[name]).dense().agrees()


def test_a_value_that_comes_twice_is_refused():
    refused(lambda: Row().conv().moved(lambda v: np.concatenate([v, v], 1)).dense(), "full: ", "repeated")


def test_a_full_connection_takes_a_border_of_any_value():
    for value in (0.0, -1.5):
        Row().conv().pad(NONE, NONE, (1, 0), (0, 2), value=value).dense().agrees()
    Row().conv().pad(NONE, NONE, (1, 1), (0, 2)).affine(2.0, 0.5).curve("sigmoid").dense().agrees()


def test_full_connections_have_one_bias_each_or_one_for_all_or_none():
    for bias in (None, np.array([0.5]), np.array(0.5), normal(4), normal(1, 4)):
        row = Row().conv()
        weight = normal(4, 48)
        row.trace.dense(row.flow, weight, bias, "full")
        wanted = row.values.reshape(3, -1) @ weight.T + (0 if bias is None else np.ravel(bias))
        close(outputs(row.trace, row.x), wanted)
    row = Row().conv()
    refused(lambda: row.trace.dense(row.flow, normal(4, 48), normal(3), "full"), "full: wanted a bias of 4 values")


@pytest.mark.parametrize("shape", [(4, 47), (4, 49), (48, 4), (4, 3, 16), (4, 48, 1), (48,)])
def test_a_full_connection_has_an_input_for_each_value(shape):
    row = Row().conv()
    refused(
        lambda: row.trace.dense(row.flow, normal(*shape), None, "full"), "full: wanted as many inputs as values (48)"
    )


def test_a_perceptron_is_no_lenet():
    refused(Row((1, 64)).dense, "full: ", "multilayer perceptron")


def test_full_connections_behind_each_other():
    row = Row().conv().dense(5)
    assert row.flow.shape == (1, 5)
    row.moved(lambda v: v[:, ::-1]).curve("tanh").dense(3).agrees()


def test_an_inner_product_has_as_many_axes_behind_it_as_before():
    """And the outputs along the third last of four, as later layers count."""
    for shape, wanted in (
        ((48,), (4,)), ((1, 48), (1, 4)), ((1, 1, 48), (1, 1, 4)), ((1, 3, 4, 4), (1, 4, 1, 1)),
        ((1, 1, 3, 4, 4), (1, 1, 4, 1, 1)),
    ):  # fmt: skip
        row, weight, bias = Row().conv(), normal(4, 48), normal(4)
        flow = row.flow.rearranged(row.flow.index.reshape(shape))
        assert row.trace.apply("inner_product", flow, weight, bias, where="full").shape == wanted
        close(outputs(row.trace, row.x), row.values.reshape(3, -1) @ weight.T + bias)
    row = Row().conv()
    refused(lambda: row.trace.apply("inner_product", row.flow, normal(4, 12), where="full"), "full: ", "as many inputs")


def test_a_few_values_of_many_are_no_full_connection():
    """Else a short file could ask for as much memory as it likes."""
    row = Row((1, 1, 512, 512))
    row.flow = row.trace.conv(row.flow, normal(8, 1, 5, 5), None, "conv")
    few = row.flow.rearranged(row.flow.index.reshape(1, -1)[:, :10])
    with pytest.raises(OverBudgetError, match="values of constants and maps, found 8,258,008"):
        row.trace.dense(few, normal(4, 10), None, "full")


# --- RBF units ---


def units(order=slice(None), squared=True):
    """Differences of six values to four codes, the values in some order."""
    row = Row((1, 1, 8, 8)).conv().dense(6)
    codes = np.sign(normal(4, 6))
    flow = row.flow.rearranged(row.flow.index[:, None, order])
    flow = row.trace.difference(flow, codes[None, :, order], "codes", ("codes",))
    return row, codes, replace(flow, squared=True) if squared else flow


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_sums_of_squared_differences_are_distances(order):
    """A code's value belongs to the value that it was subtracted from, wherever the two lie."""
    row, codes, flow = units(order)
    result = row.trace.distances(flow, [2], "sum")
    assert result.shape == (1, 4)
    close(outputs(row.trace, row.x), reference.rbf_distances(row.values, codes))


def test_other_sums_are_no_distances():
    row, _, flow = units(squared=False)
    refused(lambda: row.trace.distances(flow, [2], "sum"), "sum: wanted a sum of squared differences")
    row, _, flow = units()
    refused(lambda: row.trace.distances(flow, [1], "sum"), "sum: wanted sums over all 6 values")
    refused(lambda: row.trace.distances(flow, [1, 2], "sum"), "sum: wanted a sum of squared differences")
    refused(lambda: row.trace.distances(row.flow, [1], "sum"), "sum: wanted a sum of squared differences")
    row = Row().conv().dense(6)
    for index in ([0, 0, 2, 3, 4, 5], [-1, 1, 2, 3, 4, 5]):
        moved = row.flow.rearranged(row.flow.index[:, None, np.maximum(index, 0)])
        moved.index[0, 0, np.array(index) < 0] = -1
        wrong = replace(row.trace.difference(moved, normal(1, 4, 6), "codes"), squared=True)
        refused(lambda w=wrong: row.trace.distances(w, [2], "sum"), "sum: wanted sums over all 6 values")
    part = row.trace.difference(row.flow.rearranged(row.flow.index[:, None, :5]), normal(1, 4, 5), "codes")
    part = replace(part, squared=True)
    refused(lambda: row.trace.distances(part, [2], "sum"), "sum: wanted sums over all 6 values, found sums over 5")


def test_differences_to_codes_are_for_distances_only():
    row, _, flow = units()
    refused(lambda: row.trace.curve(flow, "tanh", "curve"), "curve: ", "another use of differences")
    refused(lambda: row.trace.softmax(flow, -1, "softmax"), "softmax: ", "another use of differences")
    with pytest.raises(WeightsError, match="codes: wanted one value per map"):
        Row().trace.difference(Row().flow, normal(4, 1, 8, 8), "codes")
    wide = Row().conv()
    with pytest.raises(OverBudgetError, match="found 201,326,592"):
        wide.trace.difference(wide.flow, np.broadcast_to(0.0, (1 << 20, 3, 4, 4)), "codes")
