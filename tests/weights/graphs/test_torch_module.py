"""weights/graphs/torch_module.py: a live module gives what `module.eval()` computes, or is refused by name."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from lenet_fast import WeightsError

torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")

nn, F = torch.nn, torch.nn.functional

IMAGE = (1, 12, 12)


@pytest.fixture(autouse=True)
def seeded():
    """The same numbers in whatever order the tests run."""
    torch.manual_seed(16)


class Function(nn.Module):
    """A convolution to three maps of 8x8, a function of them, and a full connection."""

    def __init__(self, function, image=IMAGE, first=True):
        super().__init__()
        self.conv = nn.Conv2d(image[0], 3, 5) if first else nn.Identity()
        self.function = function
        self.scale = nn.Parameter(torch.rand(3, 1, 1) + 0.5)
        with torch.no_grad():
            size = self.function(self, self.conv(torch.rand(1, *image))).numel()
        self.full = nn.Linear(size, 5)

    def forward(self, x):
        return self.full(self.function(self, self.conv(x)).reshape(x.shape[0], -1))


def assert_computes(module, image=IMAGE, count=4):
    """Our outputs are the module's own, in evaluation mode."""
    x = torch.rand(count, *image)
    model = lenet_fast.from_torch(module, x[:1])
    with torch.no_grad():
        wanted = module.eval()(x).numpy()
    found = model.predict_proba(x.numpy()) if model.network.head == "softmax" else model.scores(x.numpy())
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    return model


def refused(module, image=IMAGE):
    with pytest.raises(WeightsError) as caught:
        lenet_fast.from_torch(module, torch.rand(1, *image))
    return str(caught.value)


