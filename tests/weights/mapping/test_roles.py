"""weights/mapping/roles.py: what an array's name says of it, which confirms what its shape decides."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from lenet_fast import WeightsError
from lenet_fast.weights.mapping import roles

BESIDE = [
    "optimizer.state.0.exp_avg", "optimizer/m/conv1", "optim.0.momentum_buffer", "opt.step", "Adam/conv1/m:0", "adam_v.0",
    "conv1/Adam_1", "conv1/kernel/Momentum:0", "velocity.3", "conv1.RMSProp", "conv1/Adagrad", "nadam.v", "sgd.momentum.1",
    "moments.0", "slots/3", "lr_scheduler.0", "beta1_power", "beta2_power:0", "conv1/ExponentialMovingAverage", "global_step",
    "bn.num_batches_tracked", "history.loss", "train_loss", "losses", "seed_generator_2", "iteration", "iterations:0",
    "learning_rate", "epoch", "epochs.1",
]  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_what_an_optimiser_remembers_is_no_weight(name, relu_max):
    """Though its arrays have the shapes of weights."""
    network, given = relu_max
    for like in ("layer0.weight", "layer4.bias"):
        model = lenet_fast.from_state_dict({name: given[like] + 1, **given}, "lenet5-relu-max")
        assert (model.weights["C1.weight"] == given["layer0.weight"]).all() and model.network == network


@pytest.mark.parametrize(
    "name", ["padam", "proptim", "my_option", "slotted", "epochal", "lossless", "nosgd", "options"]
)
def test_names_that_only_begin_so_are_weights(name, relu_max):
    _, given = relu_max
    given = {f"{name}{n.replace('layer', '')}": a for n, a in given.items()}
    lenet_fast.from_state_dict(given, "lenet5-relu-max")
    with pytest.raises(WeightsError, match="no layer takes"):
        lenet_fast.from_state_dict({**given, f"{name}.w": np.ones((7, 9))}, "lenet5-relu-max")


@pytest.mark.parametrize(
    ("kernel", "bias", "shared"),
    [
        ("conv1.weight", "conv1.bias", "conv1"),
        ("conv1/kernel:0", "conv1/bias:0", "conv1"),
        ("conv1/weights", "conv1/biases", "conv1"),
        ("weight_c1", "bias_c1", "c1"),
        ("W1", "b1", "1"),
        ("net.0.Weight", "net.0.Bias", "net.0"),
        ("s2_coefficient", "s2_bias", "s2"),
        ("conv_w", "conv_b", "conv"),
    ],
)
def test_the_arrays_of_a_layer_share_the_stem_of_their_names(kernel, bias, shared):
    assert roles.stem(kernel) == roles.stem(bias) == shared
    assert roles.is_bias(bias) and not roles.is_bias(kernel)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("1.weight", True), ("weights", True), ("a/kernel:0", True), ("gamma", True), ("Scale_0.scale", True),
        ("1.bias", False), ("w", False), ("p1", False), ("weights.b", False), ("kernel_bias", False),
    ],
)  # fmt: skip
def test_a_factor_is_told_by_its_name(name, is_one):
    assert roles.is_factor(name) == is_one


@pytest.mark.parametrize("name", ["bob", "web", "kernel", "weights", "w", "rebuild", "blob", "b.weight"])
def test_names_with_the_letters_of_bias_are_none(name):
    assert not roles.is_bias(name)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("bn1.running_mean", True), ("bn/moving_variance", True), ("batch_norm.gamma", True), ("BatchNorm_0.scale", True),
        ("conv1.weight", False), ("mean", False), ("moving", False), ("norm1.weight", True),
        ("bn.weight", True), ("layer1.bn2.bias", True), ("conv_bn/scale", True), ("LayerNorm_0.bias", True), ("x/gamma:0", True),
        ("bnb", False), ("normal.weight", False), ("gamma_layer.weight", False), ("fc/beta", False),
    ],
)  # fmt: skip
def test_batch_normalisation_is_told_by_its_statistics_or_its_name(name, is_one):
    assert roles.is_normalisation(name) == is_one
