"""weights/graphs/keras.py: a model's config is its graph, and computes what Keras computes."""

from __future__ import annotations

import io
import json
import re
import zipfile

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import WeightsError

h5py = pytest.importorskip("h5py", reason="h5py is not installed (pip install '.[readers]')")

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras's own

RANDOM = np.random.default_rng(14)


@pytest.fixture(autouse=True)
def seeded():
    """The same numbers in whatever order the tests run."""
    RANDOM.bit_generator.state = np.random.default_rng(14).bit_generator.state


@pytest.fixture(scope="session")
def keras():
    return pytest.importorskip("keras", reason="keras is not installed (pip install '.[frameworks]')")


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def assert_computes(model, path, x, ending=".keras"):
    """The saved file gives Keras's own outputs for images as the model takes them."""
    for weights in model.weights:  # also those that begin as ones and zeros
        signs = 1 if "variance" in weights.name else RANDOM.choice([-1, 1], weights.shape)
        weights.assign(RANDOM.uniform(0.2, 1, weights.shape) * signs)
    path = path / f"m{ending}"
    model.save(path)
    wanted = outputs(model, x)
    first = next((a for a in model.input_shape[1:] if a is not None), None)
    pixels = x if first in (1, 3) or x.ndim == 3 else x.transpose(0, 3, 1, 2)
    made = lenet_fast.load(path)
    close(made.predict_proba(pixels) if made.network.head == "softmax" else made.scores(pixels), wanted)
    return made


def outputs(model, x):
    from keras import ops

    return ops.convert_to_numpy(model(x, training=False))


def images(*shape):
    return RANDOM.random((6, *shape)).astype(np.float32)


# --- what Keras computes ---


@pytest.mark.parametrize("flatten", ["channels_first", "channels_last", None])
@pytest.mark.parametrize("body", ["channels_first", "channels_last"])
def test_maps_are_flattened_as_keras_does(keras, tmp_path, body, flatten):
    """Flatten(data_format="channels_first") moves the maps behind first, and any other takes values as they lie."""
    if body == "channels_first" and keras.backend.backend() == "tensorflow":
        pytest.skip("Keras on TensorFlow convolves channels first on a GPU only")
    layers, shape = keras.layers, (3, 12, 12) if body == "channels_first" else (12, 12, 3)
    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(4, 5, data_format=body, activation="tanh"),
            layers.MaxPooling2D(2, data_format=body),
            layers.Flatten(data_format=flatten),
            layers.Dense(5),
        ]
    )
    assert_computes(model, tmp_path, images(*shape))


