"""How each format's files begin, or what else tells them: looked at before any reader is loaded."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice

from .arrays import protobuf

ZIP = b"PK\x03\x04"
HDF5 = b"\x89HDF\r\n\x1a\n"
NUMPY = b"\x93NUMPY"
MXNET = (0x112).to_bytes(8, "little") + bytes(8)
TENSORFLOW = 0xDB4775248B80FB57.to_bytes(8, "little")  # ends the index of a checkpoint
TORCH = 0x1950A86A20F9469CFC6C.to_bytes(10, "little")  # in the first of the pickles of the older layout
_MATLAB = (b"\0\1IM", b"\1\0MI")
_LARGEST_TEXT = 1 << 17  # bytes in which a file says what it is
_LARGEST_CODE = 1 << 20  # with headers of the system before it

_OPENVINO = re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*\?>)?\s*<net\s[^>]*\bversion=")
_NCNN = re.compile(rb"\s*7767517\s")
_CAFFE_TEXT = re.compile(
    rb"\s*(#[^\n]*\n\s*)*(name|layers?|input|input_dim|input_shape|force_backward|state|debug_info)\s*[:{]"
)
_CAFFE_LAYER = re.compile(rb"\blayers?\s*(:\s*)?\{")
#: A map that begins with a name, and the beginning of an array: extension, three parts, a shape.
_FLAX_MAP = re.compile(rb"(?:[\x81-\x8f]|\xde..)(?:[\xa0-\xbf]|\xd9.)", re.DOTALL)
_FLAX_ARRAY = re.compile(rb"(?:[\xd4-\xd8]|\xc7.|\xc8..|\xc9....)[\x01\x03]\x93[\x90-\x98]", re.DOTALL)
_PICKLE = re.compile(rb"\x80[\x02-\x05]|[}\]]q.|\([dl]p?\d*\n|c(numpy|collections|copy_reg)[\w.]*\n", re.DOTALL)
_TYPE_NAME = re.compile(rb"[A-Za-z]\w{1,15}")
_MOST_PARTS = 16  # of a message at its beginning
_ONLY_NUMBERS = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:#[^\n]*\n\s*)*[+-]?\.?\d[\d\s,;.eE+-]*")
_ONLY_WORDS = re.compile(rb"\s*(?:(?:0[xX])?[0-9a-fA-F]{1,4}[\s,;]+){2,}(?:0[xX])?[0-9a-fA-F]{0,4}")
#: An array with its values: a type, a name, sizes, perhaps a word or two (PROGMEM), a brace, and a number.
_C_ARRAY = re.compile(
    rb"\b[A-Za-z_]\w{0,63}\s{1,9}[A-Za-z_]\w{0,199}\s{0,9}"
    rb"(?:\[[^][{};=]{0,200}\]\s{0,9}){1,8}[^][{};=]{0,200}=\s{0,999}\{[\s{]{0,999}[+-]?\.?\d"
)
#: An array whose values are in another file.
_C_ARRAY_ELSEWHERE = re.compile(rb"\bextern\s{1,9}(?:const\s{1,9})?(?:float|double)\s{1,9}\w{1,200}\s{0,9}\[")
#: A count, then a line of a name, perhaps a type, a count, and values in hexadecimal.
_TENSORRT = re.compile(
    rb"\s{0,99}\d{1,6}\s{1,99}(?=\S{0,255}[A-DF-Za-df-z_])\S{1,256}[ \t]{1,9}(?:[01][ \t]{1,9})?\d{1,9}[ \t]{1,9}"
    rb"[0-9a-fA-F]{1,8}\s"
)


def starts_with(beginning: bytes) -> Callable[[bytes], bool]:
    """Whether a file begins with these bytes."""
    return lambda data: data.startswith(beginning)


def is_tflite(data: bytes) -> bool:
    """The identifier lies behind the first offset."""
    return data[4:8] == b"TFL3"


def is_matlab(data: bytes) -> bool:
    """A .mat file of version 5 or later."""
    return data[124:128] in _MATLAB or data.startswith(b"MATLAB ")


def is_tensorflow(data: bytes) -> bool:
    """The index of a checkpoint: the footer ends with a magic number."""
    return data.endswith(TENSORFLOW)


def is_old_torch(data: bytes) -> bool:
    """The older layout, which begins with a pickle of a magic number."""
    return TORCH in data[:32]


def is_openvino(data: bytes) -> bool:
    """The .xml of a network."""
    return _OPENVINO.match(data[:4096]) is not None


def is_ncnn(data: bytes) -> bool:
    """A .param, whose first line is a number."""
    return _NCNN.match(data[:64]) is not None


def is_safetensors(data: bytes) -> bool:
    """A length, then a JSON object."""
    return len(data) > 8 and data[8:9] == b"{" and int.from_bytes(data[:8], "little") > 1


def is_onnx(data: bytes) -> bool:
    """A protobuf that begins with field 1, the IR version, and one of the fields that come behind it."""
    return len(data) > 8 and data[0] == 0x08 and 0 < data[1] < 64 and data[2] in b"\x12\x1a\x22\x2a\x32\x3a\x42\x72"


def is_mlmodel(data: bytes) -> bool:
    """A Model: a version, then a description, in which an input comes first: its name, then its type."""
    try:
        version, description = islice(protobuf.fields(data, is_cut=True), 2)
        given = next(protobuf.fields(data, description.begin, min(description.end, len(data)), is_cut=True))
        parts = list(islice(protobuf.fields(data, given.begin, min(given.end, len(data)), is_cut=True), 3))
    except (ValueError, StopIteration):
        return False
    numbers = [(field.number, field.wire) for field in (version, description, given)]
    kinds = {(part.number, part.wire) for part in parts}
    return numbers == [(1, 0), (2, 2), (1, 2)] and (3, 2) in kinds <= {(1, 2), (2, 2), (3, 2)}


def is_caffe(data: bytes) -> bool:
    """A NetParameter, as text or binary: a name and inputs, then layers."""
    if is_caffe_text(data):
        return True
    seen: list[int] = []
    try:
        for field in islice(protobuf.fields(data, is_cut=True), 50):
            text = data[field.begin : field.end][:1000]
            is_wrong_name = field.number == 1 and (field.wire != 2 or 1 in seen or any(byte < 32 for byte in text))
            if is_wrong_name or field.number not in (1, 2, 3, 4, 5, 6, 7, 8, 100) or field.wire not in (0, 2):
                return False
            if field.number in (2, 100):
                return True
            seen.append(field.number)
    except ValueError:
        pass
    return False


def is_caffe_text(data: bytes) -> bool:
    """A .prototxt with layers in it."""
    start = data[:_LARGEST_TEXT]
    return bool(_CAFFE_TEXT.match(start)) and _CAFFE_LAYER.search(start) is not None


def is_mindspore(data: bytes) -> bool:
    """A Checkpoint: a value, in which a name comes first, then a tensor: its sizes, and the name of its type."""
    try:
        value = next(protobuf.fields(data, is_cut=True))
        tag, tensor = islice(protobuf.fields(data, value.begin, min(value.end, len(data)), is_cut=True), 2)
        parts = protobuf.fields(data, tensor.begin, min(tensor.end, len(data)), is_cut=True)
        kind = next(part for part in islice(parts, _MOST_PARTS) if part.number != 1)
    except (ValueError, StopIteration):
        return False
    numbers = [(field.number, field.wire) for field in (value, tag, tensor, kind)]
    return numbers == [(1, 2), (1, 2), (2, 2), (2, 2)] and _TYPE_NAME.fullmatch(data, kind.begin, kind.end) is not None


def is_flax(data: bytes) -> bool:
    """A MessagePack map that has an array of Flax's in it."""
    return _FLAX_MAP.match(data) is not None and _FLAX_ARRAY.search(data[:_LARGEST_TEXT]) is not None


