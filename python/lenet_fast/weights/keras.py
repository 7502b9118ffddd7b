"""Keras models: .keras archives, full models and weights alone in HDF5, of Keras 2 and 3, and live ones.

A saved model's config is the graph: layers one after the other, each with its settings, which are followed in
`_LAYERS`. Its arrays lie under the layers' names; kernels are (row, column, input, output), full connections (inputs,
outputs).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError, brief
from . import pickled
from .files import Archive, File
from .hdf5 import Hdf5
from .source import KERAS, UNKNOWN, Source, Tensors
from .trace import Flow, Trace, refuse, same_padding

Named = list[tuple[str, NDArray[Any]]]
Config = Mapping[str, Any]

_CURVES = ("tanh", "sigmoid", "relu")
#: Layers that do nothing once training is over.
_IDENTITIES = [
    "InputLayer",
    "Dropout",
    "SpatialDropout2D",
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "ActivityRegularization",
    "Identity",
    "Masking",
    "RandomFlip",
    "RandomRotation",
    "RandomZoom",
    "RandomTranslation",
    "RandomCrop",
    "RandomContrast",
    "RandomBrightness",
    "RandomShear",
]
_BRANCHES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot")
_CONTAINERS = ("Sequential", "Functional", "Model")


@dataclass(frozen=True)
class Layer:
    """A layer of the config: its class, its name and its settings."""

    kind: str
    name: str
    config: Config


def is_archive(names: list[str]) -> bool:
    """Whether a zip archive with these members is a .keras file."""
    return "config.json" in names and "model.weights.h5" in names


def read_archive(file: File, archive: Archive) -> Source:
    """Read a .keras file."""
    config = _parsed(archive.read("config.json"), str(file))
    arrays = _by_layer_3(Hdf5(archive.read("model.weights.h5"), str(file)))
    return _followed(config, arrays, str(file))


def read_hdf5(file: File) -> Source:
    """Read a Keras .h5 file, a full model or weights alone, or any HDF5 file of arrays."""
    hdf5 = Hdf5(file.data, str(file))
    text = hdf5.attribute("model_config")
    if isinstance(text, str):
        return _followed(
            _parsed(text.encode("utf-8", "replace"), str(file)),
            _by_layer_2(hdf5, hdf5.group("model_weights")),
            str(file),
        )
    if hdf5.attribute("layer_names") is not None:
        return Source("Keras weights", _flat(_by_layer_2(hdf5, hdf5.root)), KERAS)
    if hdf5.group("layers") is not None or hdf5.group("_layer_checkpoint_dependencies") is not None:
        return Source("Keras weights", _flat(_by_layer_3(hdf5)), KERAS)
    return Source("HDF5", {name: array for name, array in hdf5.arrays() if array.size}, UNKNOWN)


def read_model(model: Any) -> Source:
    """Read a live Keras model."""
    arrays: dict[str, Named] = {}

    def collect(layers: Sequence[Any]) -> None:
        for layer in layers:
            if getattr(layer, "layers", None):
                collect(layer.layers)
            else:
                arrays[layer.name] = [
                    (f"{layer.name}/{w.name}", np.asarray(a))
                    for w, a in zip(layer.weights, layer.get_weights(), strict=True)
                ]

    collect(model.layers)
    return _followed(json.loads(model.to_json()), arrays, type(model).__name__)


def _parsed(text: bytes, name: str) -> Config:
    try:
        config = json.loads(text)
        if not isinstance(config, dict):
            raise ValueError("no JSON object")
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{name}: wanted a model's config in JSON, found a damaged one ({brief(error)})") from error
    return config


# --- arrays by layer ---


def _by_layer_3(hdf5: Hdf5) -> dict[str, Named]:
    """Keras 3: layers/conv2d/vars/0, where the group "vars" may know the layer's own name."""
    found: dict[str, Named] = {}
    for path, array in hdf5.arrays():
        parts = path.split("/")
        if parts[0] == "optimizer" or "vars" not in parts:
            continue
        at = len(parts) - 1 - parts[::-1].index("vars")
        group = hdf5.group("/".join(parts[: at + 1]))
        name = hdf5.attribute("name", group) or (parts[at - 1] if at else "")
        found.setdefault(str(name), []).append((f"{'/'.join(parts[:at])}/{parts[-1]}", array))
    for arrays in found.values():
        arrays.sort(key=lambda item: int(item[0].rpartition("/")[2]) if item[0][-1].isdigit() else 0)
    return {name: found[name] for name in sorted(found, key=_natural)}


