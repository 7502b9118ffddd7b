"""Whole networks against PyTorch: the trainer's own framework must say the same."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import RBF, Conv5x5, Dense, Model, Preprocess, Subsample2x2

torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")
functional = torch.nn.functional

ACTIVATIONS = {
    "identity": lambda x: x,
    "scaled_tanh": lambda x: 1.7159 * torch.tanh(x * (2 / 3)),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
}


def torch_scores(network, weights, x):
    """The network in PyTorch's own operations, float32."""
    for layer, figures in zip(network.layers, network.figures, strict=True):
        tensors = [torch.from_numpy(weights[name].copy()) for name in figures.parameters]
        match layer:
            case Conv5x5(_, activation, padding, _):
                x = ACTIVATIONS[activation](functional.conv2d(x, *tensors, padding=padding))
            case Subsample2x2("max", activation):
                x = ACTIVATIONS[activation](functional.max_pool2d(x, 2))
            case Subsample2x2("average", activation):
                x = ACTIVATIONS[activation](functional.avg_pool2d(x, 2))
            case Subsample2x2("trainable", activation):
                coefficient, bias = (t[:, None, None] for t in tensors)
                x = ACTIVATIONS[activation](4 * functional.avg_pool2d(x, 2) * coefficient + bias)
            case Dense(_, activation):
                x = ACTIVATIONS[activation](functional.linear(x.flatten(1), *tensors))
            case RBF():
                x = ((x.flatten(1)[:, None] - tensors[0]) ** 2).sum(2)
    return x.numpy()


def assert_agree(network, found, wanted):
    """Within 1e-5 of each image's largest score, and no label differs."""
    error = np.abs(found - wanted) / np.abs(wanted).max(1, keepdims=True)
    assert error.max() <= 1e-5
    best = np.argmin if network.head == "rbf" else np.argmax
    assert (best(found, 1) == best(wanted, 1)).all()


@pytest.mark.parametrize("name", lenet_fast.networks())
def test_named_networks(isa, random, name):
    network = lenet_fast.networks()[name]
    model = Model(network, reference.random_weights(network, random), preprocess=Preprocess(scale=2, shift=-1))
    images = random.integers(0, 256, (256, *network.input), np.uint8)
    wanted = torch_scores(network, model.weights, torch.from_numpy(images).float() / 255 * 2 - 1)
    assert_agree(network, model.scores(images), wanted)


def test_the_bundled_model_on_mnist(isa, digits, mnist):
    images, _ = mnist
    unit = functional.pad(torch.from_numpy(images.copy())[:, None].float() / 255, (2, 2, 2, 2))
    wanted = np.concatenate([torch_scores(digits.network, digits.weights, x) for x in (1.275 * unit - 0.1).split(1000)])
    assert_agree(digits.network, digits.scores(images), wanted)


def test_tensors_are_images(digits):
    images = torch.from_numpy(lenet_fast.sample_digits())
    assert digits.predict(images).tolist() == list(range(10))
    assert digits.predict(list(images)).tolist() == list(range(10))
    with pytest.raises(
        TypeError, match=r"a tensor that needs gradients or lies on another device wants .detach\(\).cpu\(\) first"
    ):
        digits.predict((images / 255).requires_grad_())
