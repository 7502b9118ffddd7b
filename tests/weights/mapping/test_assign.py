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


def positions(given):
    """The tensors of `relu_max` as an nn.Sequential names them, in whose second place something else may stand."""
    places = ("0", "4", "9", "11", "13")
    return {f"{places[int(n[5])]}.{n.rpartition('.')[2]}": a for n, a in given.items()}


#: Batch normalisation of the first convolution, as trainers name it and as somebody else may.
NORMALISATIONS = {
    "PyTorch": ["bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"],
    "PyTorch, without its statistics": ["norm.weight", "norm.bias"],
    "PyTorch's Sequential": ["1.weight", "1.bias", "1.running_mean", "1.running_var"],
    "PyTorch's Sequential, without its statistics": ["1.weight", "1.bias"],
    "Keras": ["bn/gamma:0", "bn/beta:0", "bn/moving_mean:0", "bn/moving_variance:0"],
    "Keras, without its statistics": ["layer/gamma", "layer/beta"],
    "Flax": ["BatchNorm_0.scale", "BatchNorm_0.bias"],
    "Caffe": ["conv_bn.0", "conv_bn.1"],
    "statistics": ["mean", "var"],
    "hardly": ["p3", "p4", "p5", "p6"],
}


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("way", NORMALISATIONS)
def test_batch_normalisation_without_a_graph_is_refused(way, has_bias, relu_max):
    """It may stand before or behind the activation; without it the network would compute something else."""
    given = positions(relu_max[1])
    if not has_bias:  # as convolutions have it that batch normalisation follows
        del given["0.bias"]
    beside = {name: np.full(6, 1.0 + i) for i, name in enumerate(NORMALISATIONS[way])}
    for tensors in ({**given, **beside}, {**beside, **given}):
        with pytest.raises(WeightsError, match=r"batch normalisation.*; .*export the model to ONNX") as caught:
            lenet_fast.from_state_dict(tensors, "lenet5-relu-max", flatten="CHW")
        assert "from_state_dict" not in str(caught.value)


def test_a_vector_that_is_called_a_factor_is_no_bias(relu_max):
    """The slopes of a parametric relu, for example, behind a convolution without a bias."""
    given = positions(relu_max[1])
    del given["0.bias"]
    with pytest.raises(WeightsError, match="1.weight: .* that no layer takes, one value for each map"):
        lenet_fast.from_state_dict({**given, "1.weight": np.ones(6)}, "lenet5-relu-max", flatten="CHW")


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
