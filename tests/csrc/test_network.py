"""network.cpp: shapes, names and counts of every layer are inferred as the paper counts, at the edges too."""

from __future__ import annotations

import pytest
from lenet_fast import RBF, Conv5x5, Dense, Network, Subsample2x2


def only(layer, size, head="scores"):
    (figures,) = Network(size, (layer,), head).figures
    return figures


@pytest.mark.parametrize(("padding", "side"), [(0, 5), (1, 3), (2, 1), (4, 1), (4, 4092)])
def test_a_kernel_fits_where_there_is_one_place_for_it(padding, side):
    figures = only(Conv5x5(1, padding=padding), (1, side, side))
    assert figures.output == (1, *[side + 2 * padding - 4] * 2)
    if side + 2 * padding == 5:
        with pytest.raises(
            ValueError, match="C1: a 5x5 kernel wants at least 5x5 values" if side > 1 else "input: wanted"
        ):
            only(Conv5x5(1, padding=padding), (1, side, side - 1))


def test_connections_are_counted_one_by_one():
    figures = only(Conv5x5(2, connections=((0,), (0, 2))), (3, 6, 7))
    assert (figures.trainable, figures.multiply_adds, figures.connections) == (77, 75 * 6, 77 * 6)
    assert figures.parameters == {"C1.weight": (2, 3, 5, 5), "C1.bias": (2,)}


@pytest.mark.parametrize(("pooling", "trainable", "each"), [("trainable", 6, 5), ("average", 0, 4), ("max", 0, 4)])
def test_an_odd_last_row_and_column_are_left_out(pooling, trainable, each):
    figures = only(Subsample2x2(pooling), (3, 5, 7))
    assert figures.output == (3, 2, 3)
    assert (figures.trainable, figures.connections, figures.multiply_adds) == (trainable, 18 * each, 0)


def test_full_connections_and_codes():
    assert only(Dense(7), (2, 3, 4))[1:6] == ((7, 1, 1), 175, 0, 175, 168)
    assert only(RBF(7), (2, 3, 4), "rbf")[1:6] == ((7, 1, 1), 0, 168, 168, 168)


def test_the_largest_layers_that_are_taken():
    """Counts are those of 64 bits."""
    assert only(Dense(65_536), (1, 4096, 4096)).trainable == 65_536 * (4096 * 4096 + 1)
    with pytest.raises(ValueError, match="F1: units wanted between 1 and 65536, found 65537"):
        only(Dense(65_537), (1, 1, 1))


def test_activations_by_name():
    for name in ("identity", "scaled_tanh", "tanh", "sigmoid", "relu"):
        assert only(Dense(1, name), (1, 1, 1)).name == "F1"
    known = "'identity', 'scaled_tanh', 'tanh', 'sigmoid', 'relu', 'leaky_relu'"
    with pytest.raises(ValueError, match=f"activation: wanted one of {known}, found 'Relu'"):
        only(Dense(1, "Relu"), (1, 1, 1))
