"""graphs/coreml.py against PyTorch: files of both kinds of axes, of arrays and of images, and what must be refused."""

from __future__ import annotations

import warnings

import lenet_fast
import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")

import foreign_graphs
import torch
from lenet_fast import OverBudgetError, WeightsError
from lenet_fast.budget import spending
from lenet_fast.weights.graphs import coreml
from lenet_fast.weights.signatures import is_mlmodel
from protobuf_bytes import field, message
from trainers import VARIANTS, images_for, torch_module, torch_outputs

# --- files, as coremltools writes them ---

NETWORK, CLASSIFIER, REGRESSOR = 500, 403, 303
GREY, RGB, BGR = 10, 20, 30
CONVOLUTION, POOLING, ACTIVATION, INNER_PRODUCT, SOFTMAX, FLATTEN, SOFTMAX_ND, RESHAPE = (
    100,
    120,
    130,
    140,
    175,
    301,
    950,
    1140,
)
NONE = message({1: message({10: [b"", b""]})})  # a valid padding without a border
ACTIVATIONS = {"ReLU": {10: b""}, "Tanh": {30: b""}, "Sigmoid": {40: b""}}


def floats(values):
    """Weights of 32 bits."""
    return message({1: np.asarray(values).ravel()})


def halves(values):
    """Weights of 16 bits."""
    return message({2: np.asarray(values).astype("<f2").tobytes()})


def border(amount):
    return message({1: message({10: [message({1: amount, 2: amount})] * 2})})


def convolution(weight, bias, padding=None, stored=floats):
    outputs, inputs, *kernel = weight.shape
    padding = padding or {50: NONE}
    return {
        1: outputs,
        2: inputs,
        10: 1,
        20: tuple(kernel),
        30: (1, 1),
        40: (1, 1),
        **padding,
        70: True,
        90: stored(weight),
        91: stored(bias),
    }


def inner_product(weight, bias, stored=floats):
    return {1: weight.shape[1], 2: weight.shape[0], 10: True, 20: stored(weight), 21: stored(bias)}


def pooling(kind):
    return {**({1: 1} if kind == "average" else {}), 10: (2, 2), 20: (2, 2), 30: NONE}


def layers_of(module, *, exact=False, stored=floats):
    """The layers of a PyTorch module: name, kind and parameters."""
    found = []
    for name, kind, layer, tensors in foreign_graphs.layers(module):
        if kind == "Conv2d":
            padding = {50: border(layer.padding[0])} if layer.padding[0] else {}
            found.append((name, CONVOLUTION, convolution(*tensors, padding, stored)))
        elif kind == "Linear":
            found.append((name, INNER_PRODUCT, inner_product(*tensors, stored)))
        elif kind.endswith("Pool2d"):
            found.append((name, POOLING, pooling("average" if "Avg" in kind else "max")))
        elif kind == "LeakyReLU":
            found.append((name, ACTIVATION, {15: message({1: float(layer.negative_slope)})}))
        elif kind == "Flatten":
            found.append((name, RESHAPE, {1: (1, -1)}) if exact else (name, FLATTEN, {}))
        elif kind == "Softmax":
            found.append((name, SOFTMAX_ND, {1: 1}) if exact else (name, SOFTMAX, {}))
        else:
            found.append((name, ACTIVATION, ACTIVATIONS[kind]))
    return found


def scaler(factor, *, name="x", **shifts):
    """Preprocessing of an image."""
    numbers = {"blue": 20, "green": 21, "red": 22, "grey": 30}
    return message({1: name, 10: message({10: factor, **{numbers[colour]: value for colour, value in shifts.items()}})})


def image(shape, colours=None):
    """The type of an image input."""
    return message({4: message({1: shape[2], 2: shape[1], 3: colours or (GREY if shape[0] == 1 else RGB)})})


def array(shape):
    """The type of an array."""
    return message({5: message({1: tuple(shape), 2: 65568})})


