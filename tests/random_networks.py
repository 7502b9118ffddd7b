"""Random networks, weights, scalings and images for tests/test_random.py, and how far float32 may be from float64.

Hypothesis draws what is worth shrinking (layers, sizes, kinds of values); arrays of numbers come from a seed it draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import reference
from hypothesis import strategies as st
from lenet_fast import RBF, Conv5x5, Dense, Model, Network, Preprocess, Subsample2x2

ACTIVATIONS = ("identity", "scaled_tanh", "tanh", "sigmoid", "relu", "leaky_relu")
LARGEST = float(np.finfo(np.float32).max)
DENORMAL = 2.0**-149  # what rounding a number near zero may lose

sizes = st.sampled_from((1, 2, 3, 5, 6, 7, 8, 9, 12, 13, 15, 16, 17))  # around lanes and tiles
seeds = st.integers(0, 2**32 - 1)


@st.composite
def activations(draw):
    """The activation and slope of a layer."""
    name = draw(st.sampled_from(ACTIVATIONS))
    slope = draw(st.sampled_from((0.0, 0.01, 0.3, 1.0))) if name == "leaky_relu" else None
    return {"activation": name, "slope": slope}


@st.composite
def convolutions(draw, inputs, height, width):
    """A convolution that fits maps of this size, with a connection table or without."""
    least = max(0, (6 - min(height, width)) // 2)
    padding = draw(st.sampled_from([p for p in (0, 0, 0, 1, 2, 3, 4) if p >= least]))
    maps, table = draw(sizes), None
    if draw(st.booleans()):
        rows = st.lists(st.integers(0, inputs - 1), min_size=1, max_size=inputs, unique=True).map(sorted).map(tuple)
        table = tuple(draw(st.lists(rows, min_size=maps, max_size=maps)))
    return Conv5x5(maps, padding=padding, connections=table, **draw(activations()))


@st.composite
def networks(draw):
    """Any network of the family whose maps are small enough to be computed at once.

    Up to three stages of convolution or subsampling or both, up to two full connections, and RBF units, or none of it.
    """
    maps, height, width = draw(st.sampled_from((1, 2, 3, 4))), draw(st.integers(1, 24)), draw(st.integers(1, 24))
    if maps in (height, width, height - 4, width - 4):
        maps = 1  # what reads in two ways is a question: tests/test_images.py
    size, layers = (maps, height, width), []
    for stage in draw(st.lists(st.sampled_from(("cs", "c", "s", "cs")), max_size=3)):
        if "c" in stage and min(height, width) + 8 >= 5:
            layers.append(draw(convolutions(maps, height, width)))
            grown = 2 * layers[-1].padding - 4
            maps, height, width = layers[-1].maps, height + grown, width + grown
        if "s" in stage and min(height, width) >= 2:
            layers.append(Subsample2x2(draw(st.sampled_from(("trainable", "average", "max"))), **draw(activations())))
            height, width = height // 2, width // 2
    layers += [Dense(draw(sizes), **draw(activations())) for _ in range(draw(st.integers(0, 2)))]
    head = draw(st.sampled_from(("scores", "softmax", "rbf")))
    if head == "rbf" or not layers:
        layers.append(RBF(draw(sizes)) if head == "rbf" else Dense(draw(sizes)))
    return Network(size, tuple(layers), head)


KINDS = (*["ordinary"] * 5, "zeros", "large", "tiny", "denormal", "huge", "of every size")


def weights_of(network, kind, seed):
    """Weights of a kind: of the order of one, zeros, or such as overflow or vanish."""
    random = np.random.default_rng(seed)
    weights = reference.random_weights(network, random)
    factors = {"ordinary": 1.0, "zeros": 0.0, "large": 1e4, "tiny": 1e-20, "denormal": 1e-40, "huge": 3e38}
    for name, values in weights.items():
        factor = 10.0 ** random.integers(-44, 38, values.shape) if kind == "of every size" else factors[kind]
        weights[name] = np.clip(values.astype(np.float64) * factor, -LARGEST, LARGEST).astype(np.float32)
    return weights


@st.composite
def scalings(draw, channels):
    """A scaling of so many channels, none per image: what that does has a test of its own."""
    random = np.random.default_rng(draw(seeds))
    count = channels if draw(st.booleans()) else 1
    white = draw(st.sampled_from((1.0, 1.0, 1.0, 255.0, None, 1e-37, 1e30)))
    if draw(st.integers(0, 3)):
        return Preprocess(
            random.normal(1, 1, count), random.normal(0, 1, count), random.choice((-1.0, 0.3, 0.0)), white
        )
    odd = (0.0, 1.0, -1.0, 1e-40, 1e4)
    return Preprocess(random.choice(odd, count), random.choice(odd, count), random.choice(odd[:4]), white)


@dataclass
class Case:
    """A model, images in the order (n, channels, height, width), and the same images as a user might hold them.

    Numbers are `usual` where all of them are of the order of one.
    """

    model: Model
    pixels: np.ndarray
    given: Any
    usual: bool


MEMORY = ("plain", "fortran", "reversed", "spread", "misaligned", "read-only", "byte-swapped", "a list", "float64")


@st.composite
def cases(draw, most_images=40):
    """Any model and images that it takes."""
    network = draw(networks())
    channels, height, width = network.input
    kind = draw(st.sampled_from(KINDS))
    weights = weights_of(network, kind, draw(seeds))
    scaling = draw(scalings(channels))
    model = Model(network, weights, preprocess=scaling)
    margin = 4 * draw(st.booleans()) if min(height, width) > 4 else 0
    shape = (draw(st.sampled_from((2, 1, 3, 7, 9, 17, most_images, 0))), channels, height - margin, width - margin)
    random = np.random.default_rng(draw(seeds))
    if scaling.white is not None and draw(st.booleans()):
        pixels = random.integers(0, 256, shape, np.uint8)
    else:
        pixels = (random.random(shape) * (scaling.white or 1.0)).astype(np.float32)
    layouts = ["nchw", "nhwc", *["nhw"] * (channels == 1), *["one"] * (shape[0] == 1)]
    given = presented(pixels, draw(st.sampled_from(layouts)), draw(st.sampled_from(MEMORY)))
    return Case(
        model, pixels, given, kind == "ordinary" and max(map(abs, (*scaling.scale, scaling.white or 1.0))) < 256
    )


def presented(pixels, layout, memory):
    """The same images in another layout and another place of the memory."""
    array = {
        "nchw": pixels,
        "nhwc": pixels.transpose(0, 2, 3, 1),
        "nhw": pixels[:, 0],
        "one": pixels[:1].reshape(pixels.shape[1:]) if len(pixels) == 1 else pixels,
    }[layout]
    match memory:
        case "fortran":
            return np.asfortranarray(array)
        case "reversed":
            backwards = (slice(None, None, -1),) * array.ndim
            return np.ascontiguousarray(array[backwards])[backwards]
        case "spread":
            return np.repeat(np.repeat(array, 3, axis=0), 2, axis=-1)[::3, ..., ::2]
        case "misaligned":
            return np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:].view(array.dtype).reshape(array.shape)
        case "read-only":
            return np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape)
        case "byte-swapped":
            return array.astype(array.dtype.newbyteorder())
        case "a list":
            return list(array) if len(array) else array
        case "float64":
            return array if array.dtype == np.uint8 else array.astype(np.float64)
    return np.ascontiguousarray(array)


def scaled(model, pixels):
    """The network's input in float64, (n, channels, height, width), and how far float32 may be from it."""
    scaling = model.preprocess
    scale, shift = (np.float64(np.float32(v))[:, None, None] for v in scaling.per_channel(model.network.input[0]))
    unit = (
        pixels / 255.0 * np.float64(np.float32(scaling.white or 0))
        if pixels.dtype == np.uint8
        else pixels.astype(np.float64)
    )
    margin = (model.network.input[1] - pixels.shape[2]) // 2
    around = ((0, 0), (0, 0), (margin, margin), (margin, margin))
    unit = np.pad(unit, around, constant_values=np.float64(np.float32(scaling.background)))
    x = unit * scale + shift
    return x, 4 * reference.EPSILON * (np.abs(unit * scale) + np.abs(x)) + (4 + np.abs(unit)) * DENORMAL