def _natural(name: str) -> list[Any]:
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", name)]


def _by_layer_2(hdf5: Hdf5, group: Any) -> dict[str, Named]:
    """Keras 2 and the .h5 files of Keras 3: the attributes layer_names and weight_names give names and order."""
    found: dict[str, Named] = {}
    names = hdf5.attribute("layer_names", group) or []
    for layer in [*names, "top_level_model_weights"]:
        inside = hdf5.group(str(layer), group)
        for path in (hdf5.attribute("weight_names", inside) or []) if inside is not None else ():
            parts = str(path).split("/")
            array = hdf5.values(hdf5.group(str(path), inside))
            owner = parts[-2] if len(parts) > 1 else str(layer)
            found.setdefault(owner, []).append((str(path), array))
            if owner != layer:
                found.setdefault(str(layer), []).append((str(path), array))
    return found


def _flat(by_layer: dict[str, Named]) -> Tensors:
    """One dictionary, every array once, under names that say kernel or bias."""
    tensors: Tensors = {}
    seen: set[int] = set()
    for layer, arrays in by_layer.items():
        for path, array in arrays:
            last = path.rpartition("/")[2]
            role = ("kernel" if array.ndim > 1 else "bias") if last.isdigit() else last
            if len(arrays) > 2 and last.isdigit():
                role = f"batch_normalization {last}"
            if id(array) not in seen:
                tensors[f"{layer}/{role}"] = array
                seen.add(id(array))
    return tensors


# --- the graph ---


def _followed(config: Config, arrays: Mapping[str, Named], name: str) -> Source:
    try:
        layers = _layers(config)
        trace = _traced(layers, _matched(layers, arrays))
    except WeightsError as error:
        raise error if str(error).startswith(name) else WeightsError(f"{name}: {error}") from error
    except pickled.ERRORS as error:
        raise WeightsError(
            f"{name}: wanted a valid Keras model, found a contradiction in it ({brief(error)})"
        ) from error
    return Source("Keras", trace=trace)


def _layers(config: Config) -> list[Layer]:
    """The layers in the order of computation, containers opened."""
    kind = str(config.get("class_name"))
    inner = config.get("config")
    entries = inner if isinstance(inner, list) else inner.get("layers") if isinstance(inner, dict) else None
    if kind not in _CONTAINERS or not isinstance(entries, list):
        refuse(
            kind,
            "a Sequential or Functional model, whose layers are stored",
            "a subclassed one, whose code is not in the file",
            "export it to ONNX, or load its weights with network=",
        )
    if kind != "Sequential":
        entries = _in_order(entries)
    layers: list[Layer] = []
    for entry in entries:
        if entry.get("class_name") in _CONTAINERS:
            layers += _layers(entry)
        else:
            settings = dict(entry.get("config", {}))
            layers.append(_modern(str(entry.get("class_name")), str(settings.get("name", entry.get("name"))), settings))
    if isinstance(inner, dict) and inner.get("build_input_shape") and layers:
        layers[0] = Layer(
            layers[0].kind, layers[0].name, {"build_input_shape": inner["build_input_shape"], **layers[0].config}
        )
    return layers


#: What Keras 1 called its settings.
_OLD_NAMES = {"border_mode": "padding", "subsample": "strides", "bias": "use_bias", "atrous_rate": "dilation_rate"}


def _modern(kind: str, name: str, settings: dict[str, Any]) -> Layer:
    """A layer in the words of Keras 2 and 3."""
    if settings.get("dim_ordering", "tf") != "tf":
        refuse(
            name,
            "kernels in TensorFlow's order",
            "Theano's (dim_ordering 'th'), whose kernels lie mirrored",
            "load it in Keras with the TensorFlow backend and save it again",
        )
    return Layer(kind, name, {_OLD_NAMES.get(key, key): value for key, value in settings.items()})


