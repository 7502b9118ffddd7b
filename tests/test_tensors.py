"""tensors.py: arrays that go into a model and come out of it, and the sentences about those that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network
from lenet_fast.errors import ArgumentError
from lenet_fast.tensors import checked, output

NETWORK = Network((2, 6, 6), (Conv5x5(3, "tanh", connections=((0,), (1,), (0, 1))), Dense(4)), "softmax")


def weights(**changes):
    return reference.random_weights(NETWORK, np.random.default_rng(0)) | changes


def test_tensors_are_read_only_float32_copies_in_the_networks_order():
    given = {n: np.asfortranarray(w.astype(np.float64)) for n, w in reversed(weights().items())}
    found = checked(NETWORK, given)
    assert list(found) == list(NETWORK.parameters)
    for name, array in found.items():
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert not array.flags.writeable
        assert not np.may_share_memory(array, given[name])
        assert (array == given[name].astype(np.float32)).all()
        with pytest.raises(ValueError, match="cannot set WRITEABLE flag"):
            array.flags.writeable = True


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"C1.weight": np.zeros((3, 2, 3, 3))}, r"C1.weight: wanted shape \(3, 2, 5, 5\), found \(3, 2, 3, 3\)"),
        ({"F2.bias": np.full(4, np.nan)}, "F2.bias: wanted finite values, found nan"),
        (
            {"F9.bias": np.zeros(4)},
            "F9.bias: wanted C1.weight, C1.bias, F2.weight, F2.bias, found a tensor that no layer has",
        ),
        (
            {"C1.weight": np.ones((3, 2, 5, 5))},
            "C1.weight: wanted zeros where the connection table has no connection, found others from map 1 to map 0",
        ),
    ],
)
def test_weights_that_do_not_fit(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        checked(NETWORK, weights(**changes))


def test_a_weight_without_a_connection_is_refused_however_small_and_of_either_sign():
    for places in ({(1, 0, 4, 4): -1e-30}, {(1, 0, 0, 3): 2.0, (1, 0, 2, 2): -2.0}, {(1, 0, 1, 1): 1e-30}):
        given = weights()
        for place, value in places.items():
            given["C1.weight"][place] = value
        with pytest.raises(
            ValueError, match="C1.weight: wanted zeros .*, found others from map 0 to map 1; set them to 0"
        ):
            checked(NETWORK, given)


def test_missing_weights():
    given = weights()
    del given["C1.bias"]
    with pytest.raises(ValueError, match=r"C1.bias: wanted an array of shape \(3,\), found none"):
        checked(NETWORK, given)


def test_tensors_that_are_no_real_numbers():
    with pytest.raises(TypeError, match="C1.bias: wanted real numbers, found complex128"):
        checked(NETWORK, weights(**{"C1.bias": np.ones(3) * 1j}))
    with pytest.raises(ValueError, match="C1.bias: wanted plain values, found a masked array"):
        checked(NETWORK, weights(**{"C1.bias": np.ma.masked_array(np.ones(3), True)}))
    with pytest.raises(ArgumentError) as caught:
        checked(NETWORK, weights(**{"C1.bias": np.array([1, 1e39, 1])}))  # no float32
    assert (caught.value.argument, caught.value.wanted, caught.value.found) == ("C1.bias", "finite values", "inf")


BATCH = np.zeros((20, 28, 28), np.float32)


def test_outputs_are_new_or_the_callers_own():
    made = output(None, (20, 10), np.float32, BATCH)
    assert made.shape == (20, 10)
    assert made.dtype == np.float32
    mine = np.zeros((20, 10), np.float32)
    assert output(mine, (20, 10), np.float32, BATCH) is mine


def unaligned():
    return np.zeros(20 * 40 + 1, np.uint8)[1:].view(np.float32).reshape(20, 10)


def frozen():
    array = np.zeros((20, 10), np.float32)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("out", "error", "sentence"),
    [
        (np.zeros((10, 20), np.float32), ValueError, r"wanted float32 of shape \(20, 10\), found float32 of shape \(10, 20\)"),
        (np.zeros((20, 10)), ValueError, r"wanted float32 of shape \(20, 10\), found float64"),
        (np.zeros((20, 20), np.float32)[:, ::2], ValueError, "wanted a C-contiguous, writeable array"),
        (frozen(), ValueError, "wanted a C-contiguous, writeable array"),
        (unaligned(), ValueError, "wanted a C-contiguous, writeable array"),
        (BATCH.reshape(-1)[-200:].reshape(20, 10), ValueError, "wanted memory apart from the images"),
        ([[0.0] * 10] * 20, TypeError, "wanted a NumPy array, found list"),
    ],
)  # fmt: skip
def test_outputs_that_the_engine_cannot_write(out, error, sentence):
    with pytest.raises(error, match=f"out: {sentence}"):
        output(out, (20, 10), np.float32, BATCH)


@pytest.mark.parametrize("weights", [None, 5, "C1.weight", b"abc", [np.zeros(3)]])
def test_weights_without_names(weights):
    with pytest.raises(TypeError, match="^weights: wanted arrays by the names of the tensors, found "):
        Model(Network((1, 1, 1), (Dense(2),), "scores"), weights)


def test_a_name_that_is_no_text_and_rows_of_several_lengths():
    network = Network((1, 1, 1), (Dense(2),), "scores")
    right = {"F1.weight": [[1], [2]], "F1.bias": [0, 0]}
    with pytest.raises(ValueError, match="^weights: wanted F1.weight, F1.bias, found a tensor that no layer has"):
        Model(network, right | {3: [1]})
    with pytest.raises(ValueError, match=r"^F1.weight: wanted an array of shape \(2, 1\), found what is none"):
        Model(network, right | {"F1.weight": [[1], [2, 3]]})
