"""Keras models: .keras archives and full models in HDF5, of Keras 2 and 3, and live ones.

The config (`keras_config`) says which layers there are; their arrays (`arrays.keras`) lie under the layers' names,
kernels as (row, column, input, output), full connections as (inputs, outputs).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import OverBudgetError, WeightsError, refuse, whole
from .. import settings
from ..arrays import keras as arrays_of
from ..arrays.hdf5 import Hdf5
from ..arrays.keras import Named
from ..files import Archive, File
from ..graph.node import Constant, Entry, Graph, Image, Node, Translation, always
from ..graph.walker import follow
from ..source import Source
from .keras_config import CONTAINERS, Config, Layer, input_shape, layers_of, parsed

#: Sides of images to try where the file leaves them open.
_SIDES = (32, 28)
#: Layers that do nothing once training is over.
_IDENTITIES = (
    "InputLayer Dropout SpatialDropout2D GaussianNoise GaussianDropout AlphaDropout ActivityRegularization Identity "
    "Masking RandomFlip RandomRotation RandomZoom RandomTranslation RandomCrop RandomContrast RandomBrightness "
    "RandomShear"
).split()


def read_archive(file: File, archive: Archive) -> Source:
    """Read a .keras file."""
    config = parsed(archive.read("config.json"))
    return _followed(config, arrays_of.by_layer_3(Hdf5(archive.read("model.weights.h5"))))


def read_hdf5(file: File) -> Source:
    """Read a Keras .h5 file, a full model or weights alone, or any HDF5 file of arrays."""
    hdf5 = Hdf5(file.data)
    text = hdf5.attribute("model_config")
    if not isinstance(text, str):
        return _weights(file, hdf5)
    config = parsed(text.encode("utf-8", "replace"))
    return _followed(config, arrays_of.by_layer_2(hdf5, hdf5.group("model_weights")))


def _weights(file: File, hdf5: Hdf5) -> Source:
    """Read weights alone, or with the config.json beside them, as an archive of Keras's has it when it is unpacked."""
    beside = file.beside("config.json") if file.path.name.endswith(".weights.h5") else None
    if beside is None:
        return arrays_of.weights(hdf5)
    config = settings.config_of(beside)
    if config.get("class_name") not in CONTAINERS:
        return replace(arrays_of.weights(hdf5), said=[settings.said_in(config, settings.IN_CONFIG)])
    is_old = hdf5.attribute("layer_names") is not None
    try:
        return _followed(config, arrays_of.by_layer_2(hdf5, hdf5.root) if is_old else arrays_of.by_layer_3(hdf5))
    except OverBudgetError:
        raise
    except WeightsError as error:
        way_out = "this is what the config.json beside it says: if that is another model's, move it away"
        raise WeightsError(error.what, error.wanted, error.found, way_out) from error


def read_model(model: Any) -> Source:
    """Read a live Keras model."""
    arrays: dict[str, Named] = {}

    def collect(layers: Sequence[Any]) -> None:
        for layer in layers:
            if getattr(layer, "layers", None):
                collect(layer.layers)
            else:
                values = zip(layer.weights, layer.get_weights(), strict=True)
                arrays[layer.name] = [(f"{layer.name}/{w.name}", np.asarray(a)) for w, a in values]

    collect(model.layers)
    return _followed(json.loads(model.to_json()), arrays)


# --- parsing ---


@dataclass(frozen=True)
class _Settings:
    """A layer's config, and its arrays with their names in the file."""

    config: Config
    arrays: Named

    def get(self, name: str, default: Any = None) -> Any:
        return self.config.get(name, default)

    @property
    def channels_last(self) -> bool:
        return bool(self.get("data_format", "channels_last") != "channels_first")

    def constants(self, where: str, *names: str) -> list[Constant]:
        """The layer's arrays; refused unless there are as many as names."""
        if len(self.arrays) != len(names):
            wanted, way_out = f"{len(names)} arrays ({', '.join(names)})", "the file is damaged or has no weights"
            refuse(where, wanted, f"{len(self.arrays)}", way_out)
        return [Constant.of(name, array) for name, array in self.arrays]


