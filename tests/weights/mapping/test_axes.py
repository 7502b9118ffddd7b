"""weights/mapping/axes.py: the order of a file's axes is what all its arrays agree on, or a question."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, Subsample2x2, WeightsError
from lenet_fast.weights.build import Wishes, build
from lenet_fast.weights.source import KERAS, PADDLE, TORCH, Source

ORDERS = ["OIHW", "HWIO", "OHWI", "IOHW"]
BODY = (Conv5x5(3, "tanh"), Subsample2x2("max"), Conv5x5(4, "tanh"))
NETWORK = Network((2, 16, 16), (*BODY, Dense(5, "tanh"), Dense(3)), "scores")
LAYERS = ("first", "second", "third", "fourth")


def filled(network=NETWORK):
    return reference.random_weights(network, np.random.default_rng(21))


def turned(weights=None, kernels="OIHW", dense="OI", flatten="CHW", names="{layer}_{role}", kernel="w"):
    """The tensors of a network in another order of axes, and under other names."""
    found, flat = {}, False
    for (name, array), layer in zip((weights or filled()).items(), np.repeat(LAYERS, 2), strict=False):
        if array.ndim == 4:
            array = array.transpose(["OIHW".index(axis) for axis in kernels])
        if array.ndim == 2:
            if not flat and flatten == "HWC":
                array = array.reshape(len(array), 4, 2, 2).transpose(0, 2, 3, 1).reshape(len(array), -1)
            flat = True
            array = array.T if dense == "IO" else array
        role = "bias" if name.endswith("bias") else kernel
        found[names.format(layer=layer, role=role)] = np.ascontiguousarray(array)
    return found


def same(model, weights=None):
    for name, array in (weights or filled()).items():
        np.testing.assert_array_equal(model.weights[name], array, err_msg=name)


@pytest.mark.parametrize("flatten", ["CHW", "HWC"])
@pytest.mark.parametrize("dense", ["OI", "IO"])
@pytest.mark.parametrize("kernels", ORDERS)
def test_every_order_of_axes_gives_the_same_tensors(kernels, dense, flatten):
    """Shapes tell the order of kernels and of full connections; the order of flattening is said."""
    same(lenet_fast.from_state_dict(turned(None, kernels, dense, flatten), NETWORK, flatten=flatten))


@pytest.mark.parametrize("kernels", ORDERS)
def test_the_order_of_flattening_is_asked_for(kernels):
    for dense in ("OI", "IO"):
        with pytest.raises(WeightsError, match=r"4 maps of 2x2 .* 16 inputs.*flatten='CHW'.*flatten='HWC'"):
            lenet_fast.from_state_dict(turned(None, kernels, dense), NETWORK)


def test_names_and_orders_of_pytorch_say_how_it_flattens():
    same(lenet_fast.from_state_dict(turned(names="{layer}.{role}", kernel="weight"), NETWORK))
    for kernels, dense, kernel in (("OIHW", "IO", "weight"), ("HWIO", "OI", "weight"), ("OIHW", "OI", "weights")):
        with pytest.raises(WeightsError, match="pass flatten="):
            lenet_fast.from_state_dict(turned(None, kernels, dense, names="{layer}.{role}", kernel=kernel), NETWORK)


def test_names_and_orders_of_keras_say_how_it_flattens():
    same(lenet_fast.from_state_dict(turned(None, "HWIO", "IO", "HWC", "{layer}/{role}", "kernel"), NETWORK))
    for kernels, dense, kernel in (("HWIO", "OI", "kernel"), ("OIHW", "IO", "kernel"), ("HWIO", "IO", "w")):
        with pytest.raises(WeightsError, match="pass flatten="):
            lenet_fast.from_state_dict(turned(None, kernels, dense, "HWC", "{layer}/{role}", kernel), NETWORK)


def test_the_user_knows_better_than_names():
    given = turned(None, "OIHW", "OI", "HWC", "{layer}.{role}", "weight")
    same(lenet_fast.from_state_dict(given, NETWORK, flatten="HWC"))


@pytest.mark.parametrize(
    ("layout", "kernels", "dense", "flatten"),
    [(TORCH, "OIHW", "OI", "CHW"), (KERAS, "HWIO", "IO", "HWC"), (PADDLE, "OIHW", "IO", "CHW")],
)
def test_a_frameworks_own_files_need_no_hint(layout, kernels, dense, flatten):
    source = Source("file", turned(None, kernels, dense, flatten), layout)
    same(build(source, Wishes(network=NETWORK), "file").model)


#: Where a shape reads in two ways: as many inputs as outputs.
TWO_WAYS = Network(
    (1, 16, 16), (Conv5x5(3, "tanh"), Subsample2x2("max"), Conv5x5(3, "tanh"), Dense(12, "tanh"), Dense(3)), "scores"
)


@pytest.mark.parametrize("dense", ["OI", "IO"])
@pytest.mark.parametrize("kernels", ORDERS)
def test_one_array_settles_the_order_of_the_others(kernels, dense):
    """Of three maps to three, and of twelve values to twelve, the shape tells nothing; of the others' it does."""
    weights = filled(TWO_WAYS)
    same(lenet_fast.from_state_dict(turned(weights, kernels, dense), TWO_WAYS, flatten="CHW"), weights)


