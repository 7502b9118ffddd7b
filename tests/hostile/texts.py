"""Hostile descriptions in words: Caffe, OpenVINO, ncnn, folders of numbers as text, C headers and TensorRT's weights."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .case import Case

_SMALL = {"network": "small", "flatten": "CHW"}
CAFFE = ("google.protobuf",)
_MEBIBYTE = 1 << 20


def _two(text: str | bytes, ending: str, data: bytes = b"") -> Callable[[Path], bytes]:
    """A description, and the file of weights beside it."""

    def write(path: Path) -> bytes:
        path.with_suffix(ending).write_bytes(data)
        return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")

    return write


# --- Caffe ---

_ROW = 'name: "x" input: "data" input_dim: 1 input_dim: 1 input_dim: 5 input_dim: 5 '


def _prototxt(text: str) -> Callable[[Path], bytes]:
    return _two(text, ".caffemodel", b"\x0a\x01x\xa2\x06\x05\x0a\x01a\x12\x00")


def _caffemodel(fill: Callable[[Any], object]) -> bytes:
    """A binary network of an image of 5 x 5."""
    from lenet_fast.weights.graphs import caffe_schema

    net = caffe_schema.message_class("NetParameter")(name="n", input=["data"])
    net.input_shape.add().dim.extend((1, 1, 5, 5))
    fill(net)
    data: bytes = net.SerializeToString()
    return data


def prototxt_of(path: Path) -> bytes:
    """A binary network's description and the network, as parts of an input for the fuzzer."""
    from google.protobuf import text_format
    from lenet_fast.weights.graphs import caffe_schema

    data = path.read_bytes()
    net = caffe_schema.parsed(data)
    for layer in net.layer:
        layer.ClearField("blobs")
    text = text_format.MessageToString(net).encode()
    return b"".join(struct.pack("<I", len(part)) + part for part in (text, data))


def _layer(net: Any, name: str, kind: str, top: str, bottom: str, *shapes: tuple[int, ...]) -> Any:
    layer = net.layer.add(name=name, type=kind, top=[top], bottom=[bottom])
    for shape in shapes:
        blob = layer.blobs.add()
        blob.shape.dim.extend(shape)
        blob.data.extend([0.0] * (shape[0] * shape[1]))
    return layer


def _shared_blob(path: Path) -> bytes:
    """450 full connections of one name, which share their one blob of 300 x 300."""

    def fill(net: Any) -> None:
        conv = _layer(net, "c", "Convolution", "b0", "data", (300, 25))
        conv.convolution_param.num_output, conv.convolution_param.bias_term = 300, False
        conv.convolution_param.kernel_size.append(5)
        for number in range(450):
            shapes = [(300, 300)] if not number else []
            dense = _layer(net, "d", "InnerProduct", f"b{number + 1}", f"b{number}", *shapes)
            dense.inner_product_param.num_output, dense.inner_product_param.bias_term = 300, False

    return _caffemodel(fill)


def _long_blob_shape(path: Path) -> bytes:
    """A blob of 100,000 sizes, which are multiplied."""

    def fill(net: Any) -> None:
        layer = net.layer.add(name="c", type="Convolution", top=["y"], bottom=["data"])
        layer.convolution_param.bias_term = False
        layer.blobs.add().shape.dim.extend([(1 << 62) + 1] * 100_000)

    return _caffemodel(fill)


def _strange_layer(name: str) -> Callable[[Path], bytes]:
    return lambda path: _caffemodel(lambda net: _layer(net, name, "Strange", "y", "data"))


# --- OpenVINO ---


def _ir(layers: str, edges: str = "") -> str:
    return f'<?xml version="1.0"?><net name="x" version="11"><layers>{layers}</layers><edges>{edges}</edges></net>'


def _parameter(shape: str = "1,1,5,5") -> str:
    return (
        f'<layer id="0" name="i" type="Parameter"><data shape="{shape}" element_type="f32"/>'
        '<output><port id="0"/></output></layer>'
    )


def _operator(number: int, kind: str, inputs: int = 2, name: str = "a", data: str = "") -> str:
    ports = "".join(f'<port id="{n}"/>' for n in range(inputs))
    return (
        f'<layer id="{number}" name="{name}" type="{kind}"><data {data}/><input>{ports}</input>'
        '<output><port id="9"/></output></layer>'
    )


def _const(number: int, shape: str, size: int, kind: str = "i8") -> str:
    return (
        f'<layer id="{number}" name="w{number}" type="Const"><data element_type="{kind}" shape="{shape}" offset="0" '
        f'size="{size}"/><output><port id="9"/></output></layer>'
    )