@pytest.fixture(scope="module")
def rows(keras):
    """Name -> layers between an image of 12x12x3 and a full connection."""
    layers, conv = keras.layers, keras.layers.Conv2D
    return {
        "plain": [conv(4, 5)],
        "same padding": [conv(4, 5, padding="same")],
        "without biases": [conv(4, 5, use_bias=False), layers.Flatten(), layers.Dense(6, use_bias=False)],
        "activations of layers": [conv(4, 5, activation="relu"), layers.Flatten(), layers.Dense(6, activation="sigmoid")],
        "activations behind layers": [conv(4, 5), layers.Activation("tanh"), layers.MaxPooling2D()],
        "linear activations": [conv(4, 5, activation="linear"), layers.Activation("linear")],
        "an activation as a layer": [conv(4, 5, activation=layers.ReLU()), layers.ReLU()],
        "leaky relu": [conv(4, 5), layers.LeakyReLU(0.1)],
        "leaky relu of the layer's own slope": [conv(4, 5), layers.LeakyReLU()],
        "leaky relu of the function's own slope": [conv(4, 5, activation="leaky_relu"), layers.MaxPooling2D()],
        "relu with a slope": [conv(4, 5), layers.ReLU(negative_slope=0.2)],
        "average pooling": [conv(4, 5), layers.AveragePooling2D((2, 2), strides=2)],
        "max pooling": [conv(4, 5), layers.MaxPooling2D(2, strides=(2, 2))],
        "pooling without strides": [conv(4, 5), layers.MaxPooling2D(2, strides=None)],
        "padding by a number": [conv(4, 5), layers.ZeroPadding2D(2), conv(3, 5)],
        "padding by pairs": [conv(4, 5), layers.ZeroPadding2D(((2, 2), (2, 2))), conv(3, 5)],
        "padding by rows and columns": [layers.ZeroPadding2D((1, 1)), conv(3, 5)],
        "uneven padding before a full connection": [conv(4, 5), layers.ZeroPadding2D(((1, 0), (0, 2)))],
        "batch normalisation": [conv(4, 5), layers.BatchNormalization()],
        "batch normalisation with another epsilon": [conv(4, 5), layers.BatchNormalization(epsilon=0.3)],
        "batch normalisation without scale": [conv(4, 5), layers.BatchNormalization(scale=False)],
        "batch normalisation without centre": [conv(4, 5), layers.BatchNormalization(center=False)],
        "batch normalisation of statistics alone": [conv(4, 5), layers.BatchNormalization(scale=False, center=False)],
        "batch normalisation of units": [conv(4, 5), layers.Flatten(), layers.Dense(6), layers.BatchNormalization()],
        "batch normalisation that names its axis": [conv(4, 5), layers.BatchNormalization(axis=3)],
        "what only training does": [
            layers.RandomFlip(), layers.RandomRotation(0.1), conv(4, 5), layers.Dropout(0.5), layers.SpatialDropout2D(0.5),
            layers.GaussianNoise(0.1), layers.GaussianDropout(0.1), layers.ActivityRegularization(0.1),
        ],
        "scaled pixels": [layers.Rescaling(1 / 0.3, offset=-0.5), conv(4, 5)],
        "scaled tanh": [conv(4, 5), layers.Rescaling(2 / 3), layers.Activation("tanh"), layers.Rescaling(1.7159)],
        "normalised pixels": [layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.5, 0.25, 2.0]), conv(4, 5)],
        "normalised by one variance of nearly nothing": [layers.Normalization(mean=0.5, variance=1e-20), conv(4, 5)],
        "reshaped instead of flattened": [conv(4, 5), layers.Reshape((-1,))],
        "reshaped to what it was": [conv(4, 5), layers.Reshape((256,)), layers.Reshape((8, 8, 4)), layers.MaxPooling2D(2)],
        "axes permuted before flattening": [conv(4, 5), layers.Permute((3, 1, 2))],
        "resizing to the same size": [layers.Resizing(12, 12), conv(4, 5)],
        "global pooling of one value": [conv(4, 5), layers.MaxPooling2D(2), layers.ZeroPadding2D(0), conv(3, 5, padding="same")],
        "a model in a model": [
            keras.Sequential([conv(4, 5, activation="tanh"), layers.MaxPooling2D(2)]), layers.Flatten()
        ],
    }  # fmt: skip


ROWS = [
    "plain", "same padding", "without biases", "activations of layers", "activations behind layers", "linear activations",
    "an activation as a layer", "leaky relu", "leaky relu of the layer's own slope", "leaky relu of the function's own slope",
    "relu with a slope", "average pooling", "max pooling", "pooling without strides", "padding by a number",
    "padding by pairs", "padding by rows and columns", "uneven padding before a full connection", "batch normalisation",
    "batch normalisation with another epsilon", "batch normalisation without scale", "batch normalisation without centre",
    "batch normalisation of statistics alone", "batch normalisation of units", "batch normalisation that names its axis",
    "what only training does", "scaled pixels", "scaled tanh", "normalised pixels",
    "normalised by one variance of nearly nothing", "reshaped instead of flattened", "reshaped to what it was",
    "axes permuted before flattening", "resizing to the same size", "global pooling of one value", "a model in a model",
]  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_layers(keras, rows, tmp_path, name):
    assert [*rows] == ROWS
    flatten = [] if any("Flatten" in type(layer).__name__ for layer in rows[name]) else [keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((12, 12, 3)), *rows[name], *flatten, keras.layers.Dense(5)])
    for ending in (".keras", ".h5"):
        assert_computes(model, tmp_path, images(12, 12, 3), ending)


@pytest.mark.parametrize("head", ["softmax", "log_softmax", None])
def test_heads(keras, tmp_path, head):
    layers = keras.layers
    last = [layers.Dense(5, activation=head)] if head else [layers.Dense(5), layers.Softmax()]
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 5), layers.Flatten(), *last])
    model.save(tmp_path / "m.keras")
    x = images(8, 8, 1)
    wanted = outputs(model, x)
    found = lenet_fast.load(tmp_path / "m.keras")
    assert found.network.head == "softmax"
    close(found.predict_proba(x[..., 0]), np.exp(wanted) if head == "log_softmax" else wanted)


