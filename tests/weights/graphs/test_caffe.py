"""weights/caffe.py against PyTorch: networks of both generations, with and without a .prototxt, and damaged ones."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed (pip install '.[frameworks]')")
pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")

import foreign_graphs
from google.protobuf import text_format
from lenet_fast import OverBudgetError, WeightsError
from lenet_fast.budget import spending
from lenet_fast.weights.graphs import caffe, caffe_schema
from lenet_fast.weights.signatures import is_caffe

TYPES = {
    "Conv2d": "Convolution", "Linear": "InnerProduct", "Tanh": "TanH", "ReLU": "ReLU", "LeakyReLU": "ReLU", "AvgPool2d": "Pooling",
    "MaxPool2d": "Pooling", "Flatten": "Flatten", "Softmax": "Softmax",
}  # fmt: skip
OLD_TYPES = {"Convolution": "CONVOLUTION", "InnerProduct": "INNER_PRODUCT"}
IN_PLACE = ("TanH", "ReLU")


def add_layer(net, old, name, kind, bottom, top):
    """A layer of either generation, with its connections."""
    layer = net.layers.add() if old else net.layer.add()
    layer.name = name
    layer.type = caffe_schema.ENUMS["LayerType"][OLD_TYPES.get(kind, kind.upper())] if old else kind
    layer.bottom.extend(bottom)
    layer.top.extend(top)
    return layer


def add_blob(layer, values, old):
    blob = layer.blobs.add()
    if old:
        sizes = (1,) * (4 - values.ndim) + values.shape
        blob.num, blob.channels, blob.height, blob.width = sizes
    else:
        blob.shape.dim.extend(values.shape)
    blob.data.extend(values.ravel().tolist())


def add_layers(net, module, old=False, bottom="data", weights=True):
    """The layers of a PyTorch module, activations in place."""
    for name, kind, torch_layer, tensors in foreign_graphs.layers(module):
        kind = TYPES[kind]
        top = bottom if kind in IN_PLACE else name
        layer = add_layer(net, old, name, kind, [bottom], [top])
        if kind == "Convolution":
            layer.convolution_param.num_output = torch_layer.out_channels
            layer.convolution_param.kernel_size.append(5)
            layer.convolution_param.pad.append(torch_layer.padding[0])
        elif kind == "Pooling":
            layer.pooling_param.pool = 1 if "avg" in name else 0
            layer.pooling_param.kernel_size.append(2)
            layer.pooling_param.stride.append(2)
        elif kind == "InnerProduct":
            layer.inner_product_param.num_output = torch_layer.out_features
        elif type(torch_layer).__name__ == "LeakyReLU":
            layer.relu_param.negative_slope = torch_layer.negative_slope
        for tensor in tensors if weights else ():
            add_blob(layer, tensor, old)
        bottom = top
    return bottom


def net_of(name, old=False):
    net = caffe_schema.message_class("NetParameter")(name="LeNet")
    if old:
        net.input.append("data")
        net.input_dim.extend((64, *foreign_graphs.SHAPES[name]))
    else:
        layer = add_layer(net, False, "data", "Input", [], ["data"])
        layer.input_param.shape.add().dim.extend((64, *foreign_graphs.SHAPES[name]))
    add_layers(net, foreign_graphs.NETWORKS[name](), old)
    return net


def write(net, path):
    path.write_bytes(net.SerializeToString())
    assert is_caffe(path.read_bytes())
    return path


def described(net):
    """The same network as text, without weights."""
    plain = type(net)()
    plain.CopyFrom(net)
    for layer in (*plain.layer, *plain.layers):
        del layer.blobs[:]
    return text_format.MessageToString(plain)


@pytest.mark.parametrize("old", [False, True], ids=["layer", "layers"])
@pytest.mark.parametrize("text", [False, True], ids=["caffemodel", "prototxt"])
@pytest.mark.parametrize("name", foreign_graphs.NETWORKS)
def test_scores_equal_the_framework(name, text, old, tmp_path):
    path = write(net_of(name, old), tmp_path / "net.caffemodel")
    if text:
        path = tmp_path / "net.prototxt"
        path.write_text("# as trained\n" + described(net_of(name, old)) + "unheard_of { of: 1 }\n")
        assert is_caffe(path.read_bytes())
    pixels = foreign_graphs.images(name)
    model = foreign_graphs.loaded(caffe, path)
    assert foreign_graphs.error(model, pixels, foreign_graphs.outputs(foreign_graphs.NETWORKS[name](), pixels)) < 1e-5


@pytest.mark.parametrize("old", [False, True], ids=["layer", "layers"])
@pytest.mark.parametrize("name", ["classic", "wide"])
def test_a_snapshot_of_training_scales_raw_pixels(name, old, tmp_path):
    net = caffe_schema.message_class("NetParameter")(name="LeNet")
    layer = add_layer(net, old, "mnist", "Data", [], ["data", "label"])
    layer.transform_param.scale = 1 / 256
    layer.transform_param.mean_value.append(33)
    layer.include.add().phase = 0
    top = add_layers(net, foreign_graphs.NETWORKS[name](), old)
    add_layer(net, old, "drop", "Dropout", [top], [top])
    if not old:
        add_layer(net, old, "accuracy", "Accuracy", [top, "label"], ["accuracy"]).include.add().phase = 1
    add_layer(net, old, "loss", "SOFTMAX_LOSS" if old else "SoftmaxWithLoss", [top, "label"], ["loss"])
    model = foreign_graphs.loaded(caffe, write(net, tmp_path / "net.caffemodel"))
    pixels = foreign_graphs.images(name, dtype=np.uint8)
    wanted = foreign_graphs.outputs(foreign_graphs.NETWORKS[name](), (pixels.astype(np.float64) - 33) / 256)
    wanted = np.exp(wanted) / np.exp(wanted).sum(1, keepdims=True)
    assert model.network.head == "softmax"
    assert foreign_graphs.error(model, pixels, wanted) < 1e-5
    assert foreign_graphs.error(model, pixels.astype(np.float32), wanted) < 1e-5


def test_batch_normalisation_scale_power_and_transposed_weights(tmp_path):
    random = np.random.default_rng(5)
    module = foreign_graphs.wide()
    net = caffe_schema.message_class("NetParameter")()
    add_layer(net, False, "data", "Input", [], ["data"])
    add_layer(net, False, "power", "Power", ["data"], ["data"]).power_param.MergeFromString(b"\x15\0\0\0@\x1d\0\0\x80?")
    add_layers(net, module)
    where = [layer.name for layer in net.layer].index("conv2d2") + 1
    rest = [type(layer).FromString(layer.SerializeToString()) for layer in net.layer[where:]]
    del net.layer[where:]
    mean, variance, scale, shift = (
        random.normal(0, 1, 50),
        random.uniform(1, 2, 50),
        random.uniform(1, 2, 50),
        random.normal(0, 1, 50),
    )
    norm = add_layer(net, False, "norm", "BatchNorm", ["conv2d2"], ["conv2d2"])
    for values in (mean * 0.5, variance * 0.5, np.array([0.5])):
        add_blob(norm, values, False)
    layer = add_layer(net, False, "scale", "Scale", ["conv2d2"], ["conv2d2"])
    layer.scale_param.bias_term = True
    add_blob(layer, scale, False)
    add_blob(layer, shift, False)
    net.layer.extend(rest)
    last = net.layer[-1]
    last.inner_product_param.transpose = True
    del last.blobs[:]
    tensors = [p.detach().numpy() for p in module[-1].parameters()]
    add_blob(last, np.ascontiguousarray(tensors[0].T), False)
    add_blob(last, tensors[1], False)
    model = foreign_graphs.loaded(caffe, write(net, tmp_path / "net.caffemodel"))

    import torch

    module = module.double()
    with torch.no_grad():
        factor = torch.from_numpy(scale / np.sqrt(variance + 1e-5))
        module[2].weight *= factor[:, None, None, None]
        module[2].bias.copy_((module[2].bias - torch.from_numpy(mean)) * factor + torch.from_numpy(shift))
    pixels = foreign_graphs.images("wide")
    assert foreign_graphs.error(model, pixels, foreign_graphs.outputs(module, 2 * pixels.astype(np.float64) + 1)) < 1e-5


def change_kernel(net):
    net.layer[1].convolution_param.kernel_size[0] = 3
    net.layer[1].blobs[0].CopyFrom(type(net.layer[1].blobs[0])())
    net.layer[1].blobs[0].shape.dim.extend((20, 1, 3, 3))
    net.layer[1].blobs[0].data.extend([0.5] * 180)


REFUSALS = {
    "a 5x5 kernel, found 3x3": change_kernel,
    "stride 1, found stride 2x2": lambda net: net.layer[1].convolution_param.stride.append(2),
    "found LRN": lambda net: setattr(net.layer[2], "type", "LRN"),
    "found stochastic pooling": lambda net: setattr(net.layer[2].pooling_param, "pool", 2),
    "found ReLU with slope 1.5": lambda net: setattr(net.layer[-2].relu_param, "negative_slope", 1.5),
    "found ReLU with slope -0.1": lambda net: setattr(net.layer[-2].relu_param, "negative_slope", -0.1),
    "found PReLU": lambda net: setattr(net.layer[-2], "type", "PReLU"),
    "2 arrays of weights, found 0": lambda net: net.layer[1].ClearField("blobs"),
    "which nothing computes": lambda net: net.layer[1].bottom.__setitem__(0, "elsewhere"),
    "found overlapping windows of 2x2 with stride 1x1": lambda net: net.layer[2].pooling_param.stride.pop(),
    "padding": lambda net: net.layer[2].pooling_param.pad.append(1),
    "found a mean image, 'mean.binaryproto'": lambda net: (
        setattr(net.layer[0], "type", "Data"), setattr(net.layer[0].transform_param, "mean_file", "mean.binaryproto")
    ),
}  # fmt: skip


@pytest.mark.parametrize("found", REFUSALS)
def test_what_is_not_of_the_family_is_refused(found, tmp_path):
    net = net_of("wide")
    REFUSALS[found](net)
    path = write(net, tmp_path / "net.caffemodel")
    with pytest.raises(WeightsError) as caught:
        foreign_graphs.loaded(caffe, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert found in str(caught.value)


@pytest.mark.parametrize("kind", ["MaxPool2d", "AvgPool2d"])
@pytest.mark.parametrize("inputs", [11, 12])
def test_maps_of_an_odd_size_are_not_pooled(kind, inputs, tmp_path):
    """Caffe rounds up: 23 rows become 12 windows, the last of them half outside, which ours are not."""
    from torch import nn

    net = caffe_schema.message_class("NetParameter")()
    add_layer(net, False, "data", "Input", [], ["data"]).input_param.shape.add().dim.extend((1, 1, 27, 27))
    pool = getattr(nn, kind)(2)
    add_layers(net, nn.Sequential(nn.Conv2d(1, 4, 5), pool, nn.Flatten(), nn.Linear(4 * inputs**2, 10)))
    with pytest.raises(WeightsError, match="windows inside the maps, found .* 23x23"):
        foreign_graphs.loaded(caffe, write(net, tmp_path / "net.caffemodel"))


def test_a_prototxt_needs_its_weights(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(described(net_of("wide")))
    with pytest.raises(WeightsError, match=r"net\.caffemodel"):
        foreign_graphs.loaded(caffe, path)


def test_other_files_look_different():
    for data in (
        b"",
        b"\x08\x07\x12\x04test",
        b'\n\x10\n\x05conv1\x12\x05Const"\0',
        b"name: x",
        b"import x",
        bytes(64),
    ):
        assert not is_caffe(data)


@pytest.mark.parametrize("data", [b"\xa2\x06\0", b"\xa2\x06\xfe\xff\x07" + b":\0" * 65535], ids=["layers", "blobs"])
def test_millions_of_empty_parts_are_refused(data, tmp_path):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(data * (3_000_000 // len(data)))
    with spending(), pytest.raises(OverBudgetError, match="at most 524,288 steps of reading"):
        foreign_graphs.loaded(caffe, path)


@pytest.mark.parametrize("old", [False, True], ids=["layer", "layers"])
def test_damage_is_refused(old, tmp_path):
    path = write(net_of("classic", old), tmp_path / "net.caffemodel")
    assert foreign_graphs.check_damage(caffe, path, path) > 300


def test_damaged_text_is_refused(tmp_path):
    write(net_of("classic"), tmp_path / "net.caffemodel")
    path = tmp_path / "net.prototxt"
    path.write_text(described(net_of("classic")))
    assert foreign_graphs.check_damage(caffe, path, path) > 300
