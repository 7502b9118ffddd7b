"""weights/mapping/assign.py: every tensor of a network finds its array, and every array its place."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, WeightsError
from lenet_fast.weights.mapping.answers import Answers
from lenet_fast.weights.mapping.assign import assign
from lenet_fast.weights.source import TORCH, Source

#: Full connections of the same shape, one behind the other.
TWINS = Network((1, 8, 8), (Conv5x5(2, "tanh"), Dense(7), Dense(7), Dense(7), Dense(7)), "scores")


def filled(network):
    return reference.random_weights(network, np.random.default_rng(8))


def renamed(*names):
    """The twins' tensors under other layer names, in the order of the layers."""
    return {
        f"{layer}.{role}": array
        for layer, (weight, array) in zip(np.repeat(names, 2), filled(TWINS).items(), strict=True)
        for role in [weight.rpartition(".")[2]]
    }


def test_a_tensor_that_no_layer_takes_is_named():
    given = renamed("conv1", "fc8", "fc9", "fc10", "fc11")
    with pytest.raises(WeightsError, match=r"extra: .*\(9, 4\) that no layer takes"):
        lenet_fast.from_state_dict({**given, "extra": np.ones((9, 4))}, TWINS, flatten="CHW")
    with pytest.raises(WeightsError, match=r"extra: .* that no layer has"):
        lenet_fast.from_state_dict({**filled(TWINS), "extra": np.ones((9, 4))}, TWINS)


@pytest.mark.parametrize("name", ["bn1.running_mean", "norm/moving_variance", "batch_norm.gamma", "BatchNorm_0.scale"])
def test_batch_normalisation_without_a_graph_is_refused(name, relu_max):
    """It may stand before or behind the activation."""
    _, given = relu_max
    with pytest.raises(WeightsError, match=f"{name}: .*batch normalisation"):
        lenet_fast.from_state_dict({**given, name: np.ones(6)}, "lenet5-relu-max")


def test_our_own_names_need_no_answers():
    """In our own order of axes nothing is open, though shapes alone would leave much."""
    for network in (TWINS, lenet_fast.networks()["lenet5-1998"]):
        weights = filled(network)
        found, names = assign(Source("format", dict(reversed(weights.items()))), network, Answers())
        assert names == {name: name for name in network.parameters} and list(found) == list(network.parameters)
        assert all((found[name] == array).all() for name, array in weights.items())


def test_every_tensor_says_where_it_comes_from():
    given = renamed("conv1", "fc8", "fc9", "fc10", "fc11")
    del given["fc9.bias"]
    _, names = assign(Source("format", given, TORCH), TWINS, Answers())
    assert names["C1.weight"] == "conv1.weight" and names["F2.bias"] == "fc8.bias"
    assert names["F3.weight"] == "fc9.weight" and names["F3.bias"] == "absent: zeros"
    assert set(names) == set(TWINS.parameters)


def test_the_files_arrays_stay_as_they_are():
    """The pool that is emptied is a copy, and so is what is scaled."""
    given = renamed("conv1", "fc8", "fc9", "fc10", "fc11")
    before = {name: array.copy() for name, array in given.items()}
    assign(Source("format", given, TORCH), TWINS, Answers())
    assert list(given) == list(before) and all((given[n] == a).all() for n, a in before.items())


def test_the_users_answer_comes_before_the_formats_habit():
    given = renamed("conv1", "fc8", "fc9", "fc10", "fc11")
    chw, hwc = (assign(Source("f", given, TORCH), TWINS, Answers(flatten=f))[0] for f in ("CHW", "HWC"))
    wanted = chw["F2.weight"].reshape(7, 4, 4, 2).transpose(0, 3, 1, 2).reshape(7, 32)
    np.testing.assert_array_equal(hwc["F2.weight"], wanted)