def _edge(source: int, target: int, port: int) -> str:
    return f'<edge from-layer="{source}" from-port="{9 if source else 0}" to-layer="{target}" to-port="{port}"/>'


def _one_weight(path: Path) -> bytes:
    """480 products with one constant of 500 x 500 in eight bits."""
    conv = _operator(3, "Convolution", data='strides="1,1" pads_begin="0,0" pads_end="0,0" dilations="1,1"')
    flat = _operator(5, "Reshape", data='special_zero="false"')
    layers = [_parameter(), _const(1, "500,1,5,5", 12_500), _const(2, "500,500", 250_000), conv]
    layers += [_const(4, "2", 16, "i64"), flat]
    edges = [_edge(0, 3, 0), _edge(1, 3, 1), _edge(3, 5, 0), _edge(4, 5, 1)]
    for number in range(6, 486):
        layers.append(_operator(number, "MatMul"))
        edges += [_edge(number - 1, number, 0), _edge(2, number, 1)]
    layers.append(_operator(486, "Result", 1))
    edges.append(_edge(485, 486, 0))
    data = struct.pack("<qq", 1, 500) + bytes(250_000)
    return _two(_ir("".join(layers), "".join(edges)), ".bin", data)(path)


def _many_edges(path: Path) -> bytes:
    """15,000 edges, each to a port of its own."""
    edges = "".join(_edge(0, 1, port) for port in range(15_000))
    return _two(_ir(_parameter() + _operator(1, "Concat", 15_000, data='axis="1"'), edges), ".bin")(path)


def _many_images(path: Path) -> bytes:
    """300 images, all of which are named in the sentence."""
    layers = (_parameter().replace('id="0" name="i"', f'id="{n}" name="image {n}"') for n in range(300))
    return _two(_ir("".join(layers)), ".bin")(path)


def _constant(shape: str, size: str = "0", offset: str = "0") -> Callable[[Path], bytes]:
    """A convolution whose kernels are of this shape and place."""
    const = _const(1, shape, 0).replace('size="0"', f'size="{size}"').replace('offset="0"', f'offset="{offset}"')
    layers = _parameter() + const + _operator(2, "Convolution") + _operator(3, "Result", 1)
    return _two(_ir(layers, _edge(0, 2, 0) + _edge(1, 2, 1) + _edge(2, 3, 0)), ".bin", bytes(16))


def _named(name: str, kind: str = "Strange") -> Callable[[Path], bytes]:
    layers = _parameter() + _operator(1, kind, 1, name) + _operator(2, "Result", 1)
    return _two(_ir(layers, _edge(0, 1, 0) + _edge(1, 2, 0)), ".bin")


# --- ncnn ---


def _param(*lines: str, blobs: int) -> str:
    return "\n".join(["7767517", f"{len(lines) + 1} {blobs}", "Input i 0 1 a 0=5 1=5 2=1", *lines]) + "\n"


def _many_tops(path: Path) -> bytes:
    """A layer that writes 150,000 blobs."""
    tops = " ".join(map(str, range(150_000)))
    return _two(_param(f"Split s 1 150000 a {tops}", blobs=150_001), ".bin")(path)


def _ncnn(line: str) -> Callable[[Path], bytes]:
    return _two(_param(line, blobs=2), ".bin", bytes(64))


# --- folders of text ---


def _tensor(text: str | bytes, name: str = "a.txt") -> Callable[[Path], None]:
    """A folder with one tensor."""

    def write(path: Path) -> None:
        (path / name).write_bytes(text.encode() if isinstance(text, str) else text)

    return write


def _many_files(path: Path) -> None:
    """200 tensors of 5,000 characters each, and what else lies in a folder."""
    for number in range(200):
        (path / f"t{number}.txt").write_text("1 " * 2500)


# --- C and TensorRT ---

_ARRAY = "const float a[1] = {1};\n"


def _c(text: str) -> Callable[[Path], bytes]:
    return lambda path: text.encode()


def _many_arrays(path: Path) -> bytes:
    """20,000 arrays of one value."""
    return "".join(f"float a{n}[1]={{1}};" for n in range(20_000)).encode()


def _many_names(path: Path) -> bytes:
    """One enumeration of 150,000 names."""
    return (_ARRAY + "enum {" + ",".join(f"a{n}" for n in range(150_000)) + "};").encode()


def _many_sizes(path: Path) -> bytes:
    """40,000 names of sizes, each twice the one before."""
    lines = (f"#define N{n + 1} N{n}*2\n" for n in range(40_000))
    return (_ARRAY + "#define N0 1\n" + "".join(lines) + "const float b[N40000] = {1};").encode()