def _followed(config: Config, arrays: Mapping[str, Named]) -> Source:
    with whole("a valid Keras model"):
        layers = layers_of(config)
        found = _matched(layers, arrays)
        entries = [
            Entry(layer.kind, layer.name, (number,), number + 1, _Settings(layer.config, found(layer)))
            for number, layer in enumerate(layers)
        ]
        shape = input_shape(layers)
        sides = _SIDES if None in shape[1:] else (0,)
        shapes = [(1, *(int(n) if n else side for n in shape[1:])) for side in sides]
        graph = Graph("Keras", Image(0, "input", shapes), entries, TABLE)
    return Source("Keras", trace=follow(graph))


def _matched(layers: list[Layer], arrays: Mapping[str, Named]) -> Callable[[Layer], Named]:
    """How to find a layer's arrays: by its name, or by its class and number where the file goes by those."""
    numbered: dict[str, str] = {}
    counts: dict[str, int] = {}
    for layer in layers:
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", layer.kind).lower().replace("conv2_d", "conv2d")
        snake = re.sub(r"2_d\b", "2d", snake)
        number = counts.get(snake, 0)
        counts[snake] = number + 1
        numbered[layer.name] = f"{snake}_{number}" if number else snake
    by_name = any(layer.name in arrays for layer in layers if layer.kind in ("Conv2D", "Dense"))
    return lambda layer: list(arrays.get(layer.name if by_name else numbered[layer.name], []))


# --- operators ---


def _pair(value: Any) -> tuple[Any, Any]:
    if isinstance(value, (list, tuple)):
        if len(value) != 2:
            raise ValueError(f"{value} where two numbers should be")
        return value[0], value[1]
    return value, value


def _windows(s: _Settings, strides: Any) -> dict[str, Any]:
    """Strides, padding (the odd row of "same" lies behind) and where the channels are."""
    pads = "same_upper" if s.get("padding", "valid") == "same" else (0, 0, 0, 0)
    return {"strides": _pair(strides), "pads": pads, "channels_last": s.channels_last}


def _conv(entry: Entry) -> Node:
    s: _Settings = entry.settings
    constants = s.constants(entry.where, *["kernel", "bias"][: 1 + bool(s.get("use_bias", True))])
    windows = _windows(s, s.get("strides", 1))
    dilations, groups = _pair(s.get("dilation_rate", 1)), int(s.get("groups", 1))
    return Node("conv", *constants, kernel_axes="HWIO", dilations=dilations, groups=groups, **windows)


def _pool(entry: Entry) -> Node:
    s: _Settings = entry.settings
    window = _pair(s.get("pool_size", 2))
    kind = "max" if entry.kind.startswith("Max") else "average"
    return Node("pool", kind=kind, window=window, **_windows(s, s.get("strides") or window))


def _global_pool(entry: Entry) -> Node:
    s: _Settings = entry.settings
    return Node("mean", axes=(1, 2) if s.channels_last else (2, 3), keep=bool(s.get("keepdims", False)))


def _flatten(entry: Entry) -> list[Node]:
    """Keras flattens channels last in any case."""
    turned = [] if entry.settings.channels_last else [Node("move_axis", source=1, destination=-1)]
    return [*turned, Node("reshape", shape=(1, -1))]


def _dense(entry: Entry) -> Node:
    names = ["kernel", "bias"][: 1 + bool(entry.settings.get("use_bias", True))]
    return Node("dense", *entry.settings.constants(entry.where, *names), axes="IO")


def _batch_norm(entry: Entry) -> Node:
    s: _Settings = entry.settings
    names = ["gamma"] * bool(s.get("scale", True)) + ["beta"] * bool(s.get("center", True))
    found = dict(zip([*names, "mean", "variance"], s.constants(entry.where, *names, "mean", "variance"), strict=True))
    axis = s.get("axis", -1)
    inputs = [found.get(name) for name in ("gamma", "beta", "mean", "variance")]
    axis = int(axis[0] if isinstance(axis, list) else axis)
    return Node("batch_norm", *inputs, epsilon=s.get("epsilon", 1e-3), axis=axis)