def model(layers, given, *, kind=NETWORK, version=4, exact=False, preprocessing=(), inputs=1, constants=None, **parts):
    """A file of layers in a row (name, kind, parameters, what it reads beside the one before) and an input of a type."""
    names = ["x", *(name for name, *_ in layers)]
    rows = [
        message({1: name, 3: name, 1070: message({1: values.shape, 2: floats(values)})})
        for name, values in (constants or {}).items()
    ]
    rows += [
        message({1: name, 2: [before, *others], 3: name, number: message(parameters)})
        for before, (name, number, parameters, *others) in zip(names[:-1], layers, strict=True)
    ]
    network = {1: rows, 2: list(preprocessing)}
    network |= {5: 1, 6: 1} if exact else {}
    network |= {100: message({1: parts["texts"]})} if "texts" in parts else {}
    network |= {101: message({1: tuple(parts["numbers"])})} if "numbers" in parts else {}
    network |= {200: parts["probabilities"]} if "probabilities" in parts else {}
    features = [message({1: "x" if n == 0 else f"x{n}", 3: given}) for n in range(inputs)]
    output = message({1: names[-1], 3: array(())})
    return message({1: version, 2: message({1: features, 10: output}), kind: message(network)})


def file_of(name, exact=False, **how):
    """A network of foreign_graphs that takes an array."""
    shape = foreign_graphs.SHAPES[name]
    layers = layers_of(foreign_graphs.NETWORKS[name](), exact=exact, stored=how.pop("stored", floats))
    return model(layers, array((1, *shape) if exact else shape), exact=exact, **how)


def loaded(path, data):
    path.write_bytes(data)
    assert is_mlmodel(data)
    return lenet_fast.load(path)


def refused(path, data):
    path.write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.mlmodel"


# --- what is read ---


@pytest.mark.parametrize("kind", [NETWORK, CLASSIFIER, REGRESSOR])
@pytest.mark.parametrize("exact", [False, True], ids=["five axes", "exact axes"])
@pytest.mark.parametrize("name", foreign_graphs.NETWORKS)
def test_scores_equal_the_framework(path, name, exact, kind):
    found = loaded(path, file_of(name, exact, kind=kind))
    pixels = foreign_graphs.images(name)
    wanted = foreign_graphs.outputs(foreign_graphs.NETWORKS[name](), pixels)
    assert foreign_graphs.error(found, pixels, wanted) < 1e-5


@pytest.mark.parametrize("version", range(1, 11))
def test_every_version_is_known_by_its_content(path, version):
    assert loaded(path, file_of("wide", version=version)).network.classes == 10


def test_half_precision(path):
    found = loaded(path, file_of("classic", stored=halves))
    module = foreign_graphs.classic()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.half().float())
    pixels = foreign_graphs.images("classic")
    assert foreign_graphs.error(found, pixels, foreign_graphs.outputs(module, pixels)) < 1e-5


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("name", ["classic", "modern"])
def test_an_image_brings_pixels_from_0_to_255_and_a_shift_for_each_colour(path, name, scaled):
    preprocessing = [scaler(1 / 128, blue=-0.75, green=-0.5, red=-0.25, grey=-1.0)] * scaled
    layers = layers_of(foreign_graphs.NETWORKS[name]())
    found = loaded(path, model(layers, image(foreign_graphs.SHAPES[name]), preprocessing=preprocessing))
    pixels = foreign_graphs.images(name, dtype=np.uint8)
    fed = pixels.astype(np.float64)
    if scaled:
        shift = [-1.0] if name == "classic" else [-0.25, -0.5, -0.75]  # red first
        fed = fed / 128 + np.reshape(shift, (-1, 1, 1))
    wanted = foreign_graphs.outputs(foreign_graphs.NETWORKS[name](), fed)
    assert foreign_graphs.error(found, pixels, wanted) < 1e-5
    assert foreign_graphs.error(found, pixels.astype(np.float32), wanted) < 1e-5