#: The largest slope of each activation, how far it is off by itself, and the range of its values.
CURVES = {
    "identity": (1.0, 0.0, np.inf),
    "relu": (1.0, 0.0, np.inf),
    "leaky_relu": (1.0, 0.0, np.inf),
    "scaled_tanh": (1.7159 / 1.5, 1.7159 * reference.ACTIVATION_ERROR, 2 * 1.7159),
    "tanh": (1.0, reference.ACTIVATION_ERROR, 2.0),
    "sigmoid": (0.25, reference.ACTIVATION_ERROR, 1.0),
}


def summed(magnitude, error, terms, partial=None):
    """How far a sum is off: by its terms' errors, and by a rounding for each of them; infinite where it may overflow.

    `magnitude` is the sum of the terms' magnitudes, `partial` what else must not overflow on the way.
    """
    roundings = 1.01 * (terms + 2) * (reference.EPSILON * (magnitude + error) + DENORMAL)
    overflows = np.maximum(magnitude, magnitude if partial is None else partial) + error > 0.99 * LARGEST
    return np.where(overflows | np.isnan(error), np.inf, error + roundings)


def activated(layer, x, error):
    steepest, own, width = CURVES[layer.activation]
    slack = own + 2 * reference.EPSILON * np.abs(x) * (layer.activation == "leaky_relu") + 2 * DENORMAL
    bounded = np.where(np.isinf(error), np.inf, np.minimum(steepest * error + slack, width))
    return reference.activate(layer.activation, x, layer.slope), bounded