def test_whole_maps_may_be_averaged_when_they_are_one_value(keras, tmp_path):
    layers = keras.layers
    for pool, keep in ((layers.GlobalAveragePooling2D, False), (layers.GlobalMaxPooling2D, True)):
        body = [layers.Conv2D(4, 5), layers.Conv2D(6, 5), pool(keepdims=keep), layers.Flatten(), layers.Dense(5)]
        assert_computes(keras.Sequential([keras.Input((9, 9, 1)), *body]), tmp_path, images(9, 9, 1))


def test_functional_models_run_along_their_edges(keras, tmp_path):
    """Whatever order their layers are listed in."""
    layers = keras.layers
    image = keras.Input((12, 12, 3))
    x = layers.MaxPooling2D(2)(layers.Conv2D(4, 5, activation="tanh")(image))
    model = keras.Model(image, layers.Dense(5)(layers.Flatten()(x)))
    assert_computes(model, tmp_path, images(12, 12, 3))
    members = unpacked(tmp_path / "m.keras")
    config = json.loads(members["config.json"])
    config["config"]["layers"].reverse()
    packed(tmp_path / "reversed.keras", {**members, "config.json": json.dumps(config).encode()})
    x = images(3, 12, 12)
    wanted, found = (lenet_fast.load(tmp_path / f"{name}.keras").scores(x) for name in ("m", "reversed"))
    assert (wanted == found).all()


def test_names_by_class_and_number(keras, tmp_path):
    """Where the file goes by those: conv2d, conv2d_1, ... whatever the layers are called."""
    layers = keras.layers
    names = iter("fedcba")
    body = [layers.Conv2D(4, 5, name=next(names)), layers.Conv2D(4, 5, name=next(names)), layers.Flatten()]
    full = [layers.Dense(5, name=next(names)), layers.Dense(5, name=next(names))]
    model = keras.Sequential([keras.Input((10, 10, 1)), *body, *full])
    assert_computes(model, tmp_path, images(10, 10, 1))


def test_more_than_ten_layers_of_a_kind(keras, tmp_path):
    """The tenth comes behind the second, in files of weights too."""
    layers = keras.layers
    full = [layers.Dense(4, activation="tanh") for _ in range(12)]
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 5), layers.Flatten(), *full])
    made = assert_computes(model, tmp_path, images(8, 8, 1))
    model.save_weights(tmp_path / "m.weights.h5")
    found = lenet_fast.load(tmp_path / "m.weights.h5", network=made.network)
    assert all((found.weights[name] == array).all() for name, array in made.weights.items())


# --- files of Keras 1 and 2 ---


def conv_config(name="conv", **settings):
    return {"class_name": "Conv2D", "config": {"name": name, "filters": 3, "kernel_size": [5, 5]} | settings}


def dense_config(name="full", **settings):
    return {"class_name": "Dense", "config": {"name": name, "units": 4} | settings}


FIRST = {"batch_input_shape": [None, 8, 8, 1]}
FLATTEN = {"class_name": "Flatten", "config": {"name": "flatten"}}
SHAPES = {"conv": ((5, 5, 1, 3), (3,)), "full": ((48, 4), (4,))}


def keras2(path, layers, kind="Sequential", shapes=SHAPES, config=None, outer="model_weights"):
    """A full model as Keras 2 writes it, and its arrays by layer."""
    arrays = {n: [RANDOM.normal(size=s).astype(np.float32) for s in tensors] for n, tensors in shapes.items()}
    with h5py.File(path, "w") as file:
        if config is not False:
            inner = config or {"name": "m", "layers": layers}
            file.attrs["model_config"] = json.dumps({"class_name": kind, "config": inner})
        group = file.create_group(outer) if outer else file
        group.attrs["layer_names"] = [n.encode() for n in [*shapes, "flatten"]]
        group.create_group("flatten").attrs["weight_names"] = np.zeros(0)
        for name, tensors in arrays.items():
            inside = group.create_group(name)
            names = [f"{name}/kernel:0", f"{name}/bias:0"][: len(tensors)]
            inside.attrs["weight_names"] = [n.encode() for n in names]
            for n, array in zip(names, tensors, strict=True):
                inside[n] = array
    return arrays


