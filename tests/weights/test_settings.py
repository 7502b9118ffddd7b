"""weights/settings.py: settings in a checkpoint's dictionary or in a config.json are used, and held against the user."""

from __future__ import annotations

import argparse
import collections
import io
import json
import pickle
import types

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import WeightsError
from lenet_fast.networks import TEMPLATES
from lenet_fast.weights import settings
from lenet_fast.weights.arrays import pickled, safetensors
from lenet_fast.weights.said import Curve

TANH_AVERAGE = TEMPLATES["lenet5-tanh-average"].varied(channels=1, head="scores")


def tensors(**changes):
    network = TEMPLATES["lenet5-relu-max"].varied(**changes).network()
    names = ("conv1", "conv2", "fc1", "fc2", "fc3")
    given = list(reference.random_weights(network, np.random.default_rng(6)).values())
    keys = [f"{name}.{part}" for name in names for part in ("weight", "bias")]
    return dict(zip(keys, given, strict=True))


def said(content):
    """Of a dictionary, as a pickle has it."""
    return settings.said_in(pickled.parse(io.BytesIO(pickle.dumps(content, 4))), "in its dictionary")


class AttributeDict(dict):
    """As trainers have their own."""


PLACES = {
    "at the top": {"activation": "tanh", "pooling": "avg"},
    "in config": {"config": {"activation": "tanh", "pool_type": "mean"}},
    "in capitals": {"Config": {"Activation": "Tanh", "Pooling": "AVG"}},
    "in two places": {"hparams": {"activation": "tanh"}, "args": {"pooling": "avg"}},
    "in an ordered dictionary": {"hyper_parameters": collections.OrderedDict(activation="tanh", pooling="avg")},
    "in a dictionary of its own kind": {"hyper_parameters": AttributeDict(activation="tanh", pooling="avg")},
    "in a command line's arguments": {"args": argparse.Namespace(activation="tanh", pooling="avg", lr=0.1)},
    "in a namespace": {"cfg": types.SimpleNamespace(activation="tanh", pooling="avg")},
    "one level further down": {"config": {"model": {"activation": "tanh", "pooling": "AvgPool2d"}}},
    "with a type": {"config": {"activation": {"type": "Tanh"}, "pooling": {"class_name": "AveragePooling2D"}}},
    "as a list": {"activation": ["tanh", "tanh"], "pooling": ["avg"]},
}


@pytest.mark.parametrize("place", PLACES)
def test_settings_are_found_where_trainers_keep_them(place):
    found = said({"state_dict": {}, "epoch": 3, **PLACES[place]})
    assert (found.activations, found.poolings) == ([Curve("tanh")], {"average"})


SLOPES = [
    {"activation": "leaky_relu", "negative_slope": 0.1},
    {"activation": "LeakyReLU(0.1)"},
    {"activation": "LeakyReLU(negative_slope=0.1)"},
    {"config": {"activation": "leaky_relu"}, "args": {"slope": "0.1"}},
    {"activation": {"type": "LeakyReLU", "negative_slope": 0.1}},
]


@pytest.mark.parametrize("content", SLOPES)
def test_slopes_are_found_beside_and_in_the_word(content):
    assert said(content).activations == [Curve("leaky_relu", 0.1)]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"state_dict": {"activation": "gelu", "pool": {"weight": 3}}},  # tensors are no settings
        {"optimizer": {"activation": "gelu"}},
        {"activation": None, "pooling": 2, "slope": True},
        {"pool": [2, 2], "activation": {"p": 0.5}},
        {3: "tanh", ("activation",): "tanh", b"activation": "tanh"},
        {"reactivation": "tanh", "activation_bits": 8},
        ["activation", "tanh"],
        "tanh",
    ],
)
def test_what_is_no_setting_says_nothing(content):
    assert not said(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"activation": "gelu"}, "activation: wanted tanh, .*, found 'gelu' in its dictionary"),
        ({"config": {"hidden_act": "silu"}}, "activation: wanted tanh, .*, found 'silu' in its dictionary"),
        ({"args": {"pooling": "stochastic"}}, "pooling: wanted average .*, found 'stochastic' in its dictionary"),
        ({"activation": "leaky_relu", "slope": 3}, "slope: wanted a number from 0 to 1, found 3 in its dictionary"),
        ({"slope": 0.1, "config": {"negative_slope": 0.2}}, "one slope of leaky relu, found 0.1 and 0.2"),
        ({"slope": float("nan")}, "slope: wanted a number from 0 to 1, found nan"),
        ({"slope": 10**400}, "slope: wanted a number from 0 to 1, found 1000"),
    ],
)
def test_what_is_unknown_is_refused_by_name(content, words):
    with pytest.raises(WeightsError, match=words):
        said(content)


def test_functions_and_modules_of_pytorch_are_words_too():
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")
    for activation in (torch.nn.Tanh, torch.nn.Tanh(), torch.tanh):
        for pooling in (torch.nn.AvgPool2d, torch.nn.AvgPool2d(2), torch.nn.functional.avg_pool2d):
            found = said({"activation": activation, "pooling": pooling})
            assert (found.activations, found.poolings) == ([Curve("tanh")], {"average"})
    assert said({"activation": torch.nn.LeakyReLU(0.25)}).activations == [Curve("leaky_relu", 0.25)]
    assert said({"activation": torch.nn.functional.relu}).activations == [Curve("relu")]


