"""Hostile TFLite models: vectors, buffers and operators that a flatbuffer refers to as often as it likes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .case import Case

TFLITE = ("tflite", "flatbuffers")
_FLOAT, _INT8 = 0, 9
_MEBIBYTE = 1 << 20


@dataclass
class _Builder:
    """A model in the making: offsets of what is written already."""

    def __post_init__(self) -> None:
        import flatbuffers
        import tflite

        self.t, self.b = tflite, flatbuffers.Builder(1 << 16)

    def offsets(self, start: Callable[[Any, int], Any], items: Sequence[int]) -> int:
        start(self.b, len(items))
        for item in reversed(items):
            self.b.PrependUOffsetTRelative(item)
        return int(self.b.EndVector())

    def numbers(self, items: Sequence[int] | np.ndarray[Any, Any]) -> int:
        return int(self.b.CreateNumpyVector(np.asarray(items, np.int32)))

    def name(self, text: bytes) -> int:
        return int(self.b.CreateByteVector(text)) if b"\xff" in text else int(self.b.CreateString(text.decode()))

    def tensor(self, shape: int, buffer: int, name: int, kind: int = _FLOAT, quantised: int = 0) -> int:
        t = self.t
        t.TensorStart(self.b)
        t.TensorAddShape(self.b, shape)
        t.TensorAddType(self.b, kind)
        t.TensorAddBuffer(self.b, buffer)
        t.TensorAddName(self.b, name)
        if quantised:
            t.TensorAddQuantization(self.b, quantised)
        return int(t.TensorEnd(self.b))

    def quantised(self, scales: int, axis: int = 0) -> int:
        t, vector = self.t, self.b.CreateNumpyVector(np.ones(scales, np.float32))
        t.QuantizationParametersStart(self.b)
        t.QuantizationParametersAddScale(self.b, vector)
        t.QuantizationParametersAddQuantizedDimension(self.b, axis)
        return int(t.QuantizationParametersEnd(self.b))

    def buffer(self, data: bytes) -> int:
        t, vector = self.t, self.b.CreateNumpyVector(np.frombuffer(data, np.uint8))
        t.BufferStart(self.b)
        t.BufferAddData(self.b, vector)
        return int(t.BufferEnd(self.b))

    def operator(self, inputs: int, outputs: int, code: int = 0) -> int:
        t = self.t
        t.OperatorStart(self.b)
        t.OperatorAddOpcodeIndex(self.b, code)
        t.OperatorAddInputs(self.b, inputs)
        t.OperatorAddOutputs(self.b, outputs)
        return int(t.OperatorEnd(self.b))

    def fused(self, inputs: int, outputs: int, code: int) -> int:
        """An operator with the options of a full connection."""
        t = self.t
        t.FullyConnectedOptionsStart(self.b)
        options = t.FullyConnectedOptionsEnd(self.b)
        t.OperatorStart(self.b)
        t.OperatorAddOpcodeIndex(self.b, code)
        t.OperatorAddInputs(self.b, inputs)
        t.OperatorAddOutputs(self.b, outputs)
        t.OperatorAddBuiltinOptionsType(self.b, t.BuiltinOptions.FullyConnectedOptions)
        t.OperatorAddBuiltinOptions(self.b, options)
        return int(t.OperatorEnd(self.b))

    def model(
        self,
        tensors: Sequence[int],
        operators: Sequence[int],
        buffers: Sequence[int],
        kinds: Sequence[int],
        output: int,
    ) -> bytes:
        """The whole file: tensor 0 is the image."""
        t, b = self.t, self.b
        codes = []
        for kind in kinds:
            t.OperatorCodeStart(b)
            t.OperatorCodeAddDeprecatedBuiltinCode(b, kind)
            t.OperatorCodeAddBuiltinCode(b, kind)
            codes.append(t.OperatorCodeEnd(b))
        rows = self.offsets(t.SubGraphStartTensorsVector, tensors)
        inputs, outputs = self.numbers([0]), self.numbers([output])
        steps = self.offsets(t.SubGraphStartOperatorsVector, operators)
        t.SubGraphStart(b)
        t.SubGraphAddTensors(b, rows)
        t.SubGraphAddInputs(b, inputs)
        t.SubGraphAddOutputs(b, outputs)
        t.SubGraphAddOperators(b, steps)
        subgraphs = self.offsets(t.ModelStartSubgraphsVector, [t.SubGraphEnd(b)])
        codes_at = self.offsets(t.ModelStartOperatorCodesVector, codes)
        buffers_at = self.offsets(t.ModelStartBuffersVector, buffers)
        t.ModelStart(b)
        t.ModelAddVersion(b, 3)
        t.ModelAddOperatorCodes(b, codes_at)
        t.ModelAddSubgraphs(b, subgraphs)
        t.ModelAddBuffers(b, buffers_at)
        b.Finish(t.ModelEnd(b), b"TFL3")
        return bytes(b.Output())


def _image(made: _Builder, side: int = 5) -> int:
    return made.tensor(made.numbers([1, side, side, 1]), 0, made.name(b"image"))


def _shared_inputs(path: Path) -> bytes:
    """4,095 operators, each of the same 4,096 inputs."""
    made = _Builder()
    shape, name = made.numbers([1]), made.name(b"a")
    tensors = [_image(made), *[made.tensor(shape, 1, name)] * 4000]
    inputs = made.numbers([1] * 4096)
    operators = [made.operator(inputs, made.numbers([n])) for n in range(2, 2000)]
    pack = made.t.BuiltinOperator.PACK
    last = made.operator(made.numbers(range(2, 2000)), made.numbers([3999]))
    buffers = [made.buffer(b""), made.buffer(bytes(4))]
    return made.model(tensors, [*operators, last], buffers, [pack], 3999)


def _shared_buffer(path: Path) -> bytes:
    """4,000 tensors of the same 100 kilobytes in eight bits, joined."""
    made = _Builder()
    shape, name = made.numbers([100_000]), made.name(b"a")
    weight = made.tensor(shape, 1, name, _INT8, made.quantised(1))
    tensors = [_image(made), *[weight] * 4000]
    joined = made.operator(made.numbers(range(1, 4000)), made.numbers([4000]))
    buffers = [made.buffer(b""), made.buffer(bytes(100_000))]
    return made.model(tensors, [joined], buffers, [made.t.BuiltinOperator.CONCATENATION], 4000)


def _per_channel(path: Path) -> bytes:
    """12,000 values in a column, with 12,000 scales along the other axis."""
    made = _Builder()
    weight = made.tensor(made.numbers([12_000, 1]), 1, made.name(b"a"), _INT8, made.quantised(12_000, 1))
    tensors = [_image(made), weight, made.tensor(made.numbers([1]), 0, made.name(b"y"))]
    added = made.operator(made.numbers([0, 1]), made.numbers([2]))
    buffers = [made.buffer(b""), made.buffer(bytes(12_000))]
    return made.model(tensors, [added], buffers, [made.t.BuiltinOperator.TRANSPOSE], 2)


def _one_weight(path: Path) -> bytes:
    """2,000 full connections of the same 500 x 500 weights in eight bits."""
    made = _Builder()
    codes = made.t.BuiltinOperator
    first = made.tensor(made.numbers([500, 5, 5, 1]), 2, made.name(b"k"), _INT8, made.quantised(1))
    weight = made.tensor(made.numbers([500, 500]), 1, made.name(b"w"), _INT8, made.quantised(1))
    empty = made.tensor(made.numbers([1, 500]), 0, made.name(b"a"))
    steps = 2000
    made.t.Conv2DOptionsStart(made.b)
    made.t.Conv2DOptionsAddPadding(made.b, 1)
    made.t.Conv2DOptionsAddStrideH(made.b, 1)
    made.t.Conv2DOptionsAddStrideW(made.b, 1)
    made.t.Conv2DOptionsAddDilationHFactor(made.b, 1)
    made.t.Conv2DOptionsAddDilationWFactor(made.b, 1)
    options = made.t.Conv2DOptionsEnd(made.b)
    inputs, outputs = made.numbers([0, 1]), made.numbers([3])
    made.t.OperatorStart(made.b)
    made.t.OperatorAddOpcodeIndex(made.b, 1)
    made.t.OperatorAddInputs(made.b, inputs)
    made.t.OperatorAddOutputs(made.b, outputs)
    made.t.OperatorAddBuiltinOptionsType(made.b, made.t.BuiltinOptions.Conv2DOptions)
    made.t.OperatorAddBuiltinOptions(made.b, options)
    conv = int(made.t.OperatorEnd(made.b))
    dense = [made.fused(made.numbers([n, 2]), made.numbers([n + 1]), 0) for n in range(3, 3 + steps)]
    tensors = [_image(made), first, weight, *[empty] * (steps + 1)]
    buffers = [made.buffer(b""), made.buffer(bytes(250_000)), made.buffer(bytes(12_500))]
    return made.model(tensors, [conv, *dense], buffers, [codes.FULLY_CONNECTED, codes.CONV_2D], 3 + steps)


def _long_names(name: bytes) -> Callable[[Path], bytes]:
    """4,000 operators whose outputs share one long name."""

    def write(path: Path) -> bytes:
        made = _Builder()
        named = made.tensor(made.numbers([1]), 0, made.name(name))
        inputs, outputs = made.numbers([0]), made.numbers([1])
        operators = [made.operator(inputs, outputs)] * 4000
        return made.model([_image(made), named], operators, [made.buffer(b"")], [made.t.BuiltinOperator.TANH], 1)

    return write


def _custom(code: bytes) -> Callable[[Path], bytes]:
    """A custom operator of this name."""

    def write(path: Path) -> bytes:
        made = _Builder()
        tensors = [_image(made), made.tensor(made.numbers([1]), 0, made.name(b"y"))]
        operators = [made.operator(made.numbers([0]), made.numbers([1]))]
        data = made.model(tensors, operators, [made.buffer(b"")], [made.t.BuiltinOperator.CUSTOM], 1)
        return data

    return write


def _damaged(offset: int) -> Callable[[Path], bytes]:
    """An offset at the root that leads outside, or into the middle."""
    return lambda path: offset.to_bytes(4, "little", signed=offset < 0) + b"TFL3" + bytes(range(256)) * 4


def _large_image(path: Path) -> bytes:
    """An image whose sides are numbers of 32 bits."""
    made = _Builder()
    image = made.tensor(made.numbers([1, 2**31 - 1, 2**31 - 1, 1]), 0, made.name(b"image"))
    operators = [made.operator(made.numbers([0]), made.numbers([0]))]
    return made.model([image], operators, [made.buffer(b"")], [made.t.BuiltinOperator.TANH], 0)


CASES = {
    "tflite_shared_inputs": Case("m.tflite", _shared_inputs, "time", "visits", needs=TFLITE),
    "tflite_shared_buffer": Case("m.tflite", _shared_buffer, "memory", "values", needs=TFLITE),
    "tflite_per_channel": Case("m.tflite", _per_channel, "memory", needs=TFLITE),
    "tflite_one_weight": Case("m.tflite", _one_weight, "memory", "parameters", needs=TFLITE),
    "tflite_long_names": Case("m.tflite", _long_names(b"a" * (_MEBIBYTE // 2)), "time", "visits", needs=TFLITE),
    "tflite_names_of_no_text": Case(
        "m.tflite", _long_names(b"\xff" * (_MEBIBYTE // 2)), "time", "visits", needs=TFLITE
    ),
    "tflite_custom": Case("m.tflite", _custom(b""), "exception", ends="refused", needs=TFLITE),
    "tflite_root_outside": Case("m.tflite", _damaged(1 << 30), "exception", ends="refused", needs=TFLITE),
    "tflite_root_inside": Case("m.tflite", _damaged(37), "exception", ends="refused", needs=TFLITE),
    "tflite_large_image": Case("m.tflite", _large_image, "memory", "values", needs=TFLITE),
}
