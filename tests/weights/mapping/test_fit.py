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