def computed(arrays, x, padding=0, activation="identity", slope=None):
    """The small network of these files, for images (n, rows, columns)."""
    maps = reference.conv5x5(x[:, None], arrays["conv"][0].transpose(3, 2, 0, 1), arrays["conv"][1], padding=padding)
    maps = reference.activate(activation, maps, slope).transpose(0, 2, 3, 1)
    return maps.reshape(len(x), -1) @ arrays["full"][0] + arrays["full"][1]


@pytest.mark.parametrize(
    "first",
    [
        FIRST,
        {
            **FIRST,
            "data_format": "channels_last",
            "padding": "valid",
            "strides": [1, 1],
            "dilation_rate": [1, 1],
            "groups": 1,
        },
        {**FIRST, "border_mode": "valid", "subsample": [1, 1], "dim_ordering": "tf", "bias": True, "nb_filter": 3},
    ],
    ids=["few settings", "Keras 2", "Keras 1"],
)
def test_settings_in_the_words_of_every_version(tmp_path, first):
    arrays = keras2(tmp_path / "m.h5", [conv_config(**first), FLATTEN, dense_config()])
    x = images(8, 8)
    close(lenet_fast.load(tmp_path / "m.h5").scores(x), computed(arrays, x))


@pytest.mark.parametrize(("settings", "slope"), [({"alpha": 0.10000000149011612}, 0.1), ({}, 0.3)])
def test_leaky_relu_of_keras_2(tmp_path, settings, slope):
    """Which writes the float32 that it computes with."""
    leaky = {"class_name": "LeakyReLU", "config": {"name": "leaky", **settings}}
    arrays = keras2(tmp_path / "m.h5", [conv_config(**FIRST), leaky, FLATTEN, dense_config()])
    x = images(8, 8)
    model = lenet_fast.load(tmp_path / "m.h5")
    assert model.network.layers[0].slope == slope
    close(model.scores(x), computed(arrays, x, activation="leaky_relu", slope=slope))


def test_keras_1_says_same_padding_in_its_words(tmp_path):
    shapes = {**SHAPES, "full": ((192, 4), (4,))}
    arrays = keras2(
        tmp_path / "m.h5", [conv_config(**FIRST, border_mode="same"), FLATTEN, dense_config()], shapes=shapes
    )
    x = images(8, 8)
    close(lenet_fast.load(tmp_path / "m.h5").scores(x), computed(arrays, x, padding=2))


def test_sequential_models_of_old_are_a_list(tmp_path):
    layers = [conv_config(**FIRST, activation="relu"), FLATTEN, dense_config()]
    arrays = keras2(tmp_path / "m.h5", layers, config=layers)
    x = images(8, 8)
    close(lenet_fast.load(tmp_path / "m.h5").scores(x), computed(arrays, x, activation="relu"))


def test_theanos_kernels_are_mirrored(tmp_path):
    keras2(tmp_path / "m.h5", [conv_config(**FIRST, dim_ordering="th"), FLATTEN, dense_config()])
    assert "conv: wanted kernels in TensorFlow's order" in refused(tmp_path / "m.h5")


def linked(*layers):
    """Functional layers with the edges that Keras 2 writes."""
    return [layer | {"name": layer["config"]["name"], "inbound_nodes": inbound} for layer, inbound in layers]


def edge(*names):
    return [[[name, 0, 0, {}] for name in names]] if names else []


IMAGE = {"class_name": "InputLayer", "config": {"name": "image", "batch_input_shape": [None, 8, 8, 1]}}
ROW = [(IMAGE, edge()), (conv_config(), edge("image")), (FLATTEN, edge("conv")), (dense_config(), edge("flatten"))]


def test_edges_of_keras_2(tmp_path):
    for row in (ROW, ROW[::-1]):
        arrays = keras2(tmp_path / "m.h5", linked(*row), "Functional")
        x = images(8, 8)
        close(lenet_fast.load(tmp_path / "m.h5").scores(x), computed(arrays, x))


def test_a_container_knows_the_size_that_it_was_built_with(tmp_path):
    layers = [conv_config(), FLATTEN, dense_config()]
    arrays = keras2(
        tmp_path / "m.h5", layers, config={"name": "m", "layers": layers, "build_input_shape": [None, 8, 8, 1]}
    )
    x = images(8, 8)
    close(lenet_fast.load(tmp_path / "m.h5").scores(x), computed(arrays, x))


def test_free_sizes_are_tried(tmp_path):
    for side in (28, 32):
        shapes = {**SHAPES, "full": ((3 * (side - 4) ** 2, 4), (4,))}
        layers = [conv_config(batch_input_shape=[None, None, None, 1]), FLATTEN, dense_config()]
        keras2(tmp_path / "m.h5", layers, shapes=shapes)
        assert lenet_fast.load(tmp_path / "m.h5").network.input == (1, side, side)