FUNCTIONS = {
    "relu": lambda m, x: F.relu(x),
    "relu in place": lambda m, x: F.relu(x, inplace=True),
    "leaky_relu": lambda m, x: F.leaky_relu(x),
    "leaky_relu of a slope": lambda m, x: F.leaky_relu(x, 0.3),
    "leaky_relu by keyword, in place": lambda m, x: F.leaky_relu(x, negative_slope=0.2, inplace=True),
    "prelu of one slope": lambda m, x: F.prelu(x, torch.tensor([0.3])),
    "prelu of equal slopes": lambda m, x: F.prelu(x, torch.full((3,), 0.3)),
    "tanh": lambda m, x: torch.tanh(x),
    "sigmoid": lambda m, x: torch.sigmoid(x),
    "max_pool2d": lambda m, x: F.max_pool2d(x, 2),
    "max_pool2d with indices": lambda m, x: F.max_pool2d(x, 2, return_indices=True)[0],
    "max_pool2d, everything said": lambda m, x: F.max_pool2d(x, (2, 2), (2, 2), 0, 1, False),
    "avg_pool2d": lambda m, x: F.avg_pool2d(x, 2),
    "avg_pool2d, everything said": lambda m, x: F.avg_pool2d(x, 2, 2, 0, False, True, None),
    "avg_pool2d with a divisor of four": lambda m, x: F.avg_pool2d(x, 2, divisor_override=4),
    "adaptive average pooling by two": lambda m, x: F.adaptive_avg_pool2d(x, 4),
    "adaptive max pooling by two": lambda m, x: F.adaptive_max_pool2d(x, (4, 4)),
    "adaptive pooling to what is there": lambda m, x: F.adaptive_avg_pool2d(x, 8),
    "factors and quotients": lambda m, x: 0.5 * (x * 0.7) * m.scale / 3.0 / m.scale,
    "sums": lambda m, x: torch.add(m.scale + (x + 0.25), m.scale, alpha=3),
    "differences": lambda m, x: torch.sub(x - m.scale, m.scale, alpha=3),
    "differences of a number": lambda m, x: 0.25 - x,
    "differences of a parameter": lambda m, x: torch.rsub(m.scale - x, m.scale * 2),
    "negatives": lambda m, x: -x,
    "scaled tanh": lambda m, x: 1.7159 * torch.tanh(x * (2 / 3)),
    "what does nothing": lambda m, x: F.dropout2d(F.dropout(x, 0.5, m.training), 0.5, m.training).contiguous().clone(),
    "flatten": lambda m, x: torch.flatten(x, 1),
    "flatten of some axes": lambda m, x: torch.flatten(x, 2),
    "view": lambda m, x: x.view(x.size(0), -1),
    "moves": lambda m, x: (
        x.permute(0, 2, 3, 1).transpose(1, 3).unsqueeze(2).squeeze(2).squeeze(1).reshape(-1, 3 * 8 * 8)
    ),
    "padding": lambda m, x: F.pad(x, (1, 2, 3, 0)),
    "padding with a value": lambda m, x: F.pad(x, (1, 0, 0, 1), value=0.5),
    "padding of maps": lambda m, x: F.pad(x, (0, 0, 0, 0, 0, 1)),
    "a part of a sequence": lambda m, x: torch.stack([torch.zeros(1), torch.ones(1)])[1] * x,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_operators(name):
    assert_computes(Function(FUNCTIONS[name]))


LAYERS = {
    "padding": [nn.Conv2d(1, 3, 5, padding=2)],
    "padding of both axes": [nn.Conv2d(1, 3, 5, padding=(2, 2))],
    "same padding": [nn.Conv2d(1, 3, 5, padding="same")],
    "valid padding": [nn.Conv2d(1, 3, 5, padding="valid")],
    "without biases": [nn.Conv2d(1, 3, 5, bias=False), nn.Flatten(), nn.Linear(192, 6, bias=False)],
    "zero padding as a layer": [nn.ZeroPad2d(2), nn.Conv2d(1, 3, 5)],
    "batch normalisation": [nn.Conv2d(1, 3, 5), nn.BatchNorm2d(3), nn.ReLU()],
    "batch normalisation with another epsilon": [nn.Conv2d(1, 3, 5), nn.BatchNorm2d(3, eps=0.3), nn.ReLU()],
    "batch normalisation without factors": [nn.Conv2d(1, 3, 5), nn.BatchNorm2d(3, affine=False), nn.ReLU()],
    "batch normalisation of units": [nn.Conv2d(1, 3, 5), nn.Flatten(), nn.Linear(192, 6), nn.BatchNorm1d(6), nn.ReLU()],
    "maps as large as the kernel": [nn.Conv2d(1, 3, 5), nn.Conv2d(3, 6, 8)],
}  # fmt: skip


def with_statistics(*layers):
    """Layers whose batch normalisations have seen something."""
    module = nn.Sequential(*layers)
    for layer in module:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.uniform_(-1, 1)
            layer.running_var.uniform_(0.01, 2)
            if layer.affine:
                nn.init.uniform_(layer.weight, -1, 1)
                nn.init.uniform_(layer.bias, -1, 1)
    with torch.no_grad():
        size = module.eval()(torch.rand(1, *IMAGE)).numel()
    return nn.Sequential(*module, nn.Flatten(), nn.Linear(size, 5)).train()


@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_evaluation_mode(name):
    """Also of a module that is in training mode, which stays in it."""
    module = with_statistics(*LAYERS[name])
    x = torch.rand(1, *IMAGE)
    lenet_fast.from_torch(module, x)
    assert module.training
    assert_computes(module)


def test_heads():
    for head in (nn.Softmax(1), nn.Softmax(-1)):
        model = assert_computes(nn.Sequential(nn.Conv2d(1, 3, 5), nn.Flatten(), nn.Linear(192, 5), head))
        assert model.network.head == "softmax"
    module = nn.Sequential(nn.Conv2d(1, 3, 5), nn.Flatten(), nn.Linear(192, 5), nn.LogSoftmax(1)).eval()
    x = torch.rand(4, *IMAGE)
    with torch.no_grad():
        wanted = module(x).exp().numpy()
    np.testing.assert_allclose(lenet_fast.from_torch(module, x).predict_proba(x.numpy()), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["argmax", "argmin"])
def test_labels(kind):
    class Labels(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(1, 3, 5), nn.Flatten(), nn.Linear(192, 6))
            self.codes = nn.Parameter(torch.sign(torch.randn(4, 6)))

        def forward(self, x):
            x = self.body(x)
            return x.argmax(1) if kind == "argmax" else (x.unsqueeze(1) - self.codes).square().sum(-1).argmin(1)

    x = torch.rand(16, *IMAGE)
    module = Labels().eval()
    assert (lenet_fast.from_torch(module, x).predict(x.numpy()) == module(x).numpy()).all()


@pytest.mark.parametrize(
    "distances",
    [
        lambda x, codes: ((x.unsqueeze(1) - codes) ** 2).sum(-1),
        lambda x, codes: ((x[:, None] - codes).pow(2)).sum(2),
        lambda x, codes: (codes - x.unsqueeze(1)).square().sum(dim=2),
        lambda x, codes: torch.mul(d := x.unsqueeze(1) - codes, d).sum(-1),
    ],
)
def test_distances_to_codes(distances):
    class Codes(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(1, 3, 5), nn.Flatten(), nn.Linear(192, 6))
            self.codes = nn.Parameter(torch.sign(torch.randn(4, 6)))

        def forward(self, x):
            return distances(self.body(x), self.codes)

    assert assert_computes(Codes()).network.head == "rbf"


def test_matrices_by_hand():
    class Products(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 3, 5)
            self.a, self.b = nn.Parameter(torch.randn(192, 6) / 9), nn.Parameter(torch.randn(6))
            self.c = nn.Parameter(torch.randn(6, 5))

        def forward(self, x):
            x = torch.addmm(self.b, self.conv(x).flatten(1), self.a)
            return torch.relu(x) @ self.c

    assert_computes(Products())


# --- the image ---


@pytest.mark.parametrize("side", [28, 32])
def test_a_module_that_takes_one_size_needs_no_example(side):
    module = nn.Sequential(nn.Conv2d(3, 2, 5), nn.Flatten(), nn.Linear(2 * (side - 4) ** 2, 4))
    assert lenet_fast.from_torch(module).network.input == (3, side, side)


def test_a_module_that_takes_both_or_neither_wants_one():
    for layers in ([nn.Conv2d(1, 2, 5)], [nn.Conv2d(1, 2, 5), nn.Flatten(), nn.Linear(50, 4)]):
        with pytest.raises(WeightsError, match="takes both|takes neither") as caught:
            lenet_fast.from_torch(nn.Sequential(*layers))
        assert "pass example=" in str(caught.value)
    with pytest.raises(WeightsError, match=r"no nn\.Conv2d.*pass example="):
        lenet_fast.from_torch(nn.Linear(4, 4))


def test_what_is_no_module_is_a_type_error():
    for given in ({}, nn.Linear, torch.zeros(3)):
        with pytest.raises(TypeError, match=r"module: wanted a torch\.nn\.Module"):
            lenet_fast.from_torch(given)


def test_an_example_may_be_numpys_and_of_several_images():
    module = nn.Sequential(nn.Conv2d(1, 3, 5), nn.Flatten(), nn.Linear(192, 5)).eval()
    x = np.random.default_rng(0).random((3, *IMAGE)).astype(np.float32)
    wanted = module(torch.from_numpy(x)).detach().numpy()
    for example in (x, x[:1], torch.from_numpy(x)):
        found = lenet_fast.from_torch(module, example).scores(x)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_conversions_of_floats_to_floats_are_nothing():
    assert_computes(Function(lambda m, x: x.float().to(torch.float32)))


@pytest.mark.xfail(strict=True, reason="the module itself is asked in another precision than its own")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_modules_of_half_precision_are_widened(dtype):
    module = nn.Sequential(nn.Conv2d(1, 3, 5), nn.Flatten(), nn.Linear(24 * 24 * 3, 5)).to(dtype).eval()
    assert lenet_fast.from_torch(module).network.input == (1, 28, 28)


def test_the_module_is_left_as_it_was():
    module = nn.Sequential(nn.Conv2d(1, 3, 5), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(192, 5)).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    lenet_fast.from_torch(module, torch.rand(1, *IMAGE))
    assert module.training and all(layer.training for layer in module)
    assert all((before[name] == value).all() for name, value in module.state_dict().items())


# --- what is not of the family ---

REFUSED = {
    "pooling to a third": (lambda m, x: F.adaptive_avg_pool2d(x, 3), "adaptive pooling"),
    "pooling by two and by four": (lambda m, x: F.adaptive_max_pool2d(x, (4, 2)), "adaptive pooling"),
    "a mean of maps": (lambda m, x: x.mean((2, 3)), "a mean over 8x8"),
    "another divisor": (lambda m, x: F.avg_pool2d(x, 2, divisor_override=3), "a divisor of 3"),
    "pooling with gaps": (lambda m, x: F.max_pool2d(x, 2, dilation=2), "dilated pooling"),
    "padded pooling": (lambda m, x: F.max_pool2d(x, 2, padding=1), "padding (1, 1, 1, 1)"),
    "pooling with stride 1": (lambda m, x: F.avg_pool2d(x, 2, 1), "stride 1x1"),
    "mirrored borders": (lambda m, x: F.pad(x, (2, 2, 2, 2), mode="reflect"), "found reflect"),
    "a residual": (lambda m, x: x + torch.tanh(x), "joins two branches"),
    "maps times themselves": (lambda m, x: x * x, "a power"),
    "a cube": (lambda m, x: x**3, "a power"),
    "two joined": (lambda m, x: torch.cat([x, x], 1), "joins branches"),
    "a number by maps": (lambda m, x: 1 / (x + 9), "wanted"),
    "whole quotients": (lambda m, x: torch.div(x, 2, rounding_mode="floor"), "another division"),
    "leaky relu that falls": (lambda m, x: F.leaky_relu(x, -0.1), "found leaky_relu with slope -0.1"),
    "leaky relu steeper than one": (lambda m, x: F.leaky_relu(x, 1.5), "found leaky_relu with slope 1.5"),
    "prelu of several slopes": (lambda m, x: F.prelu(x, m.scale.flatten()), "found prelu with a slope for each map"),
    "elu": (lambda m, x: F.elu(x), "found elu"),
    "relu6": (lambda m, x: F.relu6(x), "wanted an operation of the LeNet family"),
    "gelu": (lambda m, x: F.gelu(x), "found gelu"),
    "softmax over maps": (lambda m, x: F.softmax(x, 1), "a softmax over the classes"),
    "layer normalisation": (lambda m, x: F.layer_norm(x, (8, 8)), "layer_norm"),
    "weights from the left": (lambda m, x: m.scale[:, :, 0].T @ x.flatten(2), "wanted"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_of_the_family_is_refused_by_name(name):
    function, words = REFUSED[name]
    assert words in refused(Function(function))


@pytest.mark.parametrize(
    ("layer", "side", "words"),
    [
        (nn.Conv2d(1, 3, 3), 10, "found 3x3"),
        (nn.Conv2d(1, 3, 5, stride=2), 4, "stride 2x2"),
        (nn.Conv2d(1, 3, 5, dilation=2), 4, "dilation"),
        (nn.Conv2d(1, 3, 5, padding=(2, 1)), (12, 10), "the same padding"),
        (nn.Conv2d(1, 3, 5, padding=2, padding_mode="circular"), 12, "wanted"),
        (nn.BatchNorm2d(3, track_running_stats=False), 12, "stored statistics"),
    ],
)
def test_layers_of_another_kind_are_refused(layer, side, words):
    rows, columns = side if isinstance(side, tuple) else (side, side)
    image = (3 if isinstance(layer, nn.BatchNorm2d) else 1, *IMAGE[1:])
    assert words in refused(nn.Sequential(layer, nn.Flatten(), nn.Linear(3 * rows * columns, 4)), image)


def test_code_that_cannot_be_traced_is_refused():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 3, 5)

        def forward(self, x):
            return self.conv(x) if x.sum() > 0 else x

    sentence = refused(Branching())
    assert "torch.export can trace" in sentence and "\n" not in sentence and "pass example=" in sentence