def is_pickle(data: bytes) -> bool:
    """A pickle of any protocol. PyTorch's older files are pickles too and are told apart first."""
    return _PICKLE.match(data) is not None


def is_tensorrt(data: bytes) -> bool:
    """The .wts of TensorRT's samples and of tensorrtx."""
    return _TENSORRT.match(data[:1024]) is not None


def is_c_header(data: bytes) -> bool:
    """A text of C that has an array of numbers in it, or says that there is one."""
    start = data[:_LARGEST_CODE]
    return b"\0" not in start and any(array.search(start) for array in (_C_ARRAY, _C_ARRAY_ELSEWHERE))


def is_text(data: bytes) -> bool:
    """Numbers as text, decimal or hexadecimal."""
    start = data[:1024]
    return any(only.fullmatch(start) for only in (_ONLY_NUMBERS, _ONLY_WORDS))


# --- what is inside a zip archive ---


def holds_torch(names: list[str]) -> bool:
    """PyTorch's pickle."""
    return any(name.endswith("/data.pkl") or name == "data.pkl" for name in names)


def holds_keras(names: list[str]) -> bool:
    """A config and weights."""
    return "config.json" in names and "model.weights.h5" in names


def holds_numpy(names: list[str]) -> bool:
    """Nothing but .npy arrays."""
    return bool(names) and all(name.endswith(".npy") for name in names)