def test_weights_alone_are_named_by_their_layers(tmp_path):
    arrays = keras2(tmp_path / "m.h5", [], config=False, outer="")
    network = lenet_fast.Network((1, 8, 8), (lenet_fast.Conv5x5(3), lenet_fast.Dense(4)), "scores")
    x = images(8, 8)
    close(lenet_fast.load(tmp_path / "m.h5", network=network).scores(x), computed(arrays, x))


BRANCHES = {
    "two inputs of a layer": ([*ROW[:3], (dense_config(), edge("flatten", "conv"))], "Dense of 2 inputs"),
    "an addition": (
        [*ROW[:2], ({"class_name": "Add", "config": {"name": "sum"}}, edge("conv")), *ROW[2:]], "found Add of 1 inputs"
    ),
    "two layers of one input": ([*ROW, (dense_config("more"), edge("flatten"))], "a branch at 'flatten'"),
    "two images": ([*ROW, (IMAGE | {"config": {"name": "other"}}, edge())], "found 2: image, other"),
    "a layer used twice": ([*ROW[:3], (dense_config(), edge("flatten") * 2)], "a layer used 2 times"),
}  # fmt: skip


@pytest.mark.parametrize("name", BRANCHES)
def test_graphs_that_are_no_row_are_refused(tmp_path, name):
    row, words = BRANCHES[name]
    keras2(tmp_path / "m.h5", linked(*row), "Functional")
    assert words in refused(tmp_path / "m.h5")


# --- what is not of the family ---


# --- weights alone, and the config beside them ---


def folder_of(keras, folder, activation="tanh", **conv):
    """What is in an archive of Keras's, as files, and the model."""
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((28, 28, 1)), layers.Conv2D(4, 5, activation=activation, **conv), layers.AveragePooling2D(2),
        layers.Flatten(), layers.Dense(10),
    ])  # fmt: skip
    model.save(folder / "m.keras")
    with zipfile.ZipFile(folder / "m.keras") as archive:
        archive.extractall(folder)
    return folder / "model.weights.h5", model


def test_the_config_beside_weights_is_their_graph(tmp_path, keras):
    path, model = folder_of(keras, tmp_path, padding="same")
    x = images(28, 28, 1)
    found = lenet_fast.load(path)
    close(found.scores(x), outputs(model, x))
    assert lenet_fast.load(path, network=found.network).network == found.network
    with pytest.raises(WeightsError, match="activation: wanted what is passed, relu, found tanh in a file that says"):
        lenet_fast.load(path, activation="relu")
    for wrong in ("lenet5-relu-max", "lenet5-tanh-average"):
        with pytest.raises(WeightsError, match="found another in the file"):
            lenet_fast.load(path, network=wrong)
    path = path.rename(tmp_path / "lenet.weights.h5")
    close(lenet_fast.load(path).scores(x), outputs(model, x))


def test_without_a_config_weights_want_a_network(tmp_path, keras):
    path, _ = folder_of(keras, tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(WeightsError, match="do not say activation, pooling and padding"):
        lenet_fast.load(path)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (b"{", "wanted JSON in 'config.json' beside it, or no such file, found a damaged one"),
        (b'{"class_name": "LeNet", "config": {"activation": "gelu"}}', "found 'gelu' in the config.json beside it"),
        (b'{"class_name": "LeNet", "config": {"activation": "relu"}}', "wanted pooling as well"),
        (b'{"hidden_act": "relu", "pooling": "max"}', "none of the named networks can have"),
    ],
)
def test_a_config_that_is_no_graph_says_what_it_says(tmp_path, keras, config, words):
    path, _ = folder_of(keras, tmp_path)
    (tmp_path / "config.json").write_bytes(config)
    with pytest.raises(WeightsError, match=words):
        lenet_fast.load(path)


def test_a_config_of_another_model_is_named(tmp_path, keras):
    path, _ = folder_of(keras, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["config"]["layers"][1]["config"]["use_bias"] = False
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="config.json beside it says: if that is another model's, move it away"):
        lenet_fast.load(path)


def refused(path):
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    return text