def test_what_nothing_settles_is_a_question():
    network = Network((5, 16, 16), (Conv5x5(5), Dense(3)), "scores")
    weights = filled(network)
    with pytest.raises(WeightsError, match=r"order can be told, found shape \(5, 5, 5, 5\)"):
        lenet_fast.from_state_dict(turned(weights), network, flatten="CHW")
    network = Network((1, 8, 8), (Conv5x5(1), Dense(16), Dense(16)), "scores")
    weights = filled(network)
    with pytest.raises(WeightsError, match=r"order can be told, found shape \(16, 16\)"):
        lenet_fast.from_state_dict(turned(weights), network, flatten="CHW")
    symmetric = {n: (a + a.T if a.ndim == 2 else a) for n, a in weights.items()}
    same(lenet_fast.from_state_dict(turned(symmetric), network, flatten="CHW"), symmetric)  # both ways are one


# --- maps that became a vector, and full connections that are kernels ---


@pytest.mark.parametrize("kernels", ORDERS)
def test_a_full_connection_may_be_stored_as_kernels_as_large_as_its_maps(kernels):
    weights = filled()
    given = turned(weights, kernels)
    whole = weights["F4.weight"].reshape(5, 4, 2, 2).transpose(["OIHW".index(axis) for axis in kernels])
    same(lenet_fast.from_state_dict(given | {"third_w": np.ascontiguousarray(whole)}, NETWORK))


#: The paper's C5: a convolution over maps of 5x5.
C5 = Network((1, 14, 14), (Conv5x5(3, "tanh"), Subsample2x2("max"), Conv5x5(6, "tanh"), Dense(4)), "scores")


@pytest.mark.parametrize("dense", ["OI", "IO"])
@pytest.mark.parametrize("flatten", ["CHW", "HWC"])
def test_a_convolution_of_whole_maps_may_be_stored_as_a_full_connection(dense, flatten):
    weights = filled(C5)
    given = turned(weights, "OIHW", dense)
    whole = weights["C3.weight"]
    whole = (whole.transpose(0, 2, 3, 1) if flatten == "HWC" else whole).reshape(6, 75)
    given["second_w"] = np.ascontiguousarray(whole.T if dense == "IO" else whole)
    same(lenet_fast.from_state_dict(given, C5, flatten=flatten), weights)


def test_one_map_and_maps_of_one_value_flatten_in_one_way():
    for layers in ((Conv5x5(1), Dense(3)), (Conv5x5(4), Conv5x5(2), Dense(3))):
        network = Network((1, 9, 9), layers, "scores")
        weights = filled(network)
        same(lenet_fast.from_state_dict(turned(weights), network), weights)


def test_axes_of_one_are_no_axes():
    """(1, 1, 5, 16), (1, n), (n, 1, 1): matrices and vectors all the same."""
    given = turned()
    given["third_w"] = given["third_w"][None, None]
    given["fourth_w"] = given["fourth_w"][:, :, None, None]
    given["first_bias"] = given["first_bias"][None]
    given["third_bias"] = given["third_bias"][:, None, None]
    same(lenet_fast.from_state_dict(given, NETWORK, flatten="CHW"))
