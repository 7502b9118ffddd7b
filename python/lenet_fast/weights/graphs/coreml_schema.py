"""The messages of Core ML's Model.proto and NeuralNetwork.proto, as far as their fields matter here.

They are read where they lie: making a `Message` notes where its fields are, and what is inside one is looked at when
somebody asks for it. So a file takes no more memory than its bytes and a note for each field on the way to what is
asked for, and weights are views of the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import refuse
from ..arrays.dtypes import MOST_AXES
from ..arrays.protobuf import FIXED32, LENGTH, VARINT, Field, fields, varint
from ..graph.node import Constant

_VISITS = 4  # for each field or number, whose note takes some 200 bytes
_FIRST_WAY = 101  # number of the fields that say what quantised weights stand for

#: Messages and their fields: number, name, "*" if repeated, type.
_SCHEMA = {
    "Model": "1 specificationVersion int, 2 description ModelDescription, 200 pipelineClassifier bytes, "
    "201 pipelineRegressor bytes, 202 pipeline bytes, 303 neuralNetworkRegressor NeuralNetwork, "
    "302 treeEnsembleRegressor bytes, 402 treeEnsembleClassifier bytes, 403 neuralNetworkClassifier NeuralNetwork, "
    "404 kNearestNeighborsClassifier bytes, 500 neuralNetwork NeuralNetwork, 502 mlProgram bytes, "
    "555 customModel bytes",
    "ModelDescription": "1 input * FeatureDescription, 10 output * FeatureDescription",
    "FeatureDescription": "1 name string, 3 type FeatureType",
    "FeatureType": "1 int64Type bytes, 2 doubleType bytes, 3 stringType bytes, 4 imageType ImageFeatureType, "
    "5 multiArrayType ArrayFeatureType, 6 dictionaryType bytes, 7 sequenceType bytes, 1000 isOptional bool",
    "ImageFeatureType": "1 width int, 2 height int, 3 colorSpace int",
    "ArrayFeatureType": "1 shape * int",
    "NeuralNetwork": "1 layers * NeuralNetworkLayer, 2 preprocessing * NeuralNetworkPreprocessing, "
    "5 arrayInputShapeMapping int, 100 stringClassLabels StringVector, 101 int64ClassLabels Int64Vector, "
    "200 labelProbabilityLayerName string",
    "StringVector": "1 vector * string",
    "Int64Vector": "1 vector * int",
    "NeuralNetworkPreprocessing": "1 featureName string, 10 scaler NeuralNetworkImageScaler, 11 meanImage bytes",
    "NeuralNetworkImageScaler": "10 channelScale float, 20 blueBias float, 21 greenBias float, 22 redBias float, "
    "30 grayBias float",
    "NeuralNetworkLayer": "1 name string, 2 input * string, 3 output * string, "
    "100 convolution ConvolutionLayerParams, 120 pooling PoolingLayerParams, 130 activation ActivationParams, "
    "140 innerProduct InnerProductLayerParams, 150 embedding bytes, 160 batchnorm BatchnormLayerParams, "
    "165 mvn bytes, 170 l2normalize bytes, 175 softmax bytes, 180 lrn bytes, 190 crop bytes, "
    "200 padding PaddingLayerParams, 210 upsample bytes, 211 resizeBilinear bytes, 212 cropResize bytes, "
    "220 unary UnaryFunctionLayerParams, 230 add Alpha, 231 multiply Alpha, 240 average bytes, "
    "245 scale ScaleLayerParams, 250 bias BiasLayerParams, 260 max bytes, 261 min bytes, 270 dot bytes, "
    "280 reduce bytes, 290 loadConstant LoadConstantLayerParams, 300 reshape ReshapeLayerParams, "
    "301 flatten FlattenLayerParams, 310 permute PermuteLayerParams, 320 concat bytes, 330 split bytes, "
    "340 sequenceRepeat bytes, 345 reorganizeData bytes, 350 slice bytes, 400 simpleRecurrent bytes, 410 gru bytes, "
    "420 uniDirectionalLSTM bytes, 430 biDirectionalLSTM bytes, 500 custom bytes, 600 copy bytes, 605 branch bytes, "
    "615 loop bytes, 660 clip ClipLayerParams, 760 tanh bytes, 790 erf bytes, 795 gelu bytes, "
    "870 minBroadcastable bytes, 875 maxBroadcastable bytes, 880 addBroadcastable bytes, 885 powBroadcastable bytes, "
    "890 divideBroadcastable bytes, 900 multiplyBroadcastable bytes, 905 subtractBroadcastable bytes, 920 tile bytes, "
    "925 stack bytes, 930 gather bytes, 950 softmaxND Axis, 975 splitND bytes, 980 concatND bytes, "
    "985 transpose Axes, 995 sliceStatic bytes, 1020 argMin bytes, 1025 argMax bytes, "
    "1045 batchedMatmul BatchedMatMulLayerParams, 1070 loadConstantND LoadConstantLayerParams, "
    "1120 squeeze SqueezeLayerParams, 1125 expandDims Axes, 1130 flattenTo2D Axis, "
    "1140 reshapeStatic ReshapeLayerParams, 1145 reshapeDynamic bytes, 1150 rankPreservingReshape ReshapeLayerParams, "
    "1155 constantPad ConstantPaddingLayerParams, 1270 reduceSum Reduce, 1280 reduceMean Reduce, "
    "1290 reduceSumSquare Reduce, 1350 layerNormalization bytes, 1460 clampedReLU bytes, 1465 pooling3d bytes, "
    "1471 convolution3d bytes",
    "Alpha": "1 alpha float",
    "Axis": "1 axis int",
    "Axes": "1 axes * int",
    "Reduce": "1 axes * int, 2 keepDims bool, 3 reduceAll bool",
    "AlphaBeta": "1 alpha float, 2 beta float",
    "PReLU": "1 alpha WeightParams",
    "ActivationParams": "5 linear AlphaBeta, 10 ReLU bytes, 15 leakyReLU Alpha, 20 thresholdedReLU Alpha, "
    "25 PReLU PReLU, 30 tanh bytes, 31 scaledTanh AlphaBeta, 40 sigmoid bytes, 41 sigmoidHard bytes, 50 ELU bytes, "
    "60 softsign bytes, 70 softplus bytes, 71 parametricSoftplus bytes",
    "BorderAmounts": "10 borderAmounts * EdgeSizes",
    "EdgeSizes": "1 startEdgeSize int, 2 endEdgeSize int",
    "ValidPadding": "1 paddingAmounts BorderAmounts",
    "SamePadding": "1 asymmetryMode int",
    "WeightParams": "1 floatValue * float, 2 float16Value bytes, 30 rawValue bytes, 31 int8RawValue bytes, "
    "40 quantization QuantizationParams",
    "QuantizationParams": "1 numberOfBits int, 101 linearQuantization LinearQuantizationParams, "
    "102 lookupTableQuantization LookUpTableQuantizationParams",
    "LinearQuantizationParams": "1 scale * float, 2 bias * float",
    "LookUpTableQuantizationParams": "1 floatValue * float",
    "ConvolutionLayerParams": "1 outputChannels int, 2 kernelChannels int, 10 nGroups int, 20 kernelSize * int, "
    "30 stride * int, 40 dilationFactor * int, 50 valid ValidPadding, 51 same SamePadding, 60 isDeconvolution bool, "
    "70 hasBias bool, 90 weights WeightParams, 91 bias WeightParams",
    "InnerProductLayerParams": "1 inputChannels int, 2 outputChannels int, 10 hasBias bool, 20 weights WeightParams, "
    "21 bias WeightParams, 22 int8DynamicQuantize bool",
    "BatchedMatMulLayerParams": "1 transposeA bool, 2 transposeB bool, 5 weightMatrixFirstDimension int, "
    "6 weightMatrixSecondDimension int, 7 hasBias bool, 8 weights WeightParams, 9 bias WeightParams, "
    "10 int8DynamicQuantize bool",
    "BatchnormLayerParams": "1 channels int, 5 computeMeanVar bool, 10 epsilon float, 15 gamma WeightParams, "
    "16 beta WeightParams, 17 mean WeightParams, 18 variance WeightParams",
    "PoolingLayerParams": "1 type int, 10 kernelSize * int, 20 stride * int, 30 valid ValidPadding, "
    "31 same SamePadding, 32 includeLastPixel ValidCompletePadding, 60 globalPooling bool",
    "ValidCompletePadding": "10 paddingAmounts * int",
    "PaddingLayerParams": "1 constant PaddingConstant, 2 reflection bytes, 3 replication bytes, "
    "10 paddingAmounts BorderAmounts",
    "PaddingConstant": "1 value float",
    "UnaryFunctionLayerParams": "1 type int, 2 alpha float, 4 shift float, 5 scale float",
    "BiasLayerParams": "1 shape * int, 2 bias WeightParams",
    "ScaleLayerParams": "1 shapeScale * int, 2 scale WeightParams, 3 hasBias bool, 4 shapeBias * int, "
    "5 bias WeightParams",
    "LoadConstantLayerParams": "1 shape * int, 2 data WeightParams",
    "FlattenLayerParams": "1 mode int",
    "ReshapeLayerParams": "1 targetShape * int, 2 mode int",
    "PermuteLayerParams": "1 axis * int",
    "ClipLayerParams": "1 minVal float, 2 maxVal float",
    "SqueezeLayerParams": "1 axes * int, 2 squeezeAll bool",
    "ConstantPaddingLayerParams": "1 value float, 2 padAmounts * int, 3 padToGivenOutputSizeMode bool",
}


@cache
def _fields_of(kind: str) -> dict[str, tuple[int, bool, str]]:
    """The fields of a message: number, whether it is repeated, and type, by name."""
    rows = (text.split() for text in _SCHEMA[kind].split(", "))
    return {name: (int(number), bool(rest), typed) for number, name, *rest, typed in rows}


class Message:
    """A message, whose fields go by their names: `layer.convolution.kernelSize`.

    What is not there is 0, 0.0, False, "" or nothing, as protobuf has it, and None for a message. Damage: ValueError.
    """

    def __init__(self, kind: str, data: bytes, begin: int = 0, end: int | None = None) -> None:
        self._kind = kind
        self._found: dict[int, list[Field]] = {}
        for field in fields(data, begin, end):
            charge("visits", _VISITS)
            self._found.setdefault(field.number, []).append(field)

    def present(self, first: int = 1) -> list[str]:
        """The names of the fields that are there, from a number on; a number where the schema has no name."""
        names = {number: name for name, (number, *_) in _fields_of(self._kind).items()}
        return [names.get(number, f"kind {number}") for number in sorted(self._found) if number >= first]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in _fields_of(self._kind):
            raise AttributeError(f"{self._kind} has no field {name}")
        number, is_repeated, kind = _fields_of(self._kind)[name]
        found = self._found.get(number, [])
        if is_repeated:
            return _repeated(kind, found)
        if len(found) > 1:
            raise ValueError(f"{len(found)} times {name}, which is there once")
        return _value(kind, found[0]) if found else _NOTHING.get(kind)


_NOTHING = {"int": 0, "bool": False, "float": 0.0, "string": "", "bytes": b""}


def _value(kind: str, field: Field) -> Any:
    """What is in one field."""
    if field.wire != {"int": VARINT, "bool": VARINT, "float": FIXED32}.get(kind, LENGTH):
        raise ValueError(f"a field of wire type {field.wire} where {kind} belongs")
    match kind:
        case "int" | "bool":
            return bool(field.signed()) if kind == "bool" else field.signed()
        case "float":
            return float(_floats(field)[0])
        case "string":
            return field.content().decode()
        case "bytes":
            return memoryview(field.data)[field.begin : field.end]
    return Message(kind, field.data, field.begin, field.end)


def _repeated(kind: str, found: list[Field]) -> Any:
    """What is in all fields of a number: a list, or an array of numbers; those may be packed, many in one field."""
    if kind == "float":
        arrays = [_floats(field) for field in found] or [np.empty(0, np.float32)]
        if len(arrays) > 1:
            charge("values", sum(array.size for array in arrays))
        return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]
    if kind != "int":
        return [_value(kind, field) for field in found]
    return [number for field in found for number in _integers(field)]


def _floats(field: Field) -> NDArray[np.float32]:
    """A view of one number, or of many."""
    if field.wire not in (FIXED32, LENGTH):
        raise ValueError(f"a field of wire type {field.wire} where float belongs")
    return np.frombuffer(memoryview(field.data)[field.begin : field.end], "<f4")


def _integers(field: Field) -> list[int]:
    """One number, or many."""
    if field.wire != LENGTH:
        return [field.signed()]
    numbers, at = [], field.begin
    while at < field.end:
        charge("visits", _VISITS)
        value, at = varint(field.data, at)
        numbers.append(value - (1 << 64) if value >> 63 else value)
    if at > field.end:
        raise ValueError("half a number")
    return numbers


# --- weights ---


def weights(where: str, given: Message | None, shape: Sequence[int]) -> Constant:
    """An array of the file, taken out when somebody needs it."""
    return Constant(where, lambda: _values(where, given, tuple(shape)))


def _values(where: str, given: Message | None, shape: tuple[int, ...]) -> NDArray[Any]:
    """Values of 32 or 16 bits, or of 8 with what they stand for, once there are as many as the shape wants."""
    forms = [] if given is None else [name for name in given.present() if name.endswith("Value")]
    if given is None or len(forms) != 1 or forms == ["int8RawValue"]:
        found = " and ".join(forms) or "none"
        refuse(where, "weights of 32, 16 or 8 bits", found, "convert the model without quantising it")
    form = forms[0]
    if form == "rawValue":
        _check_codes(where, given.quantization)
    stored = getattr(given, form)
    flat = stored if form == "floatValue" else np.frombuffer(stored, "<f2" if form == "float16Value" else "u1")
    if len(shape) > MOST_AXES or min(shape, default=0) < 0 or prod(shape) != flat.size:
        found = f"{flat.size:,} values"
        refuse(where, f"weights of shape {tuple(shape[: MOST_AXES + 1])}", found, "the file contradicts itself")
    array = flat.reshape(shape)
    return _meant(where, array, given.quantization) if form == "rawValue" else array


def _check_codes(where: str, how: Message | None) -> None:
    """Weights that stand for others must be a byte each, and it must be said in one way what they stand for."""
    ways = [] if how is None else how.present(_FIRST_WAY)
    if how is None or how.numberOfBits != 8 or len(ways) != 1:
        found = "none" if how is None else f"{how.numberOfBits} bits, {' and '.join(ways) or 'which stand for nothing'}"
        refuse(where, "quantised weights of 8 bits", found, "convert the model without quantising it")


def _meant(where: str, codes: NDArray[np.uint8], how: Message) -> NDArray[Any]:
    """What bytes stand for: a factor and a shift for each output, or for all, or a table of 256 values."""
    charge("values", codes.size)
    if how.lookupTableQuantization is not None:
        return np.asarray(how.lookupTableQuantization.floatValue[codes])
    linear = how.linearQuantization
    scale, shift = (array.reshape(-1, *[1] * (codes.ndim - 1)) for array in (linear.scale, linear.bias))
    if np.broadcast_shapes(codes.shape, scale.shape, shift.shape) != codes.shape:
        raise ValueError(f"{where}: {scale.size} factors for weights of shape {codes.shape}")
    return np.asarray(codes * scale + shift, np.float32)
