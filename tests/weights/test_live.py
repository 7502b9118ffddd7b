"""weights/live.py: models out of live objects, which are compared with the object itself, and out of named arrays."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, WeightsError

NETWORK = Network((1, 8, 8), (Conv5x5(2), Dense(3)), "scores")


def weights():
    return reference.random_weights(NETWORK, np.random.default_rng(19))


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="keras is not installed (pip install '.[frameworks]')")


def test_each_object_has_its_function(torch):
    for function, given, words in (
        (lenet_fast.load, torch.nn.Flatten(), "path: .*Flatten; live objects go to lenet_fast.from_torch"),
        (lenet_fast.from_torch, {}, "module: .*dict; from_state_dict"),
        (lenet_fast.from_keras, torch.nn.Flatten(), r"model: wanted a keras\.Model, found Flatten"),
        (lenet_fast.from_onnx, "m.onnx", r"model: wanted an onnx\.ModelProto, found str"),
        (lambda m: lenet_fast.from_state_dict(m, NETWORK), torch.nn.Flatten(), r"mapping: .*Flatten.*state_dict\(\)"),
        (lambda m: lenet_fast.from_state_dict(m, NETWORK), list(weights().values()), "mapping: .*list"),
    ):
        with pytest.raises(TypeError, match=words):
            function(given)


# --- the object itself is asked ---


def test_a_module_that_computes_something_else_is_refused(torch):
    """Whatever it was traced as: its own outputs count."""

    class Moody(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.full = torch.nn.Conv2d(1, 2, 5), torch.nn.Linear(32, 3)
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return self.calls * self.full(self.conv(x).flatten(1))

    module = Moody()
    with pytest.raises(WeightsError, match="Moody: wanted the outputs of the original, found others"):
        lenet_fast.from_torch(module, torch.rand(1, 1, 8, 8))
    assert module.calls == 0  # a copy is asked


@pytest.mark.filterwarnings("ignore")
def test_a_keras_model_that_computes_something_else_is_refused(keras):
    layers = keras.layers
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 5), layers.Flatten(), layers.Dense(3)])
    assert lenet_fast.from_keras(model).network == NETWORK
    predict = model.predict
    model.predict = lambda x, **options: predict(x, **options) * 1.001
    with pytest.raises(WeightsError, match="Sequential: wanted the outputs of the original, found others"):
        lenet_fast.from_keras(model)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("scale", [1 / 255, 2.0])
def test_models_that_scale_pixels_are_compared_with_pixels(keras, torch, scale):
    """Up to 255 where their own factor is meant for those."""
    layers = keras.layers
    body = [
        layers.Rescaling(scale, offset=-0.5),
        layers.Conv2D(2, 5, activation="tanh"),
        layers.Flatten(),
        layers.Dense(3),
    ]
    model = keras.Sequential([keras.Input((8, 8, 1)), *body])
    found = lenet_fast.from_keras(model)
    assert found.preprocess.white == (255 if scale < 1 else None)

    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.full = torch.nn.Conv2d(1, 2, 5), torch.nn.Linear(32, 3)

        def forward(self, x):
            return self.full(torch.tanh(self.conv(x * scale - 0.5)).flatten(1))

    found = lenet_fast.from_torch(Scaled(), torch.rand(1, 1, 8, 8))
    assert found.preprocess.white == (255 if scale < 1 else None)


def test_images_that_are_padded_inside_are_compared_as_they_come(torch):
    class Padded(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.full = torch.nn.Conv2d(1, 2, 5), torch.nn.Linear(128, 3)

        def forward(self, x):
            return self.full(self.conv(torch.nn.functional.pad(x, (2, 2, 2, 2), value=-0.4242)).flatten(1))

    module = Padded().eval()
    x = torch.rand(4, 1, 8, 8)
    model = lenet_fast.from_torch(module, x[:1])
    assert model.network.input == (1, 12, 12)
    wanted = module(x).detach().numpy()
    framed = np.pad(x.numpy(), [(0, 0), (0, 0), (2, 2), (2, 2)], constant_values=-0.4242)
    np.testing.assert_allclose(model.scores(framed), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


# --- named arrays ---


def test_tensors_of_a_framework_are_arrays(torch):
    """On any device, of any kind, wanting gradients or not; and their orders are PyTorch's."""
    names = [n.lower().replace(".", "_") for n in weights()]
    for kind in (torch.float32, torch.float64, torch.bfloat16):
        state = {
            n: torch.nn.Parameter(torch.from_numpy(a).to(kind)) for n, a in zip(names, weights().values(), strict=True)
        }
        found = lenet_fast.from_state_dict(state, NETWORK).weights
        for name, wanted in zip(weights(), state.values(), strict=True):
            np.testing.assert_array_equal(found[name], wanted.detach().float().numpy())
    with pytest.raises(WeightsError, match="flatten='CHW'"):
        lenet_fast.from_state_dict(dict(zip(names, weights().values(), strict=True)), NETWORK)


def test_whatever_numpy_takes_is_an_array():
    found = lenet_fast.from_state_dict({n: a.tolist() for n, a in weights().items()}, NETWORK).weights
    assert all((found[name] == array).all() for name, array in weights().items())

    class Broken:
        def __array__(self, *args, **options):
            raise RuntimeError("no memory left")

    with pytest.raises(TypeError, match=r"C1\.bias: wanted an array, found Broken \(no memory left\)"):
        lenet_fast.from_state_dict({**weights(), "C1.bias": Broken()}, NETWORK)


def test_names_of_options_are_checked():
    for options, words in (
        ({"flatten": "WHC"}, "flatten: wanted CHW or HWC, found 'WHC'"),
        ({"coefficients": "product"}, "coefficients: wanted sum or mean"),
        ({"compact": "sorted"}, "compact: wanted ascending or wrapped"),
        ({"network": "lenet6"}, "network: wanted one of lenet1, .* found 'lenet6'"),
        ({"network": "lenet5-relu-max", "activation": "gelu"}, "activation: wanted one of"),
        (
            {"network": "lenet5-relu-max", "preprocess": "imagenet"},
            "preprocess: wanted one of unit, mnist, .*'imagenet'",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            lenet_fast.from_state_dict(weights(), **{"network": NETWORK} | options)
