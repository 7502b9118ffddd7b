"""The messages of caffe.proto, as far as their fields matter here; the protobuf package does the parsing."""

from __future__ import annotations

from functools import cache
from typing import Any

from ...errors import refuse, whole
from ...extras import needs
from ..arrays.protobuf import Content, Parts, charge_parts

LARGEST_TEXT = 1 << 17  # bytes of a .prototxt, which takes protobuf some microseconds each
_BLOB: Parts = dict.fromkeys((5, 6, 8, 9), Content.BYTES)  # values and their gradients
_NET: Parts = {2: {6: _BLOB}, 100: {7: _BLOB}}
_PURPOSE = ("protobuf", "reading Caffe models")

TRAIN, TEST = 0, 1
ENUMS = {
    "Phase": {"TRAIN": TRAIN, "TEST": TEST},
    "PoolMethod": {"MAX": 0, "AVE": 1, "STOCHASTIC": 2},
    "LayerType": {
        "NONE": 0, "ACCURACY": 1, "BNLL": 2, "CONCAT": 3, "CONVOLUTION": 4, "DATA": 5, "DROPOUT": 6,
        "EUCLIDEAN_LOSS": 7, "FLATTEN": 8, "HDF5_DATA": 9, "HDF5_OUTPUT": 10, "IM2COL": 11, "IMAGE_DATA": 12,
        "INFOGAIN_LOSS": 13, "INNER_PRODUCT": 14, "LRN": 15, "MULTINOMIAL_LOGISTIC_LOSS": 16, "POOLING": 17,
        "RELU": 18, "SIGMOID": 19, "SOFTMAX": 20, "SOFTMAX_LOSS": 21, "SPLIT": 22, "TANH": 23, "WINDOW_DATA": 24,
        "ELTWISE": 25, "POWER": 26, "SIGMOID_CROSS_ENTROPY_LOSS": 27, "HINGE_LOSS": 28, "MEMORY_DATA": 29,
        "ARGMAX": 30, "THRESHOLD": 31, "DUMMY_DATA": 32, "SLICE": 33, "MVN": 34, "ABSVAL": 35, "SILENCE": 36,
        "CONTRASTIVE_LOSS": 37, "EXP": 38, "DECONVOLUTION": 39,
    },
}  # fmt: skip
#: Messages and their fields: number, name, "*" if repeated, "+" if packed, type, default.
_SCHEMA = {
    "BlobShape": "1 dim + int64",
    "BlobProto": "1 num int64, 2 channels int64, 3 height int64, 4 width int64, 5 data + float, 7 shape BlobShape, "
    "8 double_data + double",
    "NetParameter": "1 name string, 2 layers * V1LayerParameter, 3 input * string, 4 input_dim * int64, "
    "8 input_shape * BlobShape, 100 layer * LayerParameter",
    "NetStateRule": "1 phase Phase, 2 min_level int32, 3 max_level int32 0, 4 stage * string",
    "TransformationParameter": "1 scale float 1, 3 crop_size uint32, 4 mean_file string, 5 mean_value * float",
    "ArgMaxParameter": "1 out_max_val bool, 2 top_k uint32 1",
    "BatchNormParameter": "3 eps float 1e-5",
    "BiasParameter": "1 axis int32 1",
    "ConvolutionParameter": "1 num_output uint32, 2 bias_term bool true, 3 pad * uint32, 4 kernel_size * uint32, "
    "5 group uint32 1, 6 stride * uint32, 9 pad_h uint32, 10 pad_w uint32, 11 kernel_h uint32, 12 kernel_w uint32, "
    "13 stride_h uint32, 14 stride_w uint32, 16 axis int32 1, 18 dilation * uint32",
    "DataParameter": "2 scale float 1, 3 mean_file string, 5 crop_size uint32",
    "DummyDataParameter": "2 num * uint32, 3 channels * uint32, 4 height * uint32, 5 width * uint32, "
    "6 shape * BlobShape",
    "FlattenParameter": "1 axis int32 1, 2 end_axis int32 -1",
    "InnerProductParameter": "1 num_output uint32, 2 bias_term bool true, 5 axis int32 1, 6 transpose bool",
    "InputParameter": "1 shape * BlobShape",
    "MemoryDataParameter": "1 batch_size uint32, 2 channels uint32, 3 height uint32, 4 width uint32",
    "PoolingParameter": "1 pool PoolMethod, 2 kernel_size * uint32, 3 stride * uint32, 4 pad * uint32, "
    "5 kernel_h uint32, 6 kernel_w uint32, 7 stride_h uint32, 8 stride_w uint32, 9 pad_h uint32, 10 pad_w uint32, "
    "12 global_pooling bool",
    "PowerParameter": "1 power float 1, 2 scale float 1, 3 shift float",
    "ReLUParameter": "1 negative_slope float",
    "ReshapeParameter": "1 shape BlobShape, 2 axis int32, 3 num_axes int32 -1",
    "ScaleParameter": "1 axis int32 1, 2 num_axes int32 1, 4 bias_term bool",
    "SoftmaxParameter": "2 axis int32 1",
    "LayerParameter": "1 name string, 2 type string, 3 bottom * string, 4 top * string, 7 blobs * BlobProto, "
    "8 include * NetStateRule, 9 exclude * NetStateRule, 100 transform_param TransformationParameter, "
    "103 argmax_param ArgMaxParameter, 106 convolution_param ConvolutionParameter, 107 data_param DataParameter, "
    "109 dummy_data_param DummyDataParameter, 117 inner_product_param InnerProductParameter, "
    "119 memory_data_param MemoryDataParameter, 121 pooling_param PoolingParameter, 122 power_param PowerParameter, "
    "123 relu_param ReLUParameter, 125 softmax_param SoftmaxParameter, 133 reshape_param ReshapeParameter, "
    "135 flatten_param FlattenParameter, 139 batch_norm_param BatchNormParameter, 141 bias_param BiasParameter, "
    "142 scale_param ScaleParameter, 143 input_param InputParameter",
    "V1LayerParameter": "2 bottom * string, 3 top * string, 4 name string, 5 type LayerType, 6 blobs * BlobProto, "
    "10 convolution_param ConvolutionParameter, 11 data_param DataParameter, "
    "17 inner_product_param InnerProductParameter, 19 pooling_param PoolingParameter, 21 power_param PowerParameter, "
    "22 memory_data_param MemoryDataParameter, 23 argmax_param ArgMaxParameter, "
    "26 dummy_data_param DummyDataParameter, 30 relu_param ReLUParameter, "
    "32 include * NetStateRule, 33 exclude * NetStateRule, 36 transform_param TransformationParameter, "
    "39 softmax_param SoftmaxParameter",
}  # fmt: skip
_SCALARS = {"double": 1, "float": 2, "int64": 3, "int32": 5, "bool": 8, "string": 9, "uint32": 13}
_MESSAGE, _ENUM = 11, 14


