"""weights/mapping/fit.py: which named networks have the shapes of some arrays, and at which sizes."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import WeightsError
from lenet_fast.budget import spending
from lenet_fast.networks import TEMPLATES
from lenet_fast.weights.build import Wishes, build
from lenet_fast.weights.mapping.fit import names_that_fit
from lenet_fast.weights.source import Source


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


FREE = {
    "10-20-50": {"side": 28, "maps": (10, 20), "units": (50,)},
    "16-32": {"maps": (16, 32)},
    "one full connection less": {"units": (84,)},
    "none before the output": {"units": ()},
    "one more": {"units": (120, 84, 30)},
    "many": {"units": (64, 32, 64, 16, 16, 8)},
    "two of one size": {"units": (84, 84)},
    "maps alone": {"maps": (8, 12), "channels": 3, "side": 28, "padding": (2, 2), "classes": 47},
    "one map": {"maps": (1, 1)},
    "fewer maps behind": {"maps": (12, 3)},
    "wider behind": {"units": (20, 300), "classes": 26},
}


@pytest.mark.parametrize("layout", ["OIHW", "HWIO"])
@pytest.mark.parametrize("sizes", FREE)
def test_maps_and_units_follow_the_weights(sizes, layout):
    """The same arrays, to the bit, as with a Network of these sizes; by a name that says what the layers compute."""
    for name in ("lenet5-relu-max", "caffe-20-50-500"):
        network, given = tensors(name, **FREE[sizes])
        weights = list(given.values())
        if layout == "HWIO":
            given = {n: a.transpose(2, 3, 1, 0) if a.ndim == 4 else a.T for n, a in given.items()}
        model = lenet_fast.from_state_dict(given, name, flatten="CHW")
        assert model.network.layers == network.layers
        assert all((a == b).all() for a, b in zip(model.weights.values(), weights, strict=True))


def test_a_first_full_connection_may_be_kernels_as_large_as_its_maps():
    for changes in ({}, {"side": 28}, {"side": 28, "padding": (2, 2)}):
        network, given = tensors(maps=(7, 9), units=(30, 20), **changes)
        side = network.figures[3].output[1]
        given["layer2.weight"] = given["layer2.weight"].reshape(30, 9, side, side)
        assert lenet_fast.from_state_dict(given, "lenet5-relu-max").network.layers == network.layers


def test_full_connections_that_lie_in_another_order_are_put_into_theirs():
    """Where their sizes allow no other."""
    network, given = tensors(maps=(10, 20), units=(50, 30))
    names = ["layer0", "layer1", "layer4", "layer2", "layer3"]
    turned = {f"{new}.{role}": given[f"{old}.{role}"] for old, new in zip(names, "abcde", strict=True) for role in ("weight", "bias")}  # fmt: skip
    model = lenet_fast.from_state_dict(turned, "lenet5-relu-max", flatten="CHW")
    assert model.network == network
    assert all((a == b).all() for a, b in zip(model.weights.values(), given.values(), strict=True))


def test_full_connections_that_follow_each_other_in_two_orders_go_by_file_and_names_or_not_at_all():
    """100-50-100-30-100 or 100-30-100-50-100: no guess where the file says one thing and the names another."""
    network, given = tensors(units=(100, 50, 100, 30, 100))
    assert lenet_fast.from_state_dict(given, "lenet5-relu-max").network == network
    swapped = {"layer3": "layer5", "layer4": "layer6", "layer5": "layer3", "layer6": "layer4"}
    by_name = {f"{swapped.get(n[:6], n[:6])}{n[6:]}": a for n, a in given.items()}
    with pytest.raises(WeightsError, match="follow each other in one order, found those of .*100-50-100-30.* and "):
        lenet_fast.from_state_dict(by_name, "lenet5-relu-max")


def test_convolutions_that_follow_each_other_in_two_orders_are_told_by_what_reads_them():
    """3 maps of 1 channel and 1 of 3, or 1 of 3 channels and 3 of 1."""
    for changes in ({"channels": 1, "maps": (3, 1)}, {"channels": 3, "maps": (1, 3)}):
        network, given = tensors(**changes, units=(40,))
        assert lenet_fast.from_state_dict(given, "lenet5-relu-max", flatten="CHW").network == network


def test_the_classic_keeps_its_own_sizes():
    """The paper's connection table is of six maps and sixteen."""
    given = {name.replace("C1", "a"): array for name, array in tensors("lenet5-1998")[1].items()}
    assert lenet_fast.from_state_dict(given, "lenet5-1998", coefficients="sum").network.layers[0].maps == 6
    network = TEMPLATES["lenet5-1998"].varied(units=(100, 84)).network()
    given = reference.random_weights(network, np.random.default_rng(31))
    with pytest.raises(WeightsError, match=r"wanted the shapes of lenet5-1998 \(C1\.weight .*\), found"):
        lenet_fast.from_state_dict(given, "lenet5-1998", coefficients="sum")