def test_an_array_says_nothing_of_pixels(path):
    found = loaded(path, file_of("classic"))
    assert found.preprocess.white is None
    with pytest.raises(TypeError, match="the file does not say how its trainer scaled pixels"):
        found.predict(foreign_graphs.images("classic", dtype=np.uint8))


@pytest.mark.parametrize("padding", [{51: b""}, {51: message({1: 1})}], ids=["bottom right", "top left"])
def test_same_is_a_border_of_two(path, padding):
    (name, kind, parameters), *rest = layers_of(foreign_graphs.classic())
    parameters = {number: value for number, value in parameters.items() if number != 50} | padding
    found = loaded(path, model([(name, kind, parameters), *rest], array((1, 28, 28))))
    pixels = foreign_graphs.images("classic")
    assert foreign_graphs.error(found, pixels, foreign_graphs.outputs(foreign_graphs.classic(), pixels)) < 1e-5


def test_maps_may_be_flattened_with_the_channels_last(path):
    layers = layers_of(foreign_graphs.wide())
    place = [kind for _, kind, _ in layers].index(FLATTEN)
    layers[place] = ("flat", FLATTEN, {1: 1})
    found = loaded(path, model(layers, array((1, 28, 28))))
    module = foreign_graphs.wide()

    class ChannelsLast(torch.nn.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1).flatten(1)

    module[place] = ChannelsLast()
    pixels = foreign_graphs.images("wide")
    assert foreign_graphs.error(found, pixels, foreign_graphs.outputs(module, pixels)) < 1e-5


def test_the_size_of_images_may_be_open_or_in_one_axis(path):
    layers = layers_of(foreign_graphs.wide())
    assert loaded(path, model(layers, array(()))).network.input == (1, 28, 28)
    back = ("image", 300, {1: (1, 28, 28)})
    assert loaded(path, model([back, *layers], array((784,)))).network.input == (1, 28, 28)


def test_an_array_without_a_batch_axis(path):
    layers = [("image", 1125, {1: (0,)}), *layers_of(foreign_graphs.modern(), exact=True)]
    found = loaded(path, model(layers, array((3, 32, 32)), exact=True))
    pixels = foreign_graphs.images("modern")
    assert foreign_graphs.error(found, pixels, foreign_graphs.outputs(foreign_graphs.modern(), pixels)) < 1e-5