def _in_order(entries: list[Config]) -> list[Config]:
    """Functional layers along their one row; refused where a layer has two inputs, or two layers have the same one."""
    sources: dict[str, str] = {}
    for entry in entries:
        name = str(entry.get("name") or entry["config"]["name"])
        inbound = _inbound(entry)
        if str(entry.get("class_name")) in _BRANCHES or len(inbound) > 1:
            refuse(
                name,
                "layers in one row",
                f"{entry.get('class_name')} of {len(inbound)} inputs",
                "residual and branching graphs are not supported",
            )
        for source in inbound:
            if source in sources.values():
                refuse(
                    name,
                    "layers in one row",
                    f"a branch at {source!r}",
                    "residual and branching graphs are not supported",
                )
            sources[name] = source
    by_name = {str(e.get("name") or e["config"]["name"]): e for e in entries}
    starts = [name for name in by_name if name not in sources]
    if len(starts) != 1:
        refuse("inputs", "one input, the image", f"{len(starts)}: {', '.join(starts[:3])}", "save the network alone")
    following = {source: name for name, source in sources.items()}
    row = [starts[0]]
    while row[-1] in following and len(row) <= len(entries):
        row.append(following[row[-1]])
    return [by_name[name] for name in row]


def _inbound(entry: Config) -> list[str]:
    """Names of the layers that feed this one: Keras 3 stores tensors with a history, Keras 2 nested lists."""
    names: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            names.append(str(value["config"]["keras_history"][0]))
        elif isinstance(value, dict):
            for item in value.values():
                look(item)
        elif isinstance(value, list):
            if (
                len(value) >= 3
                and isinstance(value[0], str)
                and isinstance(value[1], int)
                and isinstance(value[2], int)
            ):
                names.append(value[0])
            else:
                for item in value:
                    look(item)

    nodes = entry.get("inbound_nodes") or []
    if len(nodes) > 1:
        refuse(
            str(entry.get("name")),
            "every layer once",
            f"a layer used {len(nodes)} times",
            "shared layers are not supported",
        )
    look(nodes)
    return names


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


def _traced(layers: list[Layer], arrays: Callable[[Layer], Named]) -> Trace:
    shape = _input_shape(layers)
    error: WeightsError | None = None
    for side in (32, 28) if None in shape[1:] else (0,):
        walk = _Walk(arrays)
        known = [1, *(int(n) if n else side for n in shape[1:])]
        try:
            flow = walk.trace.image(known)
            for layer in layers:
                flow = walk.follow(layer, flow)
            return walk.trace
        except WeightsError as found:
            error = error or found
    assert error is not None
    raise error


def _input_shape(layers: list[Layer]) -> list[Any]:
    for layer in layers[:2]:
        for key in ("batch_shape", "batch_input_shape", "build_input_shape"):
            if isinstance(layer.config.get(key), list) and len(layer.config[key]) > 1:
                return list(layer.config[key])
    refuse(
        "input",
        "an image of known size",
        "no input shape",
        "give the model an Input layer, or call it once before saving",
    )