CASES = {
    "prototxt_blanks": Case("m.prototxt", _prototxt('name: "x" layer' + " " * 200_000), "time"),
    "prototxt_many_blanks": Case("m.prototxt", _prototxt('name: "x"' + (" layer" + " " * 1000) * 900), "time"),
    "prototxt_comments": Case("m.prototxt", _prototxt("#\n \n" * 200_000 + "layer"), "time", needs=CAFFE),
    "prototxt_many_layers": Case("m.prototxt", _prototxt(_ROW + "layer{}" * 100_000), "time", needs=CAFFE),
    "prototxt_deep": Case("m.prototxt", _prototxt(_ROW + "layer{a{" * 20_000), "exception", needs=CAFFE),
    "prototxt_digits": Case(
        "m.prototxt", _prototxt(f"{_ROW}layer{{}} input_dim: {'9' * 5000}"), "exception", needs=CAFFE
    ),
    "prototxt_no_text": Case("m.prototxt", _two(b'name: "\xff" layer {}', ".caffemodel"), "exception", needs=CAFFE),
    "caffe_shared_blob": Case("m.caffemodel", _shared_blob, "memory", "parameters", needs=CAFFE),
    "caffe_long_shape": Case("m.caffemodel", _long_blob_shape, "time", needs=CAFFE),
    "caffe_long_name": Case("m.caffemodel", _strange_layer("a" * 100_000), "sentence", needs=CAFFE),
    "openvino_one_weight": Case("m.xml", _one_weight, "memory", "values"),
    "openvino_many_edges": Case("m.xml", _many_edges, "time"),
    "openvino_many_images": Case("m.xml", _many_images, "sentence"),
    "openvino_long_shape": Case("m.xml", _constant(",".join(["9" * 4000] * 200)), "time"),
    "openvino_digits": Case("m.xml", _constant("9" * 5000), "exception"),
    "openvino_offset": Case("m.xml", _constant("4", "4", "9" * 4000), "sentence"),
    "openvino_size": Case("m.xml", _constant("4", "9" * 4000), "sentence"),
    "openvino_long_kind": Case("m.xml", _named("a", "a" * 100_000), "sentence"),
    "openvino_long_name": Case("m.xml", _named("a" * 100_000), "sentence"),
    "openvino_open_image": Case("m.xml", _two(_ir(_parameter("?," * 50_000 + "?")), ".bin"), "sentence"),
    "openvino_deep": Case("m.xml", _two(_ir("<a>" * 200_000), ".bin"), "crash"),
    "openvino_entities": Case(
        "m.xml", _two('<net version="11" name="&a;"><!DOCTYPE a [<!ENTITY a "b">]></net>', ".bin"), "elsewhere"
    ),
    "openvino_blanks": Case("m.xml", _two(" " * 4000 + "<?xml" + " " * 60_000, ".bin"), "time"),
    "ncnn_many_blobs": Case("m.param", _many_tops, "memory"),
    "ncnn_digits": Case("m.param", _ncnn("InnerProduct d 1 1 a b 0=1 2=" + "9" * 5000), "exception"),
    "ncnn_size": Case("m.param", _ncnn("InnerProduct d 1 1 a b 0=1 2=" + "9" * 4000), "sentence"),
    "ncnn_infinite": Case("m.param", _ncnn("BinaryOp d 1 1 a b 0=3 1=1 2=0"), "exception"),
    "ncnn_long_kind": Case("m.param", _ncnn(f"{'a' * 100_000} d 1 1 a b"), "sentence"),
    "ncnn_surrogate": Case("m.param", _ncnn("\ud800 d 1 1 a b"), "exception"),
    "folder_shape_blanks": Case("", _tensor("# shape" + " " * 100_000 + "!\n1"), "time"),
    "folder_long_shape": Case("", _tensor("# shape " + "999999999 " * 100_000 + "\n1"), "time"),
    "folder_shape_digits": Case("", _tensor("# shape " + "999999999 " * 600 + "\n1"), "exception"),
    "folder_one_long_line": Case("", _tensor("1," * 500_000), "memory"),
    "folder_empty_lines": Case("", _tensor("\n" * 900_000 + "1"), "memory", "visits"),
    "folder_many_files": Case("", _many_files, "time"),
    "folder_long_name": Case("", _tensor("x 1", "a" * 240 + ".txt"), "sentence"),
    "folder_name_of_no_text": Case("", _tensor("x 1", "\udcff.txt"), "sentence"),
    "folder_words": Case("", _tensor("FFFF\n" * 260_000), "memory", options={"fraction_bits": 8}),
    "folder_one_line_of_words": Case("", _tensor("0x7FFF," * 500_000, "a.hex"), "memory", options={"fraction_bits": 8}),
    "folder_memory_remarks": Case("", _tensor(";\n" * 260_000 + "memory_initialization_radix", "a.coe"), "time"),
    "folder_memory_blanks": Case("", _tensor("memory_initialization_radix" + " " * 900_000 + "="), "time"),
    "folder_prose": Case("", _tensor("word " * 500_000, "a"), "memory"),
    "c_signature": Case("m.h", _c("a b[c]" * 160_000), "time"),
    "c_signature_blanks": Case("m.h", _c(("a b[c]" + " " * 9) * 60_000 + "=" + " " * 999), "time"),
    "c_remarks": Case("m.h", _c(_ARRAY + "/*" * 500_000), "time"),
    "c_short_remarks": Case("m.h", _c(_ARRAY + "/**/" * 250_000), "memory"),
    "c_quotes": Case("m.h", _c(_ARRAY + '"' + '\\"' * 450_000), "memory"),
    "c_open_quotes": Case("m.h", _c(_ARRAY + '"\n' * 400_000), "time"),
    "c_continued": Case("m.h", _c(_ARRAY + "\\\n" * 450_000), "time"),
    "c_bodies": Case("m.h", _c(_ARRAY + "a{}" * 300_000), "time"),
    "c_functions": Case("m.h", _c(_ARRAY + "f(){}" * 200_000), "time", "visits"),
    "c_names": Case("m.h", _many_names, "time"),
    "c_sizes": Case("m.h", _many_sizes, "time"),
    "c_arrays": Case("m.h", _many_arrays, "time"),
    "c_arrays_in_one_statement": Case("m.h", _c("float a[1]={1}" * 60_000), "time"),
    "c_axes": Case("m.h", _c(_ARRAY + "float b" + "[1]" * 200_000 + "={0};"), "time"),
    "c_deep": Case("m.h", _c(_ARRAY + "float b[1]=" + "{" * 900_000), "crash"),
    "c_deep_body": Case("m.h", _c(_ARRAY + "f()" + "{" * 400_000), "crash"),
    "c_conditions": Case("m.h", _c(_ARRAY + "#if\n" * 200_000), "time"),
    "c_values": Case("m.h", _c("float b[]={" + "1," * 500_000 + "};"), "memory"),
    "c_rows": Case("m.h", _c("float b[][1]={" + "{1}," * 170_000 + "};"), "memory"),
    "c_commas": Case("m.h", _c(_ARRAY + "float b[]={" + "," * 900_000), "memory", "visits"),
    "c_blanks": Case("m.h", _c(_ARRAY + "float" + " " * 900_000), "time"),
    "c_zeros": Case("m.h", _c(_ARRAY + "float b[1000000000]={0};"), "memory"),
    "c_constants": Case("m.h", _c(_ARRAY + "int n=" + "1*" * 250_000 + "1;"), "time"),
    "c_digits": Case("m.h", _c(_ARRAY + f"float b[{'9' * 5000}]={{0}};"), "exception"),
    "c_long_number": Case("m.h", _c(_ARRAY + f"float b[1]={{{'1' * 900_000}}};"), "sentence"),
    "c_long_name": Case("m.h", _c(_ARRAY + f"int {'b' * 900_000}[1]={{0}};"), "sentence"),
    "c_strange_name": Case("m.h", lambda path: _ARRAY.encode() + b"int \x1b\xff[1]={0};", "sentence"),
    "c_include": Case("m.h", _c(_ARRAY + f'#include "/etc/passwd{"a" * 5000}"'), "elsewhere"),
    "tensorrt_words": Case("m.wts", _c("1\na 250000 " + "0000001 " * 250_000), "memory"),
    "tensorrt_length": Case("m.wts", _c(f"1\na {'9' * 9} 0\n"), "exception"),
    "tensorrt_count": Case("m.wts", _c(f"{'9' * 6}\na 1 0\n"), "exception"),
    "tensorrt_lines": Case("m.wts", _c("1\na 1 0\n" + "\n" * 900_000), "memory", "visits"),
    "tensorrt_blanks": Case("m.wts", _c("1\na 1 0\n" + " " * 900_000), "memory", "visits"),
    "tensorrt_arrays": Case("m.wts", _c("9999\n" + "".join(f"a{n} 1 0\n" for n in range(9_999))), "time", "", _SMALL),
    "tensorrt_long_name": Case("m.wts", _c(f"2\na 1 0\n{'b' * 900_000} 0\n"), "sentence"),
    "folder_npy_of_objects": Case("", _tensor(b"\x93NUMPY\x01\x00\x02\x00{}", "a.npy"), "exception"),
}
