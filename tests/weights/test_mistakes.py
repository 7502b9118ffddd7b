"""What people hand over by mistake, and what reads in two ways: each gets its one sentence."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import re
import warnings

import lenet_fast
import numpy as np
import pytest
from lenet_fast import WeightsError
from trainers import VARIANTS, images_for

os.environ.setdefault("KERAS_BACKEND", "torch")
torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")
onnx = pytest.importorskip("onnx", reason="onnx is not installed (pip install '.[frameworks]')")
nn = torch.nn


def sentence(path, **options):
    """What `load` says: one sentence that begins with the path."""
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(path, **options)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text[len(f"{path}: ") :]


# --- graphs: a PyTorch module, the size of its image, the sentence ---


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 5, padding=2)
        self.out = nn.Linear(784, 10)

    def forward(self, x):
        return self.out((self.conv(x) + x).flatten(1))


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 2, 5), nn.Conv2d(1, 3, 5)
        self.out = nn.Linear(5 * 576, 10)

    def forward(self, x):
        return self.out(torch.cat([self.a(x), self.b(x)], 1).flatten(1))


class Mean(nn.Module):
    """Something before a small network."""

    def __init__(self, first, image):
        super().__init__()
        self.first, self.rest = first, tail(image, nn.Conv2d(image[0], 2, 5))

    def forward(self, x):
        return self.rest(self.first(x))


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def tail(image, *layers, outputs=10, last=()):
    """Layers, a flattening and a full connection."""
    body = nn.Sequential(*layers).eval()
    with torch.no_grad():
        size = body(torch.zeros(1, *image)).numel()
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(size, outputs), *last)


def slopes(maps):
    activation = nn.PReLU(maps)
    activation.weight.data[0] = 0.5
    return activation


def shifted(maps, gamma=1.0, dimensions=2):
    norm = (nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm1d)(maps)
    norm.bias.data.fill_(0.5)
    norm.weight.data.fill_(gamma)
    return norm


I28 = (1, 28, 28)
conv = nn.Conv2d
GRAPHS = {
    "3x3 kernels": (lambda: tail(I28, conv(1, 6, 3), nn.ReLU()), I28, "wanted a 5x5 kernel, found 3x3; only 5x5 kernels are supported"),
    "7x7 kernels": (lambda: tail(I28, conv(1, 6, 7), nn.ReLU()), I28, "wanted a 5x5 kernel, found 7x7"),
    "1x1 kernels over maps": (lambda: tail(I28, conv(1, 6, 5), conv(6, 3, 1)), I28, "wanted a 5x5 kernel, found 1x1"),
    "stride": (lambda: tail(I28, conv(1, 6, 5, stride=2)), I28, "wanted stride 1, found stride 2x2; strided convolutions are not supported"),
    "dilation": (lambda: tail(I28, conv(1, 6, 5, dilation=2)), I28, "wanted no dilation, found 2x2; dilated convolutions are not supported"),
    "groups": (lambda: tail((2, 28, 28), conv(2, 6, 5, groups=2)), (2, 28, 28), "wanted one group, found 2 groups; grouped convolutions are not supported"),
    "transposed convolution": (lambda: tail(I28, nn.ConvTranspose2d(1, 6, 5)), I28, "wanted an operation of the LeNet family, found ConvTranspose"),
    "padding 5": (lambda: tail(I28, conv(1, 6, 5, padding=5)), I28, r"wanted the same padding, 0 to 4, on all sides, found \[5\]"),
    "uneven padding": (lambda: tail(I28, nn.ZeroPad2d((1, 2, 1, 2)), conv(1, 6, 5)), I28, r"wanted the same padding, 0 to 4, on all sides, found \[1, 2\]; pad symmetrically"),
    "reflected padding": (lambda: tail(I28, conv(1, 6, 5, padding=2, padding_mode="reflect")), I28, "wanted padding with a constant, found reflect; pad with zeros"),
    "padding with ones": (lambda: tail(I28, conv(1, 2, 5), nn.ConstantPad2d(2, 1.0), conv(2, 6, 5)), I28, "wanted a border of zeros, found one of 1"),
    "overlapping pooling": (lambda: tail(I28, conv(1, 6, 5), nn.MaxPool2d(3, 2)), I28, "wanted 2x2 windows with stride 2, found overlapping windows of 3x3 with stride 2x2"),
    "pooling with stride 1": (lambda: tail(I28, conv(1, 6, 5), nn.AvgPool2d(2, 1)), I28, "wanted 2x2 windows with stride 2, found overlapping windows of 2x2 with stride 1x1"),
    "3x3 pooling": (lambda: tail(I28, conv(1, 6, 5), nn.MaxPool2d(3)), I28, "wanted 2x2 windows with stride 2, found windows of 3x3 with stride 3x3"),
    "decimation": (lambda: tail(I28, conv(1, 6, 5), nn.MaxPool2d(1, 2)), I28, "wanted 2x2 windows with stride 2, found decimation, windows of 1x1 with stride 2x2"),
    "padded pooling": (lambda: tail(I28, conv(1, 6, 5), nn.AvgPool2d(2, padding=1)), I28, r"wanted windows inside the maps, found padding \(1, 1, 1, 1\)"),
    "pooling that rounds up": (lambda: tail((1, 27, 27), conv(1, 6, 5), nn.MaxPool2d(2, ceil_mode=True)), (1, 27, 27), "wanted windows inside the maps, found padding"),
    "global pooling": (lambda: tail(I28, conv(1, 6, 5), nn.AdaptiveAvgPool2d(1)), I28, "wanted 2x2 windows with stride 2, found a mean over 24x24 values; global and adaptive pooling are not supported"),
    "leaky relu that falls": (lambda: tail(I28, conv(1, 6, 5), nn.LeakyReLU(-0.1)), I28, "wanted tanh, scaled tanh, sigmoid, relu, leaky relu or none, found LeakyRelu with slope -0.1, which is not from 0 to 1"),
    "prelu": (lambda: tail(I28, conv(1, 6, 5), slopes(6)), I28, "wanted tanh, scaled tanh, sigmoid, relu, leaky relu or none, found PRelu with a slope for each map"),
    "relu6": (lambda: tail(I28, conv(1, 6, 5), nn.ReLU6()), I28, "wanted tanh, scaled tanh, sigmoid, relu, leaky relu or none, found Clip from 0.0 to 6.0"),
    "elu": (lambda: tail(I28, conv(1, 6, 5), nn.ELU()), I28, "wanted tanh, scaled tanh, sigmoid, relu, leaky relu or none, found Elu"),
    "swish": (lambda: tail(I28, conv(1, 6, 5), nn.SiLU()), I28, r"wanted layers in one row, found \w+, an operator that joins two branches"),
    "two activations": (lambda: tail(I28, conv(1, 6, 5), nn.Tanh(), nn.Sigmoid()), I28, "wanted one activation per layer, found sigmoid behind tanh"),
    "activation first": (lambda: tail(I28, nn.Tanh(), conv(1, 6, 5)), I28, "wanted a convolution first, found an activation of pixels, tanh"),
    "residual": (Residual, I28, r"wanted layers in one row, found \w+, an operator that joins two branches; residual and branching graphs are not supported"),
    "branches": (Inception, I28, "wanted layers in one row, found a branch: what .* reads is read again"),
    "multilayer perceptron": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10)), I28, "wanted a convolution before the first full connection, found a multilayer perceptron; it is not of the LeNet family"),
    "pooling only": (lambda: tail(I28, nn.MaxPool2d(2)), I28, "wanted at least one 5x5 convolution, found none; it is not of the LeNet family"),
    "softmax of one output": (lambda: tail(I28, conv(1, 6, 5), nn.ReLU(), outputs=1, last=[nn.Softmax(1)]), I28, "wanted two classes or more before softmax, found a softmax of one output, which is the same whatever the image; end the graph at its scores"),
    "factor behind the outputs": (lambda: tail(I28, conv(1, 6, 5), last=[nn.Sigmoid(), Function(lambda x: 3 * x + 1)]), I28, "wanted an activation as the last operation, found a factor or shift behind it; leave it out"),
    "batch norm before padding": (lambda: tail(I28, conv(1, 6, 5), nn.ReLU(), shifted(6), conv(6, 3, 5, padding=2)), I28, "wanted a factor or shift .batch normalisation. that the next layer can take, found one before .* which pads with zeros; put batch normalisation before the activation"),
    "negative batch norm behind max pooling": (lambda: tail(I28, conv(1, 6, 5), nn.MaxPool2d(2), shifted(6, -1.0), nn.ReLU()), I28, "batch normalisation, perhaps with negative factors.* between max pooling and an activation"),
    "batch norm between activations": (lambda: tail(I28, conv(1, 6, 5), nn.ReLU(), shifted(6), nn.Tanh()), I28, "between two activations; put batch normalisation right behind the convolution"),
    "instance norm": (lambda: tail(I28, conv(1, 6, 5), nn.InstanceNorm2d(6)), I28, "wanted an operation of the LeNet family, found InstanceNormalization; use a general runtime"),
    "local response norm": (lambda: tail(I28, conv(1, 6, 5), nn.LocalResponseNorm(3)), I28, "wanted"),
    "mean image": (lambda: Mean(Function(lambda x: x - torch.arange(784.0).reshape(1, 1, 28, 28) / 784), I28), I28, "wanted one value per map, found values that differ from pixel to pixel; per-pixel biases and mean images are not supported"),
    "axes reshaped": (lambda: Mean(Function(lambda x: x.reshape(-1, 3, 32, 32)), (3, 32, 32)), (32, 32, 3), "wanted the image's axes moved by a transposition, found a reshape, which mixes pixels and channels"),
    "columns and rows swapped": (lambda: Mean(Function(lambda x: x.transpose(2, 3)), I28), I28, "wanted the image's pixels in their order, found a graph that shuffles them"),
    "cropped image": (lambda: Mean(Function(lambda x: x[:, :, 2:30, 2:30]), I28), (1, 32, 32), "wanted the whole image, found a graph that cuts it before the first layer; cut images before"),
    "maps mixed": (lambda: tail(I28, conv(1, 6, 5), Function(lambda x: x.transpose(1, 2).reshape(1, 6, 24, 24)), conv(6, 3, 5)), I28, "wanted the maps of the layer before, in their order, found maps that were cut, moved or mixed"),
    "softmax over maps": (lambda: tail(I28, conv(1, 6, 5), nn.Softmax(1)), I28, "wanted a softmax over the classes, found one over axis 1"),
    "layers behind softmax": (lambda: tail(I28, conv(1, 6, 5), last=[nn.Softmax(1), nn.Linear(10, 5)]), I28, "wanted softmax as the last operation, found another behind it"),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_that_are_not_of_the_family(tmp_path, name):
    make, image, wanted = GRAPHS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(make().eval(), (torch.zeros(1, *image),), tmp_path / "m.onnx", dynamo=False, opset_version=15)
    assert re.search(wanted, sentence(tmp_path / "m.onnx"))


# --- arrays without a graph ---


def arrays(**changes):
    """A relu/max LeNet for 28x28 as PyTorch names it; None takes an array out."""
    random = np.random.default_rng(0)
    shapes = {"conv1": (6, 1, 5, 5), "conv2": (16, 6, 5, 5), "fc1": (120, 256), "fc2": (84, 120), "fc3": (10, 84)}
    found = {}
    for name, shape in shapes.items():
        found[f"{name}.weight"] = random.normal(size=shape).astype(np.float32)
        found[f"{name}.bias"] = random.normal(size=shape[0]).astype(np.float32)
    found |= {name.replace("__", "."): value for name, value in changes.items()}
    return {name: value for name, value in found.items() if value is not None}


def unnamed(flip_conv=False, flip_dense=False):
    """The same under names that tell nothing of a framework."""
    found = {}
    for i, (name, array) in enumerate(arrays().items()):
        if array.ndim == 4 and flip_conv:
            array = array.transpose(2, 3, 1, 0)
        if array.ndim == 2 and flip_dense:
            array = array.T
        found[f"{'b' if name.endswith('bias') else 'w'}{i // 2}"] = array
    return found


def compact():
    classic = VARIANTS["classic: table, trainable, C5, RBF"].filled()
    found = dict(classic.weights)
    table = classic.network.layers[2].connections
    found["C3.weight"] = np.concatenate([found["C3.weight"][m, list(row)] for m, row in enumerate(table)])
    return {**{n: w for n, w in found.items() if not n.startswith("S")}, "pool1.weight": found["S2.coefficient"], "pool1.bias": found["S2.bias"], "pool2.weight": found["S4.coefficient"], "pool2.bias": found["S4.bias"]}  # fmt: skip


def square():
    """Five maps of five: no order of axes can be told."""
    random = np.random.default_rng(0)
    return {
        "w1": random.normal(size=(5, 5, 5, 5)),
        "w2": random.normal(size=(5, 5, 5, 5)),
        "w3": random.normal(size=(10, 80)),
    }


SQUARE = lenet_fast.Network((5, 28, 28), (lenet_fast.Conv5x5(5, "relu"), lenet_fast.Subsample2x2("max"), lenet_fast.Conv5x5(5, "relu"), lenet_fast.Subsample2x2("max"), lenet_fast.Dense(10)), "scores")  # fmt: skip
NAMED = {"network": "lenet5-relu-max"}
ARRAYS = {
    "no network": (arrays(), {}, r"wanted a network, since weights alone \(npz\) do not say activation, pooling and padding, found conv1.weight \(6, 1, 5, 5\).*; pass network='lenet5-tanh-average' or 'lenet5-relu-max' or 'lenet5-sigmoid-average', or try them all with 'lenet-fast verify'"),
    "another network": (arrays(), {"network": "lenet4"}, r"wanted coefficients and biases of trainable subsampling, two vectors of 6, found none that are named as such; name the network without trainable subsampling"),
    "sizes that the classic does not have": (arrays(fc3__weight=np.zeros((10, 83), "f4"), fc2__weight=np.zeros((83, 120), "f4"), fc2__bias=np.zeros(83, "f4")), {"network": "lenet5-1998"}, r"wanted the shapes of lenet5-1998 .*; these fit: lenet5-tanh-average, lenet5-relu-max, lenet5-sigmoid-average, caffe-20-50-500"),

    "3x3 kernels": (arrays(conv2__weight=np.zeros((16, 6, 3, 3), "f4")), NAMED, r"only 5x5 kernels are supported, found conv2.weight \(16, 6, 3, 3\)"),
    "a layer missing": (arrays(fc2__weight=None), NAMED, "none of the named networks fits"),
    "a layer too many": (arrays(extra__weight=np.zeros((7, 9), "f4")), NAMED, r"extra.weight: wanted only tensors of the network .*, found one of shape \(7, 9\) that no layer takes"),
    "two models": (arrays() | {f"teacher.{n}": a for n, a in arrays().items()}, NAMED, "wanted|no layer takes"),
    "batch norm": (arrays(bn1__running_mean=np.zeros(6, "f4"), bn1__running_var=np.ones(6, "f4")), NAMED, "found batch normalisation; a file without a graph does not say whether it comes before or after the activation: export the model to ONNX"),
    "flattened in an unknown order": (unnamed(), NAMED, r"wanted to know in which order 16 maps of 4x4 became 256 inputs, found nothing that tells; pass flatten='CHW' \(PyTorch, Caffe\) or flatten='HWC' \(Keras, TensorFlow, JAX\)"),
    "kernels last, flattened in an unknown order": (unnamed(True, True), NAMED, "pass flatten='CHW'"),
    "kernels first, full connections last": (unnamed(False, True), NAMED, "pass flatten='CHW'"),
    "axes that cannot be told": (square(), {"network": SQUARE, "flatten": "CHW"}, r"wanted axes whose order can be told, found shape \(5, 5, 5, 5\), which reads in 5 ways as C1.weight .*; pass kernels='OIHW' or 'HWIO' or"),
    "biases that cannot be told": ({**{n: a for n, a in arrays().items() if n.endswith("weight")}, "a": np.zeros(6, "f4"), "b": np.zeros(6, "f4")}, NAMED, r"wanted 1 bias vector of 6, found 2 \(a, b\), perhaps of batch normalisation; .*export the model to ONNX"),
    "coefficients of sum or mean": (compact(), {"network": "lenet5-1998", "compact": "ascending"}, r"wanted to know whether coefficients are on the sum of four values or on their mean, found nothing that tells; pass coefficients='sum' \(as in the 1998 paper\) or 'mean'"),
    "kernels without gaps": (compact(), {"network": "lenet5-1998", "coefficients": "sum"}, r"wanted to know which input map each kernel of the connection table belongs to, found kernels without gaps; pass compact='ascending'"),
    "no coefficients": ({n: a for n, a in VARIANTS["classic: table, trainable, C5, RBF"].filled().weights.items() if n[0] != "S"}, {"network": "lenet5-1998"}, "wanted coefficients and biases of trainable subsampling, two vectors of 6, found none that are named as such"),
    "images": ({"x_train": np.zeros((600, 28, 28), "u1"), "y_train": np.zeros(600, "u1")}, {}, r"wanted weights, found \(600, 28, 28\), images of a data set; this is no model"),
    "flat images": ({"images": np.zeros((600, 784), "f4")}, NAMED, "images of a data set; this is no model"),
    "numbers that are none": (arrays(fc3__bias=np.full(10, np.nan, "f4")), NAMED, "wanted finite values, found nan"),
    "texts": ({"names": np.array(["a", "b"])}, {}, r"wanted weights, found only names <U1 \(2,\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_do_not_say_enough(tmp_path, name):
    found, options, wanted = ARRAYS[name]
    np.savez(tmp_path / "w.npz", **found)
    assert re.search(wanted, sentence(tmp_path / "w.npz", **options))


# --- files ---


@pytest.mark.filterwarnings("ignore")
def test_a_scaling_before_the_one_in_the_graph(tmp_path):
    """Normalisation inside the graph does not say what came before: 0..255 or 0..1."""
    body = VARIANTS["relu max 28 valid"].filled()
    module = Mean(Function(lambda x: (x - 0.1307) / 0.3081), I28).eval()
    x = torch.from_numpy(images_for(body, 16))
    torch.onnx.export(module, (x[:1],), tmp_path / "m.onnx", dynamo=False, opset_version=15, input_names=["x"], dynamic_axes={"x": {0: "n"}})  # fmt: skip
    wanted = module(x).detach().numpy()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 28, 28), np.uint8)
    unknown = lenet_fast.load(tmp_path / "m.onnx")
    assert np.abs(unknown.scores(x.numpy()) - wanted).max() <= 1e-5 * np.abs(wanted).max()
    with pytest.raises(TypeError, match="wanted floating point, scaled as in training, found uint8"):
        unknown.scores(pixels)
    known = lenet_fast.load(tmp_path / "m.onnx", preprocess="unit")
    wanted = module(torch.from_numpy(pixels)[:, None] / 255).detach().numpy()
    assert np.abs(known.scores(pixels) - wanted).max() <= 1e-5 * np.abs(wanted).max()


# --- no code, no other frameworks, no other files ---


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("kind", ["zip", "old", "npy", "npz", "pkl"])
def test_no_pickle_is_executed(tmp_path, kind):
    sung, path = tmp_path / "sung", tmp_path / "m.bin"
    content = {"conv1.weight": Canary(sung), **arrays()}
    if kind in ("zip", "old"):
        tensors = {n: torch.from_numpy(a) if isinstance(a, np.ndarray) else a for n, a in content.items()}
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "zip")
    elif kind == "pkl":
        path.write_bytes(pickle.dumps(content))
    else:
        stream = io.BytesIO()
        (np.save if kind == "npy" else np.savez)(stream, np.array(content, dtype=object))
        path.write_bytes(stream.getvalue())
    with contextlib.suppress(WeightsError):  # the arrays beside the canary may do
        lenet_fast.load(path, network="lenet5-sigmoid-average", flatten="CHW")
    assert not sung.exists()
    pickle.loads(pickle.dumps(Canary(sung)))
    assert sung.exists(), "the canary would have sung"
