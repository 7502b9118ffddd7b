"""weights/mapping/roles.py: what an array's name says of it, which confirms what its shape decides."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from lenet_fast import WeightsError

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