def message_class(name: str) -> Any:
    """The class of one of the messages above, such as "NetParameter"."""
    factory = needs("google.protobuf.message_factory", *_PURPOSE)
    return factory.GetMessageClass(_pool().FindMessageTypeByName(f"caffe.{name}"))


@cache
def _pool() -> Any:
    descriptors = needs("google.protobuf.descriptor_pb2", *_PURPOSE)
    schema = descriptors.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    for name, values in ENUMS.items():
        enum = schema.enum_type.add(name=name)
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    for name, fields in _SCHEMA.items():
        message = schema.message_type.add(name=name)
        for text in fields.split(", "):
            _add_field(message, *text.split())
    pool = needs("google.protobuf.descriptor_pool", *_PURPOSE).DescriptorPool()
    pool.AddSerializedFile(schema.SerializeToString())
    return pool


def _add_field(message: Any, number: str, name: str, *rest: str) -> None:
    repeated = rest[0] in ("*", "+")
    kind, *default = rest[1:] if repeated else rest
    field = message.field.add(name=name, number=int(number), label=3 if repeated else 1)
    field.type = _SCALARS.get(kind, _ENUM if kind in ENUMS else _MESSAGE)
    if kind not in _SCALARS:
        field.type_name = f".caffe.{kind}"
    if default:
        field.default_value = default[0]
    if rest[0] == "+":
        field.options.packed = True


def parsed(data: bytes) -> Any:
    """A binary NetParameter with layers in it."""
    net = message_class("NetParameter")()
    with whole("a .caffemodel", "fetch it again"):
        charge_parts(data, _NET)
        net.ParseFromString(data)
    if not (net.layer or net.layers):
        refuse("", "a .caffemodel", "no layers in it", "it is truncated or something else")
    return net


def parsed_text(data: bytes) -> Any:
    """A NetParameter in protobuf's text format."""
    if len(data) > LARGEST_TEXT:
        refuse("", "a network's description", f"{len(data):,} bytes", "load the .caffemodel")
    text_format = needs("google.protobuf.text_format", *_PURPOSE)
    net = message_class("NetParameter")()
    with whole("a network in protobuf's text format"):
        text_format.Parse(data.decode(), net, allow_unknown_field=True)
    if not (net.layer or net.layers):
        refuse("", "the layers of a network", "none", "a solver's .prototxt is no network")
    return net