def convolved(layer, tensors, x, error):
    (weight, bias), at = tensors, (layer.connections, layer.padding)
    magnitude = reference.conv5x5(np.abs(x), np.abs(weight), np.abs(bias), *at)
    error = reference.conv5x5(error, np.abs(weight), 0 * bias, *at)
    return reference.conv5x5(x, weight, bias, *at), summed(magnitude, error, 25 * weight.shape[1])


def subsampled(layer, tensors, x, error):
    partial = 4 * reference.subsample2x2(np.abs(x) + error, "average")
    sizes = [np.abs(tensor) for tensor in tensors]
    magnitude = reference.subsample2x2(np.abs(x), layer.pooling, *sizes)
    error = reference.subsample2x2(error, layer.pooling, *(size * (i == 0) for i, size in enumerate(sizes)))
    return reference.subsample2x2(x, layer.pooling, *tensors), summed(magnitude, error, 8, partial)


def connected(tensors, x, error):
    weight, bias = tensors
    magnitude = reference.dense(np.abs(x), np.abs(weight), np.abs(bias))
    return reference.dense(x, weight, bias), summed(
        magnitude, reference.dense(error, np.abs(weight), 0 * bias), len(weight.T)
    )


def squared(codes, x, error):
    """Distances; a difference is off by a rounding too, and counts twice in its square."""
    apart = np.abs(x[:, None, :] - codes)
    off = error[:, None, :] + reference.EPSILON * (apart + error[:, None, :]) + DENORMAL
    error = (2 * apart * off + off**2).sum(2)
    return reference.rbf_distances(x, codes), summed((apart**2).sum(2), error, codes.shape[1])


def bounds(network, weights, x, error):
    """Every layer's output by name, in float64, and how far float32 may be from it; infinite where it may overflow."""
    found = {}
    for layer, figures in zip(network.layers, network.figures, strict=True):
        tensors = [np.float64(weights[name]) for name in figures.parameters]
        match layer:
            case Conv5x5():
                x, error = activated(layer, *convolved(layer, tensors, x, error))
            case Subsample2x2():
                x, error = activated(layer, *subsampled(layer, tensors, x, error))
            case Dense():
                x, error = activated(layer, *connected(tensors, reference.rows(x), reference.rows(error)))
            case RBF():
                x, error = squared(*tensors, reference.rows(x), reference.rows(error))
        found[figures.name] = x, error
    return found