class _Walk:
    """The layers one after the other, into a trace."""

    def __init__(self, arrays: Callable[[Layer], Named]) -> None:
        self.trace = Trace()
        self.arrays = arrays

    def follow(self, layer: Layer, flow: Flow) -> Flow:
        """One layer."""
        if layer.kind in _IDENTITIES:
            return flow
        if (
            layer.kind.startswith("Quantize")
            or "quantiz" in json.dumps(layer.config.get("quantization_config") or "").lower()
        ):
            refuse(
                layer.name,
                "plain layers",
                f"a quantisation-aware wrapper, {layer.kind}",
                "strip it, or export to TFLite",
            )
        handler = _LAYERS.get(layer.kind)
        if handler is None:
            refuse(layer.name, "a layer of the LeNet family", layer.kind, "use a general runtime for this network")
        flow = handler(self, layer, flow)
        activation = layer.config.get("activation")
        return self.activate(activation, layer, flow) if activation is not None else flow

    def activate(self, activation: Any, layer: Layer, flow: Flow) -> Flow:
        """An activation by its name, or as Keras stores functions and layers."""
        name = activation
        if isinstance(activation, dict):
            inner = activation.get("config")
            name = inner if isinstance(inner, str) else str(activation.get("class_name"))
            if activation.get("class_name") in ("ReLU", "LeakyReLU", "Softmax"):
                return self.follow(Layer(str(activation["class_name"]), layer.name, dict(inner or {})), flow)
        if name == "linear":
            return flow
        if name in ("softmax", "log_softmax"):
            return self.trace.softmax(flow, -1, layer.name)
        if name not in _CURVES:
            refuse(
                layer.name,
                "tanh, scaled tanh, sigmoid, relu or none",
                str(name),
                "other activations are not supported; export a custom one to ONNX",
            )
        return self.trace.curve(flow, str(name), layer.name)

    def tensors(self, layer: Layer, *names: str) -> tuple[list[NDArray[Any]], tuple[str, ...]]:
        """The layer's arrays and their source names; refused unless there are as many as wanted."""
        found = self.arrays(layer)
        if len(found) != len(names):
            refuse(
                layer.name,
                f"{len(names)} arrays ({', '.join(names)})",
                f"{len(found)}",
                "the file is damaged or was saved without its weights",
            )
        return [array for _, array in found], tuple(name for name, _ in found)

    def conv(self, layer: Layer, flow: Flow) -> Flow:
        config = layer.config
        wanted = ["kernel", "bias"][: 1 + bool(config.get("use_bias", True))]
        arrays, names = self.tensors(layer, *wanted)
        last = config.get("data_format", "channels_last") != "channels_first"
        strides = _pair(config.get("strides", 1))
        rows, columns = flow.shape[1:3] if last else flow.shape[2:4]
        kernel = arrays[0]
        if kernel.ndim != 4:
            refuse(
                layer.name,
                "kernels (rows, columns, inputs, outputs)",
                f"shape {kernel.shape}",
                "the file contradicts itself",
            )
        return self.trace.conv(
            flow, kernel.transpose(3, 2, 0, 1), arrays[1] if len(arrays) > 1 else None, layer.name,
            pads=_pads(layer, (rows, columns), kernel.shape[:2], strides), strides=strides,
            dilations=_pair(config.get("dilation_rate", 1)), groups=int(config.get("groups", 1)), channels_last=last,
            tensors=names,
        )  # fmt: skip

    def pool(self, layer: Layer, flow: Flow) -> Flow:
        config = layer.config
        window = _pair(config.get("pool_size", 2))
        strides = _pair(config.get("strides") or window)
        last = config.get("data_format", "channels_last") != "channels_first"
        size = flow.shape[1:3] if last else flow.shape[2:4]
        return self.trace.pool(
            flow, "max" if layer.kind.startswith("Max") else "average", layer.name,
            window=window, strides=strides, pads=_pads(layer, size, window, strides), channels_last=last,
        )  # fmt: skip

    def global_pool(self, layer: Layer, flow: Flow) -> Flow:
        last = layer.config.get("data_format", "channels_last") != "channels_first"
        keep = bool(layer.config.get("keepdims", False))
        return self.trace.mean(flow, (1, 2) if last else (2, 3), keep, layer.name)

    def flatten(self, layer: Layer, flow: Flow) -> Flow:
        if layer.config.get("data_format") == "channels_first" and flow.index.ndim > 2:
            flow = flow.rearranged(np.moveaxis(flow.index, 1, -1))  # Keras flattens channels last in any case
        return self.trace.reshape(flow, (1, -1), layer.name)

    def dense(self, layer: Layer, flow: Flow) -> Flow:
        wanted = ["kernel", "bias"][: 1 + bool(layer.config.get("use_bias", True))]
        arrays, names = self.tensors(layer, *wanted)
        return self.trace.dense(flow, arrays[0].T, arrays[1] if len(arrays) > 1 else None, layer.name, names)

    def batch_normalization(self, layer: Layer, flow: Flow) -> Flow:
        config = layer.config
        wanted = ["gamma"] * bool(config.get("scale", True)) + ["beta"] * bool(config.get("center", True))
        arrays, names = self.tensors(layer, *wanted, "moving_mean", "moving_variance")
        by_name = dict(zip([*wanted, "mean", "variance"], arrays, strict=True))
        scale = by_name.get("gamma", 1.0) / np.sqrt(
            by_name["variance"].astype(np.float64) + config.get("epsilon", 1e-3)
        )
        shift = by_name.get("beta", 0.0) - by_name["mean"] * scale
        axis = config.get("axis", -1)
        axes = [1] * flow.index.ndim
        axes[int(axis[0] if isinstance(axis, list) else axis)] = -1
        return self.trace.affine(flow, scale.reshape(axes), shift.reshape(axes), layer.name, names)

    def activation(self, layer: Layer, flow: Flow) -> Flow:
        return flow  # `follow` applies it

    def relu(self, layer: Layer, flow: Flow) -> Flow:
        config = layer.config
        slope, largest = config.get("negative_slope", config.get("alpha", 0.0)), config.get("max_value")
        if slope or largest is not None or config.get("threshold"):
            refuse(
                layer.name,
                "tanh, scaled tanh, sigmoid, relu or none",
                f"a relu with slope {slope}, limit {largest}",
                "other activations are not supported",
            )
        return self.trace.curve(flow, "relu", layer.name)

    def softmax(self, layer: Layer, flow: Flow) -> Flow:
        return self.trace.softmax(flow, int(layer.config.get("axis", -1)), layer.name)

    def rescaling(self, layer: Layer, flow: Flow) -> Flow:
        return self.trace.affine(flow, layer.config.get("scale", 1.0), layer.config.get("offset", 0.0), layer.name)

    def normalization(self, layer: Layer, flow: Flow) -> Flow:
        stored = [array for _, array in self.arrays(layer)]
        mean, variance = (
            layer.config.get(k) if layer.config.get(k) is not None else stored[i]
            for i, k in enumerate(("mean", "variance"))
        )
        deviation = np.maximum(np.sqrt(np.asarray(variance, np.float64)), 1e-7)
        return self.trace.affine(flow, 1 / deviation, -np.asarray(mean, np.float64) / deviation, layer.name)

    def reshape(self, layer: Layer, flow: Flow) -> Flow:
        return self.trace.reshape(flow, (1, *layer.config["target_shape"]), layer.name)

    def permute(self, layer: Layer, flow: Flow) -> Flow:
        return flow.rearranged(flow.index.transpose(0, *(int(n) for n in layer.config["dims"])))

    def zero_padding(self, layer: Layer, flow: Flow) -> Flow:
        (top, bottom), (left, right) = (_pair(p) for p in _pair(layer.config.get("padding", 1)))
        spatial = [(top, bottom), (left, right)]
        last = layer.config.get("data_format", "channels_last") != "channels_first"
        return self.trace.pad(flow, [(0, 0), *spatial, (0, 0)] if last else [(0, 0), (0, 0), *spatial], 0.0, layer.name)

    def resizing(self, layer: Layer, flow: Flow) -> Flow:
        if flow.shape[1:3] != (layer.config.get("height"), layer.config.get("width")):
            refuse(
                layer.name,
                "images of the right size",
                "a layer that resizes them",
                "resize images before, and leave the layer out",
            )
        return flow


