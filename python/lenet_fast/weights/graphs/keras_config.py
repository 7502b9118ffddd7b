"""A Keras model's config, which is its graph: layers in the order of computation, each with its settings.

Keras 1, 2 and 3 write it in different words; Sequential and Functional models, and models inside of models, become one
row of layers here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...budget import charge
from ...errors import refuse
from .. import json_text

Config = Mapping[str, Any]

_BRANCHES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot")
CONTAINERS = ("Sequential", "Functional", "Model")
_NO_BRANCHES = "residual and branching graphs are not supported"
#: What Keras 1 called its settings.
_OLD_NAMES = {"border_mode": "padding", "subsample": "strides", "bias": "use_bias", "atrous_rate": "dilation_rate"}


@dataclass(frozen=True)
class Layer:
    """A layer of the config: its class, its name and its settings."""

    kind: str
    name: str
    config: Config


def parsed(text: bytes) -> Config:
    """The config as data."""
    return json_text.parsed(text, "a model's config in JSON")


def layers_of(config: Config) -> list[Layer]:
    """The layers in the order of computation, containers opened."""
    kind = str(config.get("class_name"))
    inner = config.get("config")
    entries = inner if isinstance(inner, list) else inner.get("layers") if isinstance(inner, dict) else None
    if kind not in CONTAINERS or not isinstance(entries, list):
        wanted = "a Sequential or Functional model, whose layers are stored"
        found = "a subclassed one, whose code is not in the file"
        refuse(kind, wanted, found, "export it to ONNX, or load its weights with network=")
    if kind != "Sequential":
        entries = _in_order(entries)
    layers: list[Layer] = []
    for entry in entries:
        charge("visits", 20)
        if entry.get("class_name") in CONTAINERS:
            layers += layers_of(entry)
        else:
            settings = dict(entry.get("config", {}))
            layers.append(_modern(str(entry.get("class_name")), str(settings.get("name", entry.get("name"))), settings))
    if isinstance(inner, dict) and inner.get("build_input_shape") and layers:
        shape = {"build_input_shape": inner["build_input_shape"]}
        layers[0] = Layer(layers[0].kind, layers[0].name, {**shape, **layers[0].config})
    return layers


def input_shape(layers: list[Layer]) -> list[Any]:
    """The image's shape with the batch axis first; None for what is open."""
    for layer in layers[:2]:
        for key in ("batch_shape", "batch_input_shape", "build_input_shape"):
            if isinstance(layer.config.get(key), list) and len(layer.config[key]) > 1:
                return list(layer.config[key])
    way_out = "give the model an Input layer, or call it once before saving"
    return refuse("input", "an image of known size", "no input shape", way_out)


def _modern(kind: str, name: str, settings: dict[str, Any]) -> Layer:
    """A layer in the words of Keras 2 and 3."""
    if settings.get("dim_ordering", "tf") != "tf":
        found = "Theano's (dim_ordering 'th'), whose kernels lie mirrored"
        way_out = "load it in Keras with the TensorFlow backend and save it again"
        refuse(name, "kernels in TensorFlow's order", found, way_out)
    if kind.startswith("Quantize") or "quantiz" in json.dumps(settings.get("quantization_config") or "").lower():
        way_out = "strip it, or export to TFLite"
        refuse(name, "plain layers", f"a quantisation-aware wrapper, {kind}", way_out)
    return Layer(kind, name, {_OLD_NAMES.get(key, key): value for key, value in settings.items()})


def _in_order(entries: list[Config]) -> list[Config]:
    """Functional layers along their one row; refused where a layer has two inputs, or two layers have the same one."""
    sources: dict[str, str] = {}
    read: set[str] = set()
    for entry in entries:
        charge("visits", 20)
        name = str(entry.get("name") or entry["config"]["name"])
        inbound = _inbound(entry)
        if str(entry.get("class_name")) in _BRANCHES or len(inbound) > 1:
            refuse(name, "layers in one row", f"{entry.get('class_name')} of {len(inbound)} inputs", _NO_BRANCHES)
        for source in inbound:
            if source in read:
                refuse(name, "layers in one row", f"a branch at {source!r}", _NO_BRANCHES)
            read.add(source)
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
            if len(value) >= 3 and [type(item) for item in value[:3]] == [str, int, int]:
                names.append(value[0])
            else:
                for item in value:
                    look(item)

    nodes = entry.get("inbound_nodes") or []
    if len(nodes) > 1:
        found = f"a layer used {len(nodes)} times"
        refuse(str(entry.get("name")), "every layer once", found, "shared layers are not supported")
    look(nodes)
    return names
