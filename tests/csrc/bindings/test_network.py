"""bindings/network.cpp: layers arrive as tuples, figures leave as rows, and a kind that there is not is named."""

from __future__ import annotations

import pytest
from lenet_fast import _core

PLAIN = ("identity", 0.0)


def network(*layers, head="scores"):
    return _core.Network([1, 8, 8], list(layers), head)


def test_every_kind_of_layer_arrives():
    made = network(
        ("Conv5x5", 2, ("leaky_relu", 0.5), 2, [[0], [0]]),
        ("Subsample2x2", "trainable", ("tanh", 0.0)),
        ("Dense", 4, PLAIN),
        ("RBF", 3),
        head="rbf",
    )
    assert made.figures() == [
        ("C1", (2, 8, 8), 52, 0, 52 * 64, 50 * 64, {"C1.weight": (2, 1, 5, 5), "C1.bias": (2,)}),
        ("S2", (2, 4, 4), 4, 0, 32 * 5, 0, {"S2.coefficient": (2,), "S2.bias": (2,)}),
        ("F3", (4, 1, 1), 132, 0, 132, 128, {"F3.weight": (4, 32), "F3.bias": (4,)}),
        ("output", (3, 1, 1), 0, 12, 12, 12, {"output.weight": (3, 4)}),
    ]


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (("Conv3x3", 2), "layer: wanted Conv5x5, Subsample2x2, Dense or RBF, found 'Conv3x3'"),
        (("Dense", 2, ("relu", 0.5)), "slope: wanted a number from 0 to 1 with 'leaky_relu', and 0 with others"),
        (("Dense", 2, ("leaky_relu", 1.5)), "slope: wanted a number from 0 to 1 with 'leaky_relu'"),
        (("Dense", 2, ("leaky_relu", float("nan"))), "slope: wanted a number from 0 to 1 with 'leaky_relu'"),
        (("Dense", 2, ("swish", 0.0)), "activation: wanted one of .*'leaky_relu', found 'swish'"),
    ],
)
def test_what_there_is_not_is_named(layer, sentence):
    with pytest.raises(ValueError, match=sentence):
        network(layer)


@pytest.mark.parametrize(
    "layer", [("Dense", "two", PLAIN), ("Dense", 2, ("relu",)), ("Dense", 2), (), ("Dense", 2, "relu")]
)
def test_tuples_that_are_no_layers_raise(layer):
    """An exception, whatever the tuple: never what lies behind it in memory."""
    with pytest.raises((TypeError, RuntimeError, ValueError, IndexError)):
        network(layer)
