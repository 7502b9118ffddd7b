"""The same networks as their trainers write them: builders for PyTorch and Keras, shared by the tests of readers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import lenet_fast
import numpy as np
import reference
from lenet_fast import RBF, Conv5x5, Dense, Network, Subsample2x2
from lenet_fast.networks import Template

RELU_MAX = lenet_fast.networks()["lenet5-relu-max"]
CLASSIC = lenet_fast.networks()["lenet5-1998"]


@dataclass(frozen=True)
class Variant:
    """A network, and what trainers add to it that is no layer of ours.

    Parameters
    ----------
    norm
        "before" or "after" the activation of each convolution stands batch normalisation; "pooled": behind pooling.
    bias
        Whether there are biases at all.
    """

    network: Network
    norm: str = ""
    bias: bool = True
    weights: dict = field(default_factory=dict, compare=False)

    def filled(self):
        """With seeded weights."""
        weights = reference.random_weights(self.network, np.random.default_rng(7))
        if not self.bias:
            weights = {n: np.zeros_like(w) if n.endswith("bias") else w for n, w in weights.items()}
        return replace(self, weights=weights)


def lenet(side=32, channels=1, activation="relu", pooling="max", padding=(0, 0), head="scores", c5=False, table=False, maps=(6, 16), units=(120, 84), conv_activation=None):  # fmt: skip
    return Template(
        channels=channels, side=side, maps=maps, units=units, activation=activation, pooling=pooling, padding=padding,
        head=head, c5=c5, table=table, conv_activation=conv_activation,
    ).network()  # fmt: skip


def sloped(network, slope):
    """The network with leaky relu of this slope where it has relu."""
    layers = (replace(a, activation="leaky_relu", slope=slope) if a.activation == "relu" else a for a in network.layers)
    return replace(network, layers=tuple(layers))


VARIANTS = {
    "relu max 28 padded": Variant(lenet(28, padding=(2, 0))),
    "relu max 28 valid": Variant(lenet(28)),
    "relu max 32 colour, softmax": Variant(lenet(channels=3, head="softmax")),
    "tanh average 32 colour, softmax": Variant(lenet(channels=3, activation="tanh", pooling="average", head="softmax")),
    "tanh average 28 padded": Variant(lenet(28, activation="tanh", pooling="average", padding=(2, 0))),
    "sigmoid average 28 padded": Variant(lenet(28, activation="sigmoid", pooling="average", padding=(2, 0))),
    "sigmoid max 32": Variant(lenet(activation="sigmoid")),
    "scaled tanh average": Variant(lenet(activation="scaled_tanh", pooling="average")),
    "scaled tanh trainable, softmax": Variant(lenet(activation="scaled_tanh", pooling="trainable", head="softmax")),
    "classic: table, trainable, C5, RBF": Variant(CLASSIC),
    "C3 table, tanh average": Variant(lenet(activation="tanh", pooling="average", table=True)),
    "leaky relu, slope 0.1, max": Variant(sloped(lenet(28, padding=(2, 0)), 0.1)),
    "C5 as convolution": Variant(lenet(c5=True)),
    "C5 as convolution, colour, sigmoid": Variant(lenet(channels=3, activation="sigmoid", pooling="average", c5=True)),
    "both convolutions padded": Variant(lenet(28, padding=(2, 2))),
    "20-50-500": Variant(lenet(28, maps=(20, 50), units=(500,), conv_activation="identity", head="softmax")),
    "no biases": Variant(lenet(28, padding=(2, 0)), bias=False),
    "batch norm before the activation": Variant(lenet(channels=3), norm="before"),
    "batch norm after the activation": Variant(lenet(activation="tanh", pooling="average"), norm="after"),
    "batch norm behind max pooling": Variant(lenet(activation="relu"), norm="pooled"),
}


def images_for(variant, count=256):
    return np.random.default_rng(3).random((count, *variant.network.input), np.float32)


def normalisation(name, maps):
    """Statistics of a batch normalisation, seeded by its place."""
    random = np.random.default_rng(sum(map(ord, name)))
    return [random.uniform(0.5, 1.5, maps), random.normal(size=maps), random.normal(size=maps), random.uniform(0.5, 2, maps)]  # fmt: skip


# --- PyTorch ---


def torch_module(variant):
    """The variant as PyTorch writes it; batch normalisation stands where `norm` says."""
    import torch
    from torch import nn

    class Scaled(nn.Module):
        def forward(self, x):
            return 1.7159 * torch.tanh(x * (2 / 3))

    class Trainable(nn.Module):
        def __init__(self, coefficient, bias):
            super().__init__()
            self.coefficient, self.bias = (nn.Parameter(torch.from_numpy(v.copy())) for v in (coefficient, bias))

        def forward(self, x):
            return nn.functional.avg_pool2d(x, 2) * 4 * self.coefficient[:, None, None] + self.bias[:, None, None]

    class Distances(nn.Module):
        def __init__(self, codes):
            super().__init__()
            self.register_buffer("codes", torch.from_numpy(codes.copy()))

        def forward(self, x):
            return ((x.unsqueeze(1) - self.codes) ** 2).sum(-1)

    curves = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "scaled_tanh": Scaled,
              "identity": nn.Identity, "leaky_relu": nn.LeakyReLU}  # fmt: skip

    def norm(name, maps):
        layer = nn.BatchNorm2d(maps)
        values = normalisation(name, maps)
        for target, value in zip(
            (layer.weight, layer.bias, layer.running_mean, layer.running_var), values, strict=True
        ):
            target.data.copy_(torch.from_numpy(value))
        return layer

    modules, flat = [], False
    for layer, figures in zip(variant.network.layers, variant.network.figures, strict=True):
        tensors = [variant.weights[name] for name in figures.parameters]
        if isinstance(layer, Dense | RBF) and not flat:
            modules.append(nn.Flatten())
            flat = True
        match layer:
            case Conv5x5(maps, _, padding):
                made = nn.Conv2d(tensors[0].shape[1], maps, 5, padding=padding, bias=variant.bias)
            case Subsample2x2("max"):
                made = nn.MaxPool2d(2)
            case Subsample2x2("average"):
                made = nn.AvgPool2d(2)
            case Subsample2x2():
                made = Trainable(*tensors)
            case Dense(units):
                made = nn.Linear(tensors[0].shape[1], units, bias=variant.bias)
            case RBF():
                made = Distances(*tensors)
        if isinstance(layer, Conv5x5 | Dense):
            made.weight.data = torch.from_numpy(tensors[0].copy())
            if variant.bias:
                made.bias.data = torch.from_numpy(tensors[1].copy())
        modules.append(made)
        stage = isinstance(layer, Conv5x5) and figures.output[1] > 1
        if stage and variant.norm == "before":
            modules.append(norm(figures.name, layer.maps))
        curve = curves[getattr(layer, "activation", "identity")]
        modules.append(curve() if getattr(layer, "slope", None) is None else curve(layer.slope))
        if stage and variant.norm == "after":
            modules.append(norm(figures.name, layer.maps))
        if isinstance(layer, Subsample2x2) and variant.norm == "pooled":
            modules.append(norm(figures.name, figures.output[0]))
    if variant.network.head == "softmax":
        modules.append(nn.Softmax(1))
    return nn.Sequential(*modules).eval()


def torch_outputs(module, x):
    import torch

    with torch.no_grad():
        return module(torch.from_numpy(x)).numpy()


# --- Keras ---


def keras_model(variant, rescaling=None):
    """The variant as Keras writes it, maps last; None where Keras has no such layer (RBF units)."""
    from keras import Input, Sequential, layers

    channels, height, width = variant.network.input
    model = Sequential([Input((height, width, channels))])
    weights = []
    flat = False
    maps = channels, height, width

    def norm(name, count):
        model.add(layers.BatchNormalization(epsilon=1e-5))
        weights.append(normalisation(name, count))

    if rescaling:
        model.add(layers.Rescaling(*rescaling))
    for layer, figures in zip(variant.network.layers, variant.network.figures, strict=True):
        tensors = [variant.weights[name] for name in figures.parameters]
        if isinstance(layer, RBF):
            return None
        if isinstance(layer, Dense) and not flat:
            model.add(layers.Flatten())
        match layer:
            case Conv5x5(count, _, padding):
                if padding not in (0, 2):
                    model.add(layers.ZeroPadding2D(padding))
                same = "same" if padding == 2 else "valid"
                model.add(layers.Conv2D(count, 5, padding=same, use_bias=variant.bias))
                weights.append([tensors[0].transpose(2, 3, 1, 0), tensors[1]][: 1 + variant.bias])
            case Subsample2x2("max"):
                model.add(layers.MaxPooling2D(2))
            case Subsample2x2("average"):
                model.add(layers.AveragePooling2D(2))
            case Subsample2x2():
                model.add(layers.AveragePooling2D(2))
                model.add(layers.BatchNormalization(epsilon=1e-5))
                count = figures.output[0]
                weights.append([4 * tensors[0], tensors[1], np.zeros(count), np.full(count, 1 - 1e-5)])
            case Dense(units):
                kernel = tensors[0].T
                if not flat:
                    kernel = tensors[0].reshape(units, *maps).transpose(2, 3, 1, 0).reshape(-1, units)
                model.add(layers.Dense(units, use_bias=variant.bias))
                weights.append([kernel, tensors[1]][: 1 + variant.bias])
                flat = True
        stage = isinstance(layer, Conv5x5) and figures.output[1] > 1
        if stage and variant.norm == "before":
            norm(figures.name, layer.maps)
        if layer.activation == "scaled_tanh":
            model.add(layers.Rescaling(2 / 3))
            model.add(layers.Activation("tanh"))
            model.add(layers.Rescaling(1.7159))
        elif layer.activation == "leaky_relu":
            model.add(layers.LeakyReLU(layer.slope))
        elif layer.activation != "identity":
            model.add(layers.Activation(layer.activation))
        if stage and variant.norm == "after":
            norm(figures.name, layer.maps)
        if isinstance(layer, Subsample2x2) and variant.norm == "pooled":
            norm(figures.name, figures.output[0])
        maps = figures.output
    if variant.network.head == "softmax":
        model.add(layers.Softmax())
    model.set_weights([w for group in weights for w in group])
    return model


def keras_outputs(model, x):
    """Outputs for images (n, channels, rows, columns)."""
    return np.asarray(model.predict(x.transpose(0, 2, 3, 1), verbose=0, batch_size=256))


# --- TensorFlow ---


def tensorflow_function(tensorflow, variant):
    """The variant in TensorFlow's own operations: Keras may run on another backend here."""
    tf = tensorflow
    curves = {"relu": tf.nn.relu, "tanh": tf.tanh, "sigmoid": tf.sigmoid, "identity": lambda v: v,
              "leaky_relu": tf.nn.leaky_relu,
              "scaled_tanh": lambda v: 1.7159 * tf.tanh(v * (2 / 3))}  # fmt: skip

    @tf.function(input_signature=[tf.TensorSpec((1, *variant.network.input[1:], variant.network.input[0]), tf.float32)])
    def run(x):
        for layer, figures in zip(variant.network.layers, variant.network.figures, strict=True):
            tensors = [variant.weights[name] for name in figures.parameters]
            match type(layer).__name__:
                case "Conv5x5":
                    x = tf.pad(x, [(0, 0), (layer.padding,) * 2, (layer.padding,) * 2, (0, 0)]) if layer.padding else x
                    x = tf.nn.conv2d(x, tensors[0].transpose(2, 3, 1, 0), 1, "VALID") + tensors[1]
                case "Subsample2x2" if layer.pooling == "max":
                    x = tf.nn.max_pool2d(x, 2, 2, "VALID")
                case "Subsample2x2":
                    x = tf.nn.avg_pool2d(x, 2, 2, "SAME")
                    x = x * (4 * tensors[0]) + tensors[1] if tensors else x
                case "Dense":
                    weight = tensors[0]
                    if len(x.shape) == 4:
                        maps = x.shape[3], x.shape[1], x.shape[2]
                        weight = weight.reshape(-1, *maps).transpose(0, 2, 3, 1).reshape(len(weight), -1)
                        x = tf.reshape(x, (1, -1))
                    x = tf.matmul(x, weight.T) + tensors[1]
                case "RBF":
                    x = tf.reduce_sum(
                        tf.math.squared_difference(tf.expand_dims(tf.reshape(x, (1, -1)), 1), tensors[0]), -1
                    )
            curve = curves[getattr(layer, "activation", "identity")]
            x = curve(x) if getattr(layer, "slope", None) is None else curve(x, layer.slope)
        return tf.nn.softmax(x) if variant.network.head == "softmax" else x

    return run
