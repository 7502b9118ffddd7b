"""weights/mapping/assign.py: every tensor of a network finds its array, and every array its place."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, WeightsError

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