def _relu(entry: Entry) -> Node:
    s: _Settings = entry.settings
    default = 0.3 if entry.kind == "LeakyReLU" else 0.0
    slope, largest = s.get("negative_slope", s.get("alpha", default)), s.get("max_value")
    if largest is not None or s.get("threshold"):
        return Node("other_curve", found=f"a relu with slope {slope}, limit {largest}")
    return Node("curve", kind="leaky_relu", slope=float(slope)) if slope else Node("curve", kind="relu")


def _softmax(entry: Entry) -> Node:
    return Node("softmax", axis=int(entry.settings.get("axis", -1)))


def _rescaling(entry: Entry) -> Node:
    return Node("affine", scale=entry.settings.get("scale", 1.0), shift=entry.settings.get("offset", 0.0))


def _normalization(entry: Entry) -> Node:
    s: _Settings = entry.settings
    stored = [array for _, array in s.arrays]
    mean, variance = (s.get(k) if s.get(k) is not None else stored[i] for i, k in enumerate(("mean", "variance")))
    deviation = np.maximum(np.sqrt(np.asarray(variance, np.float64)), 1e-7)
    return Node("affine", scale=1 / deviation, shift=-np.asarray(mean, np.float64) / deviation)


def _reshape(entry: Entry) -> Node:
    return Node("reshape", shape=(1, *entry.settings.config["target_shape"]))


def _permute(entry: Entry) -> Node:
    return Node("transpose", axes=(0, *entry.settings.config["dims"]))


def _zero_padding(entry: Entry) -> Node:
    s: _Settings = entry.settings
    spatial = [_pair(p) for p in _pair(s.get("padding", 1))]
    widths = [(0, 0), *spatial, (0, 0)] if s.channels_last else [(0, 0), (0, 0), *spatial]
    return Node("pad", widths=widths, value=0.0)


def _resizing(entry: Entry) -> Node:
    return Node("resize", size=(entry.settings.get("height"), entry.settings.get("width")))


def _activations(activation: Any, entry: Entry) -> list[Node]:
    """An activation by its name, or as Keras stores functions and layers."""
    name = activation
    if isinstance(activation, dict):
        inner = activation.get("config")
        kind = str(activation.get("class_name"))
        if kind in ("ReLU", "LeakyReLU", "Softmax"):
            nodes = TABLE[kind](Entry(kind, entry.where, entry.inputs, entry.output, _Settings(dict(inner or {}), [])))
            return [nodes] if isinstance(nodes, Node) else list(nodes)
        name = inner if isinstance(inner, str) else kind
    if name == "linear":
        return []
    if name in ("softmax", "log_softmax"):
        return [Node("softmax")]
    if name in ("tanh", "sigmoid", "relu"):
        return [Node("curve", kind=name)]
    if name == "leaky_relu":
        return [Node("curve", kind="leaky_relu", slope=0.2)]  # of the function; the layer's is 0.3
    return [Node("other_curve", found=str(name))]


def _activated(translate: Translation) -> Translation:
    """What a layer does, then the activation that its settings name."""

    def both(entry: Entry) -> list[Node]:
        nodes = translate(entry)
        activation = entry.settings.get("activation")
        behind = [] if activation is None else _activations(activation, entry)
        return [*([nodes] if isinstance(nodes, Node) else nodes), *behind]

    return both


_LAYERS: dict[str, Translation] = {
    "Conv2D": _conv,
    "Convolution2D": _conv,
    "AveragePooling2D": _pool,
    "MaxPooling2D": _pool,
    "AvgPool2D": _pool,
    "MaxPool2D": _pool,
    "GlobalAveragePooling2D": _global_pool,
    "GlobalMaxPooling2D": _global_pool,
    "Flatten": _flatten,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "Activation": always("identity"),
    "ReLU": _relu,
    "LeakyReLU": _relu,
    "Softmax": _softmax,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    "Reshape": _reshape,
    "Permute": _permute,
    "ZeroPadding2D": _zero_padding,
    "Resizing": _resizing,
}

TABLE: dict[str, Translation] = {
    **{kind: _activated(translate) for kind, translate in _LAYERS.items()},
    **dict.fromkeys(_IDENTITIES, always("identity")),
}
