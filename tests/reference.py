"""The float64 oracle: every layer of the family written plainly in NumPy, slow and obvious."""

from __future__ import annotations

import numpy as np
from lenet_fast import RBF, Conv5x5, Dense, Subsample2x2, operations

#: Rounding error of one float32 operation, relative.
EPSILON = 2.0**-24
#: Error of an activation, relative to the largest value of its kind (see activation-inl.hpp).
ACTIVATION_ERROR = 5e-7


def activate(name, x, slope=None):
    x = np.asarray(x, np.float64)
    if name == "identity":
        return x
    if name == "scaled_tanh":
        return 1.7159 * np.tanh(2 / 3 * x)
    if name == "tanh":
        return np.tanh(x)
    if name == "sigmoid":
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(-x))
    if name == "leaky_relu":
        return np.where(x > 0, x, float(np.float32(slope)) * x)
    assert name == "relu"
    return np.maximum(x, 0)


def conv5x5(x, weight, bias, connections=None, padding=0):
    """(n, in, h, w) -> (n, out, h + 2 padding - 4, w + 2 padding - 4)."""
    x, weight, bias = (np.asarray(a, np.float64) for a in (x, weight, bias))
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    n, inputs, height, width = x.shape
    out = np.zeros((n, len(weight), height - 4, width - 4))
    out += bias[:, None, None]
    for i in range(inputs):
        fed = [m for m in range(len(weight)) if connections is None or i in connections[m]]
        for ky in range(5):
            for kx in range(5):
                seen = x[:, i, None, ky : ky + height - 4, kx : kx + width - 4]
                out[:, fed] += weight[fed, i, ky, kx, None, None] * seen
    return out


def subsample2x2(x, pooling, coefficient=None, bias=None):
    """(n, maps, h, w) -> (n, maps, h // 2, w // 2)."""
    x = np.asarray(x, np.float64)
    height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    a, b = x[:, :, 0:height:2, 0:width:2], x[:, :, 0:height:2, 1:width:2]
    c, d = x[:, :, 1:height:2, 0:width:2], x[:, :, 1:height:2, 1:width:2]
    if pooling == "max":
        return np.maximum(np.maximum(a, b), np.maximum(c, d))
    if pooling == "average":
        return (a + b + c + d) / 4
    coefficient, bias = (np.asarray(v, np.float64)[:, None, None] for v in (coefficient, bias))
    return coefficient * (a + b + c + d) + bias


def dense(x, weight, bias):
    return np.asarray(x, np.float64) @ np.asarray(weight, np.float64).T + np.asarray(bias, np.float64)


def rbf_distances(x, codes):
    return ((np.asarray(x, np.float64)[:, None, :] - np.asarray(codes, np.float64)) ** 2).sum(2)


def softmax(logits):
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def rows(x):
    """(n, ...) -> (n, values), of no image too."""
    return x.reshape(len(x), np.prod(x.shape[1:], dtype=int))


def run(network, weights, x):
    """Every layer's output by name for scaled images x (n, channels, height, width)."""
    x = np.asarray(x, np.float64)
    outputs = {}
    for layer, figures in zip(network.layers, network.figures, strict=True):
        tensors = [weights[name] for name in figures.parameters]
        match layer:
            case Conv5x5(_, activation, padding, connections):
                x = activate(activation, conv5x5(x, *tensors, connections, padding), layer.slope)
            case Subsample2x2(pooling, activation):
                x = activate(activation, subsample2x2(x, pooling, *tensors), layer.slope)
            case Dense(_, activation):
                x = activate(activation, dense(rows(x), *tensors), layer.slope)
            case RBF():
                x = rbf_distances(rows(x), *tensors)
        outputs[figures.name] = x
    return outputs


def answers(model, images):
    """What the network delivers for scaled images: scores, or probabilities where the head is a softmax."""
    last = list(run(model.network, model.weights, images).values())[-1].reshape(len(images), -1)
    return softmax(last) if model.network.head == "softmax" else last


def run_operations(row, x):
    """The last output of elementary operations (see operations.py), one behind the other, for images x."""
    x = np.asarray(x, np.float64)
    for operation in row:
        match operation:
            case operations.Conv(weight, bias, padding, stride, groups):
                x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
                windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (2, 3))
                windows = windows[:, :, ::stride, ::stride]
                if groups > 1:
                    x = np.einsum("nmyxij,mij->nmyx", windows, weight[:, 0])
                else:
                    x = np.einsum("ncyxij,mcij->nmyx", windows, weight)
                x = x + bias[:, None, None]
            case operations.Pool(kind):
                x = subsample2x2(x, kind)
            case operations.Affine(scale, shift):
                scale, shift = (np.reshape(v, (-1, *[1] * (x.ndim - 2))) for v in (scale, shift))
                x = x * scale + shift
            case operations.Curve(kind, slope):
                x = activate(kind, x, slope)
            case operations.Flatten(shape):
                assert x.shape[1:] == shape
                x = x.reshape(len(x), -1)
            case operations.Dense(weight, bias):
                x = dense(x.reshape(len(x), -1), weight, bias)
            case operations.Distances():
                x = x.reshape(len(x), -1)
                product, square = operation.expanded()
                x = run_operations([product], x) + run_operations([square], x**2)
            case operations.Softmax():
                x = softmax(x)
    return x


def random_weights(network, random):
    """Weights that keep every layer's values of the order of one; zeros where nothing is connected."""
    weights = {}
    for layer, figures in zip(network.layers, network.figures, strict=True):
        for name, shape in figures.parameters.items():
            values = random.normal(0, 1 / np.sqrt(max(1, np.prod(shape[1:]))), shape)
            if isinstance(layer, Conv5x5) and layer.connections is not None and values.ndim == 4:
                mask = np.zeros(shape[:2])
                for output, sources in enumerate(layer.connections):
                    mask[output, list(sources)] = 1
                values *= mask[:, :, None, None]
            weights[name] = values.astype(np.float32)
    return weights