_LAYERS: dict[str, Callable[[_Walk, Layer, Flow], Flow]] = {
    "Conv2D": _Walk.conv,
    "Convolution2D": _Walk.conv,
    "AveragePooling2D": _Walk.pool,
    "MaxPooling2D": _Walk.pool,
    "AvgPool2D": _Walk.pool,
    "MaxPool2D": _Walk.pool,
    "GlobalAveragePooling2D": _Walk.global_pool,
    "GlobalMaxPooling2D": _Walk.global_pool,
    "Flatten": _Walk.flatten,
    "Dense": _Walk.dense,
    "BatchNormalization": _Walk.batch_normalization,
    "Activation": _Walk.activation,
    "ReLU": _Walk.relu,
    "LeakyReLU": _Walk.relu,
    "Softmax": _Walk.softmax,
    "Rescaling": _Walk.rescaling,
    "Normalization": _Walk.normalization,
    "Reshape": _Walk.reshape,
    "Permute": _Walk.permute,
    "ZeroPadding2D": _Walk.zero_padding,
    "Resizing": _Walk.resizing,
}


def _pair(value: Any) -> tuple[Any, Any]:
    if isinstance(value, (list, tuple)):
        if len(value) != 2:
            raise ValueError(f"two numbers wanted, {value} found")
        return value[0], value[1]
    return value, value


def _pads(
    layer: Layer, size: Sequence[int], window: Sequence[int], strides: Sequence[int]
) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of "same" padding; the odd one lies behind."""
    if layer.config.get("padding", "valid") != "same":
        return 0, 0, 0, 0
    return same_padding(size, window, strides)
