"""weights/graphs/torch_file.py: a pickled Sequential is a graph; any other module has its order in its class's code."""

from __future__ import annotations

import os
from importlib import import_module

import lenet_fast
import numpy as np
import pytest
from lenet_fast import WeightsError
from lenet_fast.weights import sniff
from trainers import VARIANTS, images_for, torch_module, torch_outputs

torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")
nn = torch.nn
PLAIN = [
    name for name, v in VARIANTS.items() if all(w not in str(v.network) for w in ("scaled_tanh", "trainable", "RBF"))
]


def lenet(*behind, activation=nn.ReLU, pool=nn.MaxPool2d):
    first = [nn.Conv2d(1, 6, 5, padding=2), activation(), pool(2), nn.Conv2d(6, 16, 5), activation(), pool(2)]
    return nn.Sequential(*first, nn.Flatten(), nn.Linear(400, 84), activation(), nn.Linear(84, 10), *behind).eval()


def saved(tmp_path, module, old=False):
    torch.save(module, tmp_path / "m.pth", _use_new_zipfile_serialization=not old)
    return tmp_path / "m.pth"


def agrees(model, module, shape=(1, 28, 28)):
    images = np.random.default_rng(3).random((32, *shape), np.float32)
    wanted = torch_outputs(module, images)
    assert np.abs(model.scores(images) - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("name", PLAIN)
def test_a_sequential_says_everything(tmp_path, name):
    variant = VARIANTS[name].filled()
    module, x = torch_module(variant), images_for(variant, 32)
    wanted = torch_outputs(module, x)
    for old in (False, True):
        model = lenet_fast.load(saved(tmp_path, module, old))
        found = model.predict_proba(x) if variant.network.head == "softmax" else model.scores(x)
        assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()
        assert variant.norm or model.network == variant.network


class Named(nn.Module):
    """A class of its own, whose order is code."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x):
        return self.layers(x)


SEQUENTIALS = {
    "pooling before the activation": lambda: nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.AvgPool2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(864, 10)
    ),
    "sequentials in sequentials": lambda: nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 6, 5), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))), nn.Flatten(), nn.Linear(864, 10)
    ),
    "one layer in several places": lambda: (
        lambda act: nn.Sequential(nn.Conv2d(1, 6, 5), act, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(864, 9), act, nn.Linear(9, 4))
    )(nn.Tanh()),
    "padding by a word and by a layer": lambda: nn.Sequential(
        nn.ZeroPad2d(1), nn.Conv2d(1, 6, 5), nn.Sigmoid(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5, padding="same"),
        nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(576, 10),
    ),
    "slopes that are trained": lambda: nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.PReLU(), nn.MaxPool2d(2), nn.Flatten(1), nn.Linear(864, 10, bias=False)
    ),
    "identities": lambda: lenet(nn.Identity(), nn.Dropout(0.5)),
    "an output of log probabilities": lambda: lenet(nn.LogSoftmax(1)),
}  # fmt: skip


@pytest.mark.parametrize("case", SEQUENTIALS)
def test_sequentials_compute_what_they_say(tmp_path, case):
    torch.manual_seed(3)
    module = SEQUENTIALS[case]().eval()
    model = lenet_fast.load(saved(tmp_path, module))
    agrees(model, nn.Sequential(*list(module)[:-1]).eval() if "log" in case else module)


def test_a_sequential_in_a_checkpoint_is_a_graph_too(tmp_path):
    module = lenet(activation=nn.Tanh)
    optimiser = torch.optim.Adam(module.parameters())
    module(torch.zeros(1, 1, 28, 28)).sum().backward()
    optimiser.step()
    path = saved(
        tmp_path, {"model": module, "epoch": 3, "optimizer": optimiser.state_dict(), "loss": torch.tensor(0.1)}
    )
    agrees(lenet_fast.load(path), module)
    path = saved(tmp_path, {"model": module, "activation": "relu"})
    with pytest.raises(
        WeightsError, match="activation is relu, as in its dictionary, found the layers in the file with"
    ):
        lenet_fast.load(path)


def test_keywords_are_held_against_a_sequential(tmp_path):
    path = saved(tmp_path, lenet(activation=lambda: nn.LeakyReLU(0.2)))
    for agreeing in ({}, {"activation": "leaky_relu"}, {"slope": 0.2, "padding": 2}, {"pooling": "max"}):
        assert lenet_fast.load(path, **agreeing).network.layers[0].slope == 0.2
    for keyword, value in {"activation": "relu", "pooling": "average", "padding": 0, "slope": 0.1}.items():
        with pytest.raises(WeightsError, match=f"leave {keyword} out"):
            lenet_fast.load(path, **{keyword: value})
    for name in ("lenet5-relu-max", "lenet4"):
        with pytest.raises(WeightsError, match="found another in the file"):
            lenet_fast.load(path, network=name)


class Doubled(nn.Conv2d):
    def forward(self, x):
        return 2 * super().forward(x)


def hooked():
    module = lenet()
    module[1].register_forward_hook(_doubles)
    return module


def _doubles(module, inputs, output):
    return 2 * output


def pruned():
    module = lenet()
    import_module("torch.nn.utils.prune").l1_unstructured(module[0], "weight", 0.5)
    return module


UNLIKE = {
    "a class of its own": lambda: Named(lenet()),
    "a layer of a class of its own": lambda: nn.Sequential(Doubled(1, 6, 5, padding=2), *list(lenet())[1:]),
    "a sequential of a class of its own": lambda: Chain(*lenet()),
    "a hook": hooked,
    "a mask": pruned,
    "another padding": lambda: nn.Sequential(nn.Conv2d(1, 6, 5, padding=2, padding_mode="reflect"), *list(lenet())[1:]),
    "weights beside it": lambda: {"model": lenet(), "best": {"state": lenet().state_dict()}},
    "two of them": lambda: {"model": lenet(), "ema": lenet()},
}


class Chain(nn.Sequential):
    def forward(self, x):
        return super().forward(2 * x)


@pytest.mark.parametrize("case", UNLIKE)
def test_what_may_compute_something_else_is_no_graph(tmp_path, case):
    """Then it gives its tensors, and what its layers say."""
    path = saved(tmp_path, UNLIKE[case]())
    source = sniff.read(path)
    assert source.trace is None and source.tensors
    assert any(said.activations for said in source.said)
    with pytest.raises(WeightsError):
        lenet_fast.load(path)


def test_no_code_of_a_class_runs(tmp_path):
    class Trap(nn.Sequential):
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save(Trap(nn.ReLU()), tmp_path / "m.pth")
    with pytest.raises(WeightsError):
        lenet_fast.load(tmp_path / "m.pth")
    assert not (tmp_path / "sprung").exists()