@pytest.mark.parametrize("name", VARIANTS)
def test_files_of_coremltools(path, name):
    """As it converts them from PyTorch; predicting with it takes a Mac."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reason = "coremltools is not installed (pip install coremltools)"
        coremltools = pytest.importorskip("coremltools", reason=reason)
        variant = VARIANTS[name].filled()
        module, pixels = torch_module(variant), images_for(variant)
        traced = torch.jit.trace(module, torch.from_numpy(pixels[:1]))
        given = [coremltools.TensorType("image", pixels[:1].shape)]
        coremltools.convert(traced, inputs=given, convert_to="neuralnetwork").save(str(path))
    assert foreign_graphs.error(lenet_fast.load(path), pixels, torch_outputs(module, pixels)) < 1e-5


# --- class labels ---


def test_class_labels_are_the_names_of_classes(path):
    names = [f"digit {n}" for n in range(10)]
    found = loaded(path, file_of("modern", kind=CLASSIFIER, texts=names))
    assert found.classes_.tolist() == names
    found.save(path.with_suffix(".npz"))
    assert lenet_fast.load(path.with_suffix(".npz")).classes_.tolist() == names


@pytest.mark.parametrize(
    "numbers, wanted", [(range(10), list(range(10))), (range(10, 0, -1), [str(n) for n in range(10, 0, -1)])]
)
def test_numbers_as_labels(path, numbers, wanted):
    found = loaded(path, file_of("modern", kind=CLASSIFIER, numbers=numbers))
    assert found.classes_.tolist() == wanted


def test_labels_belong_to_the_probabilities_that_are_named(path):
    """And not to the last layer, which computes something else from them."""
    layers = layers_of(foreign_graphs.modern())
    probabilities = layers[-1][0]
    layers.append(("best", 280, {1: 9, 3: 2}))
    found = loaded(
        path, model(layers, array((3, 32, 32)), kind=CLASSIFIER, texts=list("abcdefghij"), probabilities=probabilities)
    )
    assert found.network.head == "softmax" and found.classes_.tolist() == list("abcdefghij")


def test_as_many_labels_as_scores(path):
    sentence = refused(path, file_of("modern", kind=CLASSIFIER, texts=["a", "b"]))
    assert "wanted 10 names, found 2" in sentence


# --- what is refused ---


def changed(name, change, **how):
    """A network of which one layer (by kind) has other parameters."""
    layers = layers_of(foreign_graphs.NETWORKS[name]())
    for place, (label, kind, parameters) in enumerate(layers):
        if kind in change:
            layers[place] = (label, kind, {n: v for n, v in {**parameters, **change[kind]}.items() if v is not None})
            break
    return model(layers, array(foreign_graphs.SHAPES[name]), **how)


REFUSALS = {
    "a 5x5 kernel, found 3x3": lambda: changed("wide", {CONVOLUTION: convolution(np.ones((20, 1, 3, 3)), np.ones(20))}),
    "stride 1, found stride 2x2": lambda: changed("wide", {CONVOLUTION: {30: (2, 2)}}),
    "no dilation, found 2x2": lambda: changed("wide", {CONVOLUTION: {40: (2, 2)}}),
    "found a transposed one": lambda: changed("wide", {CONVOLUTION: {60: True}}),
    "padding that is valid or same, found none or both": lambda: changed("wide", {CONVOLUTION: {50: None}}),
    "weights of shape (20, 2, 5, 5), found 500 values": lambda: changed("wide", {CONVOLUTION: {2: 2}}),
    "weights of 32, 16 or 8 bits, found none": lambda: changed("wide", {CONVOLUTION: {90: None}}),
    "quantised weights of 8 bits, found 4 bits": lambda: changed(
        "wide", {INNER_PRODUCT: {20: message({30: bytes(800 * 500), 40: message({1: 4, 101: message({1: np.ones(1), 2: np.ones(1)})})})}}
    ),
    "found overlapping windows of 2x2 with stride 1x1": lambda: changed("wide", {POOLING: {20: None}}),
    "found overlapping windows of 3x3 with stride 2x2": lambda: changed("wide", {POOLING: {10: None}}),
    "found L2 pooling": lambda: changed("wide", {POOLING: {1: 2}}),
    "windows inside the maps, found padding (1, 1, 1, 1)": lambda: changed("wide", {POOLING: {30: border(1)}}),
    "found activation sigmoidHard": lambda: changed("wide", {ACTIVATION: {10: None, 41: message({1: 0.2, 2: 0.5})}}),
    "found activation ELU": lambda: changed("wide", {ACTIVATION: {10: None, 50: b""}}),
    "found lrn": lambda: model([("norm", 180, {}), *layers_of(foreign_graphs.wide())], array((1, 28, 28))),
    "found kind 1155555": lambda: model([("new", 1155555, {}), *layers_of(foreign_graphs.wide())], array((1, 28, 28))),
    "one input, the image, found x, x1": lambda: file_of("wide", inputs=2),
    "one input, the image, found none": lambda: message({1: 1, 2: b"", NETWORK: b""}),
    "an array of 1 or 3 axes, found shape (1, 1, 28, 28)": lambda: model(layers_of(foreign_graphs.wide()), array((1, 1, 28, 28))),
    "an image or an array, found doubleType": lambda: model(layers_of(foreign_graphs.wide()), message({2: b""})),
    "an image in grey or RGB, found BGR": lambda: model(layers_of(foreign_graphs.modern()), image((3, 32, 32), BGR)),
    "an image in grey or RGB, found colour space 40": lambda: model(layers_of(foreign_graphs.wide()), image((1, 28, 28), 40)),
    "preprocessing of an image, found preprocessing of an array": lambda: file_of("wide", preprocessing=[scaler(1 / 255)]),
}  # fmt: skip


@pytest.mark.parametrize("found", REFUSALS)
def test_what_is_not_of_the_family_is_refused(path, found):
    data = REFUSALS[found]()
    path.write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        foreign_graphs.loaded(coreml, path)
    assert found in str(caught.value)


PREPROCESSING = {
    "one factor, and one value for each channel, found a mean image": [
        message({1: "x", 11: message({1: np.zeros(784)})})
    ],
    "one preprocessing of the image, found several": [scaler(1.0), scaler(1 / 255)],
    "one preprocessing of the image, found preprocessing of 'y'": [scaler(1.0, name="y")],
    "a factor for the pixels, found 0": [scaler(0.0, grey=1.0)],
}


@pytest.mark.parametrize("found", PREPROCESSING)
def test_preprocessing_that_is_not_ours_is_refused(path, found):
    data = model(layers_of(foreign_graphs.wide()), image((1, 28, 28)), preprocessing=PREPROCESSING[found])
    assert found in refused(path, data)


OTHER_TYPES = {
    "an ML Program (mlProgram)": (502, "convert the original with convert_to='neuralnetwork', or export it to ONNX"),
    "a pipeline of several models": (202, "save the neural network in it as a .mlmodel of its own"),
    "treeEnsembleClassifier": (402, "this is no LeNet"),
    "kind 901": (901, "this is no LeNet"),
}


@pytest.mark.parametrize("found", OTHER_TYPES)
def test_other_types_of_model_are_refused_by_name(path, found):
    kind, way_out = OTHER_TYPES[found]
    data = model([], array((1, 28, 28)), kind=kind)
    assert f"of the neural network type, found {found}; {way_out}" in refused(path, data)


def test_a_package_is_refused_with_a_way_out(tmp_path):
    (tmp_path / "m.mlpackage" / "Data" / "com.apple.CoreML").mkdir(parents=True)
    with pytest.raises(WeightsError, match=r"found a Core ML package; load a \.mlmodel"):
        lenet_fast.load(tmp_path / "m.mlpackage")


@pytest.mark.parametrize("name", ["average", "wide"])
@pytest.mark.parametrize("padding", [{31: b""}, {32: b""}], ids=["same", "last pixel"])
def test_maps_of_an_odd_size_are_not_pooled_with_a_border(path, name, padding):
    """23 rows would become 12 windows, the last of them half outside."""
    window = {**({1: 1} if name == "average" else {}), 10: (2, 2), 20: (2, 2), **padding}
    layers = [
        ("c", CONVOLUTION, convolution(np.ones((4, 1, 5, 5)), np.ones(4))), ("p", POOLING, window),
        ("f", FLATTEN, {}), ("d", INNER_PRODUCT, inner_product(np.ones((10, 576)), np.ones(10))),
    ]  # fmt: skip
    assert "windows inside the maps, found padding" in refused(path, model(layers, array((1, 27, 27))))


def test_a_layer_that_reads_two_values_is_refused(path):
    """A convolution may read its kernels from another layer."""
    kernels = np.ones((2, 1, 5, 5))
    layers = [("c", CONVOLUTION, convolution(kernels, np.ones(2)), "k")]
    data = model(layers, array((1, 28, 28)), constants={"k": kernels})
    assert "layers in one row, found convolution of 2 inputs" in refused(path, data)


@pytest.mark.parametrize("data", [field(1, b""), field(1, field(100, b""))], ids=["layers", "kinds"])
def test_millions_of_empty_parts_are_refused(path, data):
    head = message({1: 1, 2: message({1: message({1: "x", 3: array((1, 28, 28))})})})
    path.write_bytes(head + field(NETWORK, data * (3_000_000 // len(data))))
    with spending(), pytest.raises(OverBudgetError, match="at most 524,288 steps of reading"):
        foreign_graphs.loaded(coreml, path)


def test_damage_is_refused(path):
    path.write_bytes(file_of("classic"))
    assert foreign_graphs.check_damage(coreml, path, path) > 300