def test_what_is_no_network_of_two_convolutions_and_full_connections_is_refused():
    for changes in ({"side": 48}, {"channels": 2}, {"classes": 1, "units": ()}):
        with pytest.raises(WeightsError, match=r"wanted the shapes of lenet5-relu-max .*or of other maps and units"):
            lenet_fast.from_state_dict(tensors(**changes)[1], "lenet5-relu-max")
    _, given = tensors(maps=(10, 20), units=(50,))
    for extra in (np.ones((9, 4)), np.ones((20, 20, 5, 5)), np.ones((3, 4, 5))):
        with pytest.raises(WeightsError, match="wanted the shapes of"):
            lenet_fast.from_state_dict({**given, "extra": extra}, "lenet5-relu-max")


def test_a_last_layer_of_one_output_is_no_bias_of_the_one_before():
    """Without biases, (1, 84) has as many numbers as the units before it."""
    _, given = tensors(classes=1)
    for kept in (given, {n: a for n, a in given.items() if n.endswith("weight")}):
        with pytest.raises(WeightsError, match="no layer takes|wanted the shapes|in some order of axes"):
            lenet_fast.from_state_dict(kept, "lenet5-relu-max", flatten="CHW")


# --- the names that fit ---

#: One activation for all layers, and no coefficients: what is usual at any sizes.
PLAIN = {"lenet5-relu-max", "lenet5-tanh-average", "lenet5-sigmoid-average"}


@pytest.mark.parametrize(
    ("name", "changes", "fit"),
    [
        ("lenet5-relu-max", {}, PLAIN),
        ("caffe-20-50-500", {}, {"caffe-20-50-500", *PLAIN}),
        ("caffe-20-50-500", {"channels": 3, "side": 32, "classes": 4}, {"caffe-20-50-500", *PLAIN}),
        ("lenet1", {}, {"lenet1"}),
        ("lenet4", {}, {"lenet4"}),
        ("lenet5-1998", {}, {"lenet5-1998"}),
        ("lenet5-relu-max", {"maps": (6, 17)}, {*PLAIN, "caffe-20-50-500"}),
        ("lenet1", {"maps": (5, 11)}, {"lenet1"}),
        ("lenet5-relu-max", {"side": 48}, set()),
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


def test_names_whose_own_sizes_the_weights_have_come_first():
    _, given = tensors("caffe-20-50-500")
    assert names_that_fit(Source("arrays", given))[0] == "caffe-20-50-500"


# --- classes ---


def test_codes_that_the_file_does_not_have_are_the_papers():
    digits = lenet_fast.pretrained("digits")
    given = {name: array for name, array in digits.weights.items() if name != "output.weight"}
    loaded = lenet_fast.from_state_dict(given, "lenet5-1998", coefficients="sum")
    np.testing.assert_array_equal(loaded.weights["output.weight"], digits.weights["output.weight"])


def test_codes_of_other_counts_are_the_files():
    network, given = tensors("lenet5-1998", classes=26)
    given["codes.weight"] = given.pop(list(given)[-1])
    named = {name: given[key] for name, key in zip(network.parameters, given, strict=True)}
    assert lenet_fast.from_state_dict(named, "lenet5-1998").network.classes == 26


def test_hundreds_of_other_arrays_are_little_to_try():
    """Each could be a full connection with another count of classes, for each network and each size of images."""
    _, given = tensors()
    given |= {f"other{n}.w": np.zeros((17 + n, 33 + n // 7), np.float32) for n in range(300)}
    with spending() as spent, pytest.raises(WeightsError, match="wanted a network"):
        build(Source("arrays", given), Wishes(), "arrays")
    assert spent.spent["visits"] < spent.budget.visits / 2
