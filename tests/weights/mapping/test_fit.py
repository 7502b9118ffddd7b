"""weights/mapping/fit.py: which arrays can be weights, and which named networks have their shapes, at which sizes."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, WeightsError
from lenet_fast.networks import TEMPLATES


def tensors(name="lenet5-relu-max", **changes):
    """A named network with some of its sizes changed, and its tensors as PyTorch names them."""
    network = TEMPLATES[name].varied(**changes).network()
    weights = reference.random_weights(network, np.random.default_rng(31))
    return network, {f"layer{i // 2}.{n.rpartition('.')[2]}": a for i, (n, a) in enumerate(weights.items())}


# --- a named network takes the sizes that the weights have ---

SIZES = {
    "as named": {},
    "28x28": {"side": 28},
    "28x28, both convolutions padded": {"side": 28, "padding": (2, 2)},
    "32x32, the first convolution padded": {"padding": (2, 0)},
    "32x32, both convolutions padded": {"padding": (2, 2)},
    "colour": {"channels": 3},
    "colour, 28x28": {"channels": 3, "side": 28},
    "two classes": {"classes": 2},
    "letters": {"classes": 26},
    "as many classes as units": {"classes": 84},
    "letters in colour, 28x28": {"channels": 3, "side": 28, "classes": 26},
}


@pytest.mark.parametrize("layout", ["OIHW", "HWIO"])
@pytest.mark.parametrize("sizes", SIZES)
def test_channels_classes_size_and_padding_follow_the_weights(sizes, layout):
    network, given = tensors(**SIZES[sizes])
    if layout == "HWIO":
        given = {n: a.transpose(2, 3, 1, 0) if a.ndim == 4 else a.T for n, a in given.items()}
    assert lenet_fast.from_state_dict(given, "lenet5-relu-max", flatten="CHW").network == network


def test_the_networks_own_size_comes_first():
    """The weights of 28x28 padded by 2 are those of 32x32: which of the two, the name says or the user."""
    network, given = tensors(side=28, padding=(2, 0))
    assert lenet_fast.from_state_dict(given, "lenet5-relu-max").network.input == (1, 32, 32)
    assert lenet_fast.from_state_dict(given, "lenet5-sigmoid-average").network.input == (1, 28, 28)
    assert lenet_fast.from_state_dict(given, "lenet5-relu-max", padding=2).network == network


def test_what_the_user_settles_is_not_varied():
    _, given = tensors(side=28, padding=(2, 2))
    assert lenet_fast.from_state_dict(given, "lenet5-relu-max", padding=(2, 2)).network.input == (1, 28, 28)
    with pytest.raises(WeightsError, match="none of|these fit"):
        lenet_fast.from_state_dict(given, "lenet5-relu-max", padding=(1, 0))


def test_other_numbers_of_maps_and_units_are_another_network():
    for changes in ({"maps": (6, 12)}, {"maps": (8, 16)}, {"units": (120, 80)}, {"units": (120,)}, {"side": 48}):
        with pytest.raises(WeightsError, match="wanted the shapes of lenet5-relu-max"):
            lenet_fast.from_state_dict(tensors(**changes)[1], "lenet5-relu-max")


# --- the names that fit ---


@pytest.mark.parametrize(
    ("name", "changes", "fit"),
    [
        ("lenet5-relu-max", {}, {"lenet5-relu-max", "lenet5-tanh-average", "lenet5-sigmoid-average"}),
        ("caffe-20-50-500", {}, {"caffe-20-50-500"}),
        ("caffe-20-50-500", {"channels": 3, "side": 32, "classes": 4}, {"caffe-20-50-500"}),
        ("lenet1", {}, {"lenet1"}),
        ("lenet4", {}, {"lenet4"}),
        ("lenet5-1998", {}, {"lenet5-1998"}),
        ("lenet5-relu-max", {"maps": (6, 17)}, set()),
    ],
)
def test_every_name_that_fits_is_told_and_no_other(tmp_path, name, changes, fit):
    network = TEMPLATES[name].varied(**changes).network()
    weights = reference.random_weights(network, np.random.default_rng(31))
    np.savez(tmp_path / "w.npz", **{n.replace("output", "F9"): a for n, a in weights.items()})
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(tmp_path / "w.npz")
    assert {name for name in TEMPLATES if repr(name) in str(caught.value)} == fit
    assert fit or "none of the named networks" in str(caught.value)


# --- which arrays can be weights ---

BESIDE = [
    "optimizer.state.0.exp_avg", "optimizer/m/conv1", "optim.0.momentum_buffer", "opt.step", "Adam/conv1/m:0", "adam_v.0",
    "conv1/Adam_1", "conv1/kernel/Momentum:0", "velocity.3", "conv1.RMSProp", "conv1/Adagrad", "nadam.v", "sgd.momentum.1",
    "moments.0", "slots/3", "lr_scheduler.0", "beta1_power", "beta2_power:0", "conv1/ExponentialMovingAverage", "global_step",
    "bn.num_batches_tracked", "history.loss", "train_loss", "losses", "seed_generator_2", "iteration", "iterations:0",
    "learning_rate", "epoch", "epochs.1",
]  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_what_an_optimiser_remembers_is_no_weight(name):
    """Though its arrays have the shapes of weights."""
    network, given = tensors()
    for like in ("layer0.weight", "layer4.bias"):
        model = lenet_fast.from_state_dict({name: given[like] + 1, **given}, "lenet5-relu-max")
        assert (model.weights["C1.weight"] == given["layer0.weight"]).all() and model.network == network


@pytest.mark.parametrize(
    "name", ["padam", "proptim", "my_option", "slotted", "epochal", "lossless", "nosgd", "options"]
)
def test_names_that_only_begin_so_are_weights(name):
    _, given = tensors()
    given = {f"{name}{n.replace('layer', '')}": a for n, a in given.items()}
    lenet_fast.from_state_dict(given, "lenet5-relu-max")
    with pytest.raises(WeightsError, match="no layer takes"):
        lenet_fast.from_state_dict({**given, f"{name}.w": np.ones((7, 9))}, "lenet5-relu-max")


def test_single_numbers_texts_and_empty_arrays_are_no_weights():
    network, given = tensors()
    beside = {
        "step": np.array(3.5),
        "names": np.array(["a", "b"]),
        "mask": np.ones((6, 1, 5, 5), bool),
        "complex": np.ones((6, 1, 5, 5), complex),
        "nothing": np.zeros((0, 5)),
    }
    assert lenet_fast.from_state_dict({**beside, **given}, "lenet5-relu-max").network == network


@pytest.mark.parametrize("kind", ["f2", "f8", "i1", "u1", "i4"])
def test_numbers_of_every_kind_are_weights(kind):
    _, given = tensors()
    rounded = {n: np.round(a * 20).astype(kind) for n, a in given.items()}
    found = lenet_fast.from_state_dict(rounded, "lenet5-relu-max").weights
    assert all((a == b).all() for a, b in zip(found.values(), rounded.values(), strict=True))


@pytest.mark.parametrize("name", ["bn1.running_mean", "norm/moving_variance", "batch_norm.gamma", "BatchNorm_0.scale"])
def test_batch_normalisation_without_a_graph_is_refused(name):
    """It may stand before or behind the activation."""
    _, given = tensors()
    with pytest.raises(WeightsError, match=f"{name}: .*batch normalisation"):
        lenet_fast.from_state_dict({**given, name: np.ones(6)}, "lenet5-relu-max")


# --- kernels that are stored one by one ---


@pytest.mark.parametrize("single", [lambda k: k[None], lambda k: k])
def test_one_tensor_per_map_is_one_tensor(single):
    """conv1.0, conv1.1, ..., conv1.10: in the order of their numbers, wherever they lie in the file."""
    _, given = tensors()
    apart = {}
    for name, array in given.items():
        layer, role = name.split(".")
        if array.ndim == 4:
            apart |= {f"{layer}.{role}.{i}": single(array[i]) for i in reversed(range(len(array)))}
        elif f"{layer}.weight" in given and given[f"{layer}.weight"].ndim == 4:
            apart |= {f"{layer}.{role}.{i}": array[i : i + 1] for i in reversed(range(len(array)))}
        else:
            apart[name] = array
    found = lenet_fast.from_state_dict(apart, "lenet5-relu-max", flatten="CHW").weights
    assert all((a == b).all() for a, b in zip(found.values(), given.values(), strict=True))


def test_layers_of_one_map_are_layers():
    """Though their kernels look like those of single maps."""
    network = Network((1, 16, 16), (Conv5x5(1, "tanh"), Conv5x5(4, "tanh"), Dense(3)), "scores")
    weights = reference.random_weights(network, np.random.default_rng(2))
    given = {f"conv{i // 2}.{n.rpartition('.')[2]}": a for i, (n, a) in enumerate(weights.items())}
    found = lenet_fast.from_state_dict(given, network).weights
    assert all((found[name] == array).all() for name, array in weights.items())