# --- files ---


def written(folder, content):
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")
    state = {name: torch.from_numpy(array) for name, array in tensors().items()}
    torch.save({"state_dict": state, **content}, folder / "m.pth")
    return folder / "m.pth"


def test_a_checkpoint_loads_as_what_its_dictionary_says(tmp_path):
    path = written(tmp_path, {"config": {"activation": "tanh", "pooling": "avg"}})
    assert lenet_fast.load(path).network.layers == TANH_AVERAGE.network().layers
    assert lenet_fast.load(path, network="lenet5-tanh-average").network.layers == TANH_AVERAGE.network().layers
    with pytest.raises(WeightsError, match="activation is tanh, as in its dictionary, found 'lenet5-relu-max' with"):
        lenet_fast.load(path, network="lenet5-relu-max")
    with pytest.raises(WeightsError, match="pooling is average, as in its dictionary"):
        lenet_fast.load(path, network="lenet5-relu-max", activation="tanh")


def test_a_pickled_dictionary_loads_as_what_it_says(tmp_path):
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps({**tensors(), "activation": "tanh", "pooling": "avg"}))
    assert lenet_fast.load(path, flatten="CHW").network.layers == TANH_AVERAGE.network().layers
    with pytest.raises(WeightsError, match="activation is tanh, as in its dictionary"):
        lenet_fast.load(path, network="lenet5-relu-max", flatten="CHW")


def saved(folder, name="model.safetensors", config=None, **metadata):
    """A Hugging Face folder."""
    safetensors.write(folder / name, tensors(), {"format": "pt", **metadata})
    if config is not None:
        (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return folder / name


def test_metadata_of_safetensors_is_used(tmp_path):
    path = saved(tmp_path, "m.safetensors", activation="tanh", pooling="avg")
    assert lenet_fast.load(path).network.layers == TANH_AVERAGE.network().layers
    with pytest.raises(WeightsError, match="as in its metadata"):
        lenet_fast.load(path, network="lenet5-relu-max")


def test_the_config_of_a_hugging_face_folder_is_used(tmp_path):
    path = saved(tmp_path, config={"model_type": "lenet", "hidden_act": "tanh", "pooling": "avg", "num_labels": 10})
    assert lenet_fast.load(path).network.layers == TANH_AVERAGE.network().layers
    with pytest.raises(WeightsError, match="activation is tanh, as in the config.json beside it"):
        lenet_fast.load(path, network="lenet5-relu-max")
    written(tmp_path, {}).rename(tmp_path / "pytorch_model.bin")
    assert lenet_fast.load(tmp_path / "pytorch_model.bin").network.layers == TANH_AVERAGE.network().layers


@pytest.mark.parametrize("config", [None, {}, {"model_type": "lenet", "architectures": ["LeNet"], "layers": [1, [2]]}])
def test_a_config_that_has_nothing_of_this_is_ignored(tmp_path, config):
    path = saved(tmp_path, config=config)
    assert lenet_fast.load(path, network="lenet5-relu-max").network == TEMPLATES["lenet5-relu-max"].network()
    with pytest.raises(WeightsError, match="do not say activation, pooling and padding"):
        lenet_fast.load(path)


@pytest.mark.parametrize("config", ["", "{", '{"a": 1, "a": 2}', "[1]", "[" * 100_000, '{"a":' * 100_000])
def test_a_damaged_config_is_refused_since_it_may_say_anything(tmp_path, config):
    with pytest.raises(WeightsError, match="wanted JSON in 'config.json' beside it, or no such file, found a damaged"):
        lenet_fast.load(saved(tmp_path, config=config), network="lenet5-relu-max")


def test_a_config_with_an_activation_that_there_is_none_of_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="found 'gelu' in the config.json beside it"):
        lenet_fast.load(saved(tmp_path, config={"hidden_act": "gelu"}), network="lenet5-relu-max")


def test_no_other_file_has_a_config(tmp_path):
    """A folder of many files has one config.json at most, and who knows whose."""
    path = saved(tmp_path, "m.safetensors", config={"hidden_act": "tanh", "pooling": "avg"})
    assert lenet_fast.load(path, network="lenet5-relu-max").network == TEMPLATES["lenet5-relu-max"].network()


def test_a_config_that_is_a_link_is_not_opened(tmp_path):
    """As in the cache of a hub, where all files are links."""
    (folder := tmp_path / "snapshot").mkdir()
    path = saved(folder)
    (tmp_path / "blob").write_text('{"hidden_act": "tanh"}')
    (folder / "config.json").symlink_to(tmp_path / "blob")
    assert lenet_fast.load(path, network="lenet5-relu-max").network == TEMPLATES["lenet5-relu-max"].network()


def test_a_file_that_lenet_fast_wrote_has_no_config(tmp_path):
    network = TEMPLATES["lenet5-relu-max"].network()
    model = lenet_fast.Model(network, reference.random_weights(network, np.random.default_rng(1)))
    model.save(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("damaged")
    assert lenet_fast.load(tmp_path / "model.safetensors").network == network