SETTINGS = {
    "strides": ({"strides": [2, 2]}, "conv: wanted stride 1"),
    "strides of Keras 1": ({"subsample": [2, 2]}, "conv: wanted stride 1"),
    "dilation": ({"dilation_rate": 2}, "conv: wanted no dilation"),
    "dilation of Keras 1": ({"atrous_rate": [2, 2]}, "conv: wanted no dilation"),
    "groups": ({"groups": 3}, "conv: wanted one group"),
    "an activation": ({"activation": "swish"}, "found swish"),
    "an activation of somebody's": ({"activation": {"class_name": "function", "config": "my_own"}}, "found my_own"),
    "an activation as a registered object": ({"activation": {"class_name": "Mish", "config": {}}}, "found Mish"),
    "a leaky activation": (
        {"activation": {"class_name": "LeakyReLU", "config": {"negative_slope": -0.3}}},
        "slope -0.3",
    ),
    "no bias, but two arrays": ({"use_bias": False}, "conv: wanted 1 arrays (kernel), found 2"),
    "no bias in Keras 1, but two arrays": ({"bias": False}, "conv: wanted 1 arrays (kernel), found 2"),
    "quantised": ({"quantization_config": {"class_name": "Int8QuantizationConfig"}}, "quantisation-aware"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_compute_something_else_are_refused(tmp_path, name):
    settings, words = SETTINGS[name]
    keras2(tmp_path / "m.h5", [conv_config(**FIRST, **settings), FLATTEN, dense_config()])
    assert words in refused(tmp_path / "m.h5")


def between(kind, **settings):
    return [
        conv_config(**FIRST),
        {"class_name": kind, "config": {"name": "between", **settings}},
        FLATTEN,
        dense_config(),
    ]


LAYERS = {
    "ReLU with a limit": (between("ReLU", max_value=6.0), "limit 6.0"),
    "ReLU from a threshold": (between("ReLU", threshold=0.5), "between: "),
    "ReLU with a negative slope": (between("ReLU", negative_slope=-0.2), "slope -0.2"),
    "LeakyReLU steeper than one": (between("LeakyReLU", negative_slope=1.5), "slope 1.5"),
    "slopes of their own": (between("PReLU"), "between: wanted an operation of the LeNet family, found PReLU"),
    "LeakyReLU of Keras 2 with a negative slope": (between("LeakyReLU", alpha=-0.2), "slope -0.2"),
    "another layer": (between("LSTM"), "between: wanted an operation of the LeNet family, found LSTM"),
    "quantised": (between("QuantizeLayer"), "quantisation-aware wrapper, QuantizeLayer"),
    "pooling of three": (between("MaxPooling2D", pool_size=[3, 3]), "windows of 3x3 with stride 3x3"),
    "pooling with stride 1": (between("MaxPooling2D", pool_size=[2, 2], strides=[1, 1]), "with stride 1x1"),
    "global pooling": (between("GlobalAveragePooling2D"), "a mean over 4x4 values"),
    "global pooling of channels first": (
        between("GlobalMaxPooling2D", data_format="channels_first"),
        "a mean over 4x3",
    ),
    "resizing": (between("Resizing", height=8, width=8), "a layer that resizes them"),
    "normalisation without its arrays": (between("BatchNormalization"), "between: wanted 4 arrays"),
    "softmax over maps": (between("Softmax", axis=-1), "over axis -1"),
    "three numbers for two axes": (between("MaxPooling2D", pool_size=[2, 2, 2]), "contradiction"),
    "no target shape": (between("Reshape"), "contradiction"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_that_are_not_of_the_family_are_refused(tmp_path, name):
    layers, words = LAYERS[name]
    keras2(tmp_path / "m.h5", layers)
    assert words in refused(tmp_path / "m.h5")


def test_an_image_of_unknown_size_is_refused(tmp_path):
    keras2(tmp_path / "m.h5", [conv_config(), FLATTEN, dense_config()])
    assert "input: wanted an image of known size" in refused(tmp_path / "m.h5")


def test_subclassed_models_are_code(tmp_path):
    for kind, config in (("MyLeNet", {"name": "my"}), ("Functional", {"name": "my"}), ("MyLeNet", {"layers": []})):
        keras2(tmp_path / "m.h5", [], kind, config=config)
        assert f"{kind}: wanted a Sequential or Functional model" in refused(tmp_path / "m.h5")
        assert "whose code is not in the file" in refused(tmp_path / "m.h5")


def keras_models(keras):
    from keras import Input, Model, Sequential, layers

    def head(*body, shape=(28, 28, 1)):
        return Sequential([Input(shape), *body, layers.Flatten(), layers.Dense(10)])

    def residual():
        image = Input((28, 28, 1))
        x = layers.Conv2D(1, 5, padding="same")(image)
        return Model(image, layers.Dense(10)(layers.Flatten()(layers.Add()([x, image]))))

    def shared():
        image, layer = Input((28, 28, 1)), layers.Conv2D(1, 5, padding="same")
        return Model(image, layers.Dense(10)(layers.Flatten()(layer(layer(image)))))

    return {
        "3x3": (head(layers.Conv2D(6, 3)), "wanted a 5x5 kernel, found 3x3"),
        "strides": (head(layers.Conv2D(6, 5, strides=2)), "wanted stride 1, found stride 2x2"),
        "separable": (head(layers.SeparableConv2D(6, 5)), "wanted an operation of the LeNet family, found SeparableConv2D"),
        "depthwise": (head(layers.DepthwiseConv2D(5)), "wanted an operation of the LeNet family, found DepthwiseConv2D"),
        "same pooling": (head(layers.Conv2D(6, 5), layers.MaxPooling2D(2, padding="same"), shape=(27, 27, 1)), "wanted windows inside the maps, found padding"),
        "custom activation": (head(layers.Conv2D(6, 5, activation="swish")), "found (swish|silu)"),
        "residual": (residual(), "wanted layers in one row, found Add of 2 inputs; residual and branching"),
        "shared": (shared(), "wanted every layer once, found a layer used 2 times"),
        "resizing": (head(layers.Resizing(32, 32), layers.Conv2D(6, 5)), "found a layer that resizes them"),
        "global pooling": (Sequential([Input((28, 28, 1)), layers.Conv2D(6, 5), layers.GlobalAveragePooling2D(), layers.Dense(10)]), "global and adaptive pooling are not supported"),
        "perceptron": (Sequential([Input((28, 28)), layers.Flatten(), layers.Dense(10)]), "found a multilayer perceptron"),
        "relu6": (head(layers.Conv2D(6, 5), layers.ReLU(6)), "found a relu with slope 0.0, limit 6"),
    }  # fmt: skip


MODELS = ["3x3", "strides", "separable", "depthwise", "same pooling", "custom activation", "residual", "shared", "resizing", "global pooling", "perceptron", "relu6"]  # fmt: skip


@pytest.fixture(scope="module")
def mistakes(keras):
    return keras_models(keras)


@pytest.mark.parametrize("name", MODELS)
def test_models_that_are_not_of_the_family_are_refused(tmp_path, mistakes, name):
    model, wanted = mistakes[name]
    model.save(tmp_path / "m.keras")
    assert re.search(wanted, refused(tmp_path / "m.keras"))


# --- archives ---


def unpacked(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path, members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    path.write_bytes(stream.getvalue())


@pytest.mark.parametrize("config", [b"", b"{", b"[]", b"3", b"\xff\xfe", b"[" * 100_000, b'{"class_name": 3}', b"{}"])
def test_a_damaged_config_is_refused(tmp_path, config):
    arrays = io.BytesIO()
    h5py.File(arrays, "w").close()
    packed(tmp_path / "m.keras", {"config.json": config, "model.weights.h5": arrays.getvalue()})
    refused(tmp_path / "m.keras")


def test_layers_of_an_archive_go_by_the_names_in_it(tmp_path):
    """The group of a layer's arrays may say what the layer is called, and has numbers for names."""
    arrays = [RANDOM.normal(size=s).astype(np.float32) for s in ((5, 5, 1, 3), (3,), (48, 4), (4,))]
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for i, (group, name) in enumerate((("z", "conv"), ("a", "full"))):
            variables = file.create_group(f"layers/{group}/vars")
            variables.attrs["name"] = name
            variables["1"], variables["0"] = arrays[2 * i + 1], arrays[2 * i]
        file["optimizer/vars/0"] = np.ones(3)
    config = {"class_name": "Sequential", "config": {"layers": [conv_config(**FIRST), FLATTEN, dense_config()]}}
    packed(tmp_path / "m.keras", {"config.json": json.dumps(config).encode(), "model.weights.h5": stream.getvalue()})
    x = images(8, 8)
    found = lenet_fast.load(tmp_path / "m.keras")
    close(found.scores(x), computed({"conv": arrays[:2], "full": arrays[2:]}, x))
