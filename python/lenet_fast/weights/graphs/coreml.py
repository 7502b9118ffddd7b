"""Core ML: a .mlmodel of the neural network type, whose layers and weights are in one protobuf.

Layers are connected by the names of what they read and make. Arrays lie (channel, row, column), in older files behind
two axes that no layer here uses, (sequence, batch), of which one is left out. An input that is declared an image brings
pixels from 0 to 255, of which the preprocessing says how they are scaled. ML Programs, which are code instead of
layers, and pipelines of several models are refused.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import refuse, whole
from ..arrays.dtypes import MOST_AXES
from ..description import CLASSES
from ..files import File
from ..graph.node import Constant, Entry, Graph, Image
from ..graph.walker import SIDES, check_count, follow
from ..source import Source
from .coreml_layers import TABLE
from .coreml_schema import Message, weights

_NETWORKS = ("neuralNetwork", "neuralNetworkClassifier", "neuralNetworkRegressor")
_FIRST_TYPE, _FIRST_LAYER = 200, 100  # numbers of the fields that say which
_ARE_EXACT = {0: False, 1: True}  # the axes of an array that is the input
_CHANNELS = {10: 1, 20: 3}  # of images in grey and in RGB
_BGR = 30
#: Layers that may read several values; any other reads one.
_JOINING = ("add", "multiply")
_ENDING = "Broadcastable"


def read(file: File) -> Source:
    """Read a .mlmodel."""
    with whole("a whole Core ML model", "fetch it again"):
        model = Message("Model", file.data)
        network = _network(model)
        graph = _Parser(model.description, network).graph()
        labels = _labels(network)
    return Source("Core ML", trace=follow(graph), metadata={CLASSES: json.dumps({"classes": labels})} if labels else {})


def _network(model: Message) -> Message:
    """The one of the three messages that is there; another type of model is refused."""
    kinds = model.present(_FIRST_TYPE)
    if len(kinds) == 1 and kinds[0] in _NETWORKS:
        network: Message = getattr(model, kinds[0])
        return network
    found, way_out = " and ".join(kinds) or "none", "this is no LeNet"
    if "mlProgram" in kinds:
        found = "an ML Program (mlProgram)"
        way_out = "convert the original with convert_to='neuralnetwork', or export it to ONNX"
    elif any(kind.startswith("pipeline") for kind in kinds):
        found, way_out = "a pipeline of several models", "save the neural network in it as a .mlmodel of its own"
    return refuse("", "a Core ML model of the neural network type", found, way_out)


def _labels(network: Message) -> list[str]:
    """The names of the classes; none where they are the numbers that labels are anyway."""
    texts, numbers = network.stringClassLabels, network.int64ClassLabels
    if texts is not None:
        return list(texts.vector)
    counted = [] if numbers is None else numbers.vector
    return [] if counted == list(range(len(counted))) else list(map(str, counted))


# --- parsing ---


class _Parser:
    """From a network's layers, which Core ML keeps in an order in which they can run, to a graph of entries."""

    def __init__(self, description: Message, network: Message) -> None:
        self.description, self.network = description, network
        self.layers: list[Message] = network.layers
        self.keys: dict[str, Hashable] = {}  # of what goes by each name now: a copy may take the name of another value
        self.entries: list[Entry] = []
        self.constants: dict[Hashable, Constant] = {}

    def graph(self) -> Graph:
        """The image, all layers, and what the model is for."""
        check_count(len(self.layers))
        image = self._image()
        for layer in self.layers:
            self._layer(layer)
        return Graph("Core ML", image, self.entries, TABLE, self.constants, self._outputs())

    def _image(self) -> Image:
        inputs = self.description.input
        if len(inputs) != 1:
            names = ", ".join(given.name for given in inputs[:4]) or "none"
            refuse("inputs", "one input, the image", names, "save a model that takes nothing else")
        given = inputs[0]
        if given.type.imageType is not None:
            return self._pixels(given.name, given.type.imageType)
        if given.type.multiArrayType is None:
            found = ", ".join(given.type.present()) or "no type"
            refuse(given.name, "an image or an array", found, "this is no LeNet")
        if self.network.preprocessing:
            found = "preprocessing of an array"
            refuse(given.name, "preprocessing of an image", found, "declare the input an image, or take it out")
        return self._array(given.name, given.type.multiArrayType.shape)

    def _pixels(self, name: str, declared: Message) -> Image:
        """An image of pixels from 0 to 255, and what is done to them first."""
        if declared.colorSpace not in _CHANNELS:
            found = "BGR" if declared.colorSpace == _BGR else f"colour space {declared.colorSpace}"
            refuse(name, "an image in grey or RGB", found, "convert the original with color_layout='RGB'")
        channels = _CHANNELS[declared.colorSpace]
        image = Image(("image",), name, [(1, channels, declared.height, declared.width)], is_uint8=True)
        self._add("preprocessing", name, (image.key,), [name], _scaling(name, channels, self.network.preprocessing))
        return image

    def _array(self, name: str, sizes: list[int]) -> Image:
        """An array as it is declared, or in older files as (batch, channel, row, column), whatever its axes."""
        is_exact = _ARE_EXACT[self.network.arrayInputShapeMapping]
        if not is_exact and len(sizes) not in (0, 1, 3):
            refuse(name, "an array of 1 or 3 axes", f"shape {tuple(sizes[: MOST_AXES + 1])}", "the file is damaged")
        if not sizes:
            shapes: list[tuple[int, ...]] = [(1, self._channels(), side, side) for side in SIDES]
        else:
            shapes = [tuple(sizes) if is_exact and len(sizes) > 3 else (1, *sizes)]
        image = Image(("image",), name, shapes)
        if is_exact and 0 < len(sizes) <= 3:
            self._add("as declared", name, (image.key,), [name])
        elif len(sizes) == 1:
            self._add("along channels", name, (image.key,), [name])
        else:
            self.keys[name] = image.key
        return image

    def _channels(self) -> int:
        kernels = (layer.convolution for layer in self.layers)
        return next((max(1, p.kernelChannels * max(1, p.nGroups)) for p in kernels if p is not None), 1)

    def _layer(self, layer: Message) -> None:
        kinds, inputs = layer.present(_FIRST_LAYER), layer.input
        if len(kinds) != 1 or not layer.output:
            refuse(layer.name, "a layer of one kind", " and ".join(kinds) or "none", "the file is damaged")
        kind = kinds[0]
        if kind in ("loadConstant", "loadConstantND"):
            self._constant(layer.name, layer.output[0], getattr(layer, kind), has_batch=kind == "loadConstantND")
            return
        if kind in TABLE and len(inputs) != 1 and kind not in _JOINING and not kind.endswith(_ENDING):
            found, way_out = f"{kind} of {len(inputs)} inputs", "residual and branching networks are not supported"
            refuse(layer.name, "layers in one row", found, way_out)
        settings = getattr(layer, kind, None)  # None for a kind that the schema does not know
        self._add(kind, layer.name, tuple(self.keys.get(name, name) for name in inputs), layer.output, settings)

    def _constant(self, where: str, name: str, p: Message, *, has_batch: bool) -> None:
        """An array that is there without an input."""
        self.keys[name] = key = ("constant", len(self.constants))
        self.constants[key] = weights(where, p.data, p.shape if has_batch else (1, *p.shape))

    def _add(
        self, kind: str, where: str, inputs: tuple[Hashable, ...], outputs: Sequence[str], settings: Any = None
    ) -> None:
        keys = [("output", len(self.entries), place) for place in range(len(outputs))]
        self.entries.append(Entry(kind, where, inputs, keys[0], settings, tuple(keys[1:])))
        self.keys.update(zip(outputs, keys, strict=True))

    def _outputs(self) -> list[Hashable]:
        """What the model is for: a classifier's probabilities, or all that is declared."""
        names = [feature.name for feature in self.description.output]
        if self.network.stringClassLabels is not None or self.network.int64ClassLabels is not None:
            last = self.layers[-1].output[0] if self.layers else ""
            names = [self.network.labelProbabilityLayerName or last]
        missing = [name for name in names if name not in self.keys]
        if missing or not names:
            found = repr(missing[0]) if missing else "none"
            refuse("outputs", "outputs that layers make", found, "the file is damaged")
        return [self.keys[name] for name in names]


def _scaling(name: str, channels: int, given: list[Message]) -> tuple[float, NDArray[np.float64]]:
    """A factor, and what is added to each channel."""
    if not given:
        return 1.0, np.zeros((channels, 1, 1))
    scaler = given[0].scaler
    if len(given) > 1 or given[0].featureName not in ("", name):
        found = "several" if len(given) > 1 else f"preprocessing of {given[0].featureName!r}"
        refuse(name, "one preprocessing of the image", found, "the file contradicts itself")
    if scaler is None:
        way_out = "take it out and subtract the mean from the images yourself"
        refuse(name, "one factor, and one value for each channel", "a mean image", way_out)
    if not scaler.channelScale:
        refuse(name, "a factor for the pixels", "0", "write channelScale, 1 perhaps")
    biases = [scaler.grayBias] if channels == 1 else [scaler.redBias, scaler.greenBias, scaler.blueBias]
    return scaler.channelScale, np.array(biases, np.float64).reshape(-1, 1, 1)
