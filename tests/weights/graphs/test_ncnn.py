"""weights/ncnn.py against ncnn itself: networks written as its converters write them, and damaged ones."""

from __future__ import annotations

import re

import numpy as np
import pytest

ncnn = pytest.importorskip("ncnn", reason="ncnn is not installed (pip install '.[bench]')")
pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")

import foreign_graphs  # noqa: E402
from lenet_fast import WeightsError  # noqa: E402
from lenet_fast.weights.graphs import ncnn as reader  # noqa: E402
from lenet_fast.weights.signatures import is_ncnn  # noqa: E402

FLOAT32, FLOAT16 = b"\0\0\0\0", 0x01306B47.to_bytes(4, "little")


def stored(values, half):
    if not half:
        return FLOAT32 + values.astype("<f4").tobytes()
    data = values.astype("<f2").tobytes()
    return FLOAT16 + data + bytes(-len(data) % 4)


def lines_of(module, half=False, fused=False):
    """The layers of a PyTorch module as lines without blobs, and their weights; `fused`: activations in their layers."""
    lines, data = [], b""
    for name, kind, layer, tensors in foreign_graphs.layers(module):
        if kind == "Conv2d":
            pad = layer.padding[0]
            lines.append(f"Convolution {name} 0={layer.out_channels} 1=5 4={pad} 5=1 6={tensors[0].size}")
        elif kind == "Linear":
            lines.append(f"InnerProduct {name} 0={layer.out_features} 1=1 2={tensors[0].size}")
        elif kind.endswith("Pool2d"):
            lines.append(f"Pooling {name} 0={int(kind == 'AvgPool2d')} 1=2 2=2 5=1")
        elif kind == "ReLU" and fused and "Pool" not in lines[-1]:
            lines[-1] += " 9=1"
        elif kind == "LeakyReLU" and fused and "Pool" not in lines[-1]:
            lines[-1] += f" 9=2 -23310=1,{layer.negative_slope}"
        elif kind == "LeakyReLU":
            lines.append(f"ReLU {name} 0={layer.negative_slope}")
        elif kind != "Flatten":
            lines.append(f"{ {'Tanh': 'TanH'}.get(kind, kind) } {name}")
        if tensors:
            data += stored(tensors[0], half) + tensors[1].astype("<f4").tobytes()
    return lines, data


def connected(lines, image=""):
    """A whole .param of layers in one row."""
    text = [f"Input image 0 1 blob0 {image}"]
    for i, line in enumerate(lines):
        kind, name, *parameters = line.split()
        text.append(" ".join([f"{kind:16} {name:16} 1 1 blob{i} blob{i + 1}", *parameters]))
    return "\n".join(["7767517", f"{len(text)} {len(text)}", *text, ""])


def written(path, lines, data, image=""):
    path.write_text(connected(lines, image))
    path.with_suffix(".bin").write_bytes(data)
    assert is_ncnn(path.read_bytes())
    return path


def sizes(name):
    channels, height, width = foreign_graphs.SHAPES[name]
    return f"0={width} 1={height} 2={channels}"


def run(path, pixels):
    """Ncnn's own outputs, in float32 arithmetic, image by image."""
    net = ncnn.Net()
    net.opt.num_threads = 1
    for option in (
        "use_fp16_packed",
        "use_fp16_storage",
        "use_fp16_arithmetic",
        "use_bf16_storage",
        "use_bf16_packed",
        "use_winograd_convolution",
        "use_vulkan_compute",
    ):
        if hasattr(net.opt, option):
            setattr(net.opt, option, False)
    assert net.load_param(str(path)) == 0
    assert net.load_model(str(path.with_suffix(".bin"))) == 0
    last = path.read_text().split("\n")[-2].split()[5]
    results = []
    for image in pixels:
        extractor = net.create_extractor()
        extractor.input("blob0", ncnn.Mat(np.ascontiguousarray(image)).clone())
        code, result = extractor.extract(last)
        assert code == 0
        results.append(np.array(result).ravel())
    return np.array(results)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.param"


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
@pytest.mark.parametrize("name", foreign_graphs.NETWORKS)
def test_scores_equal_the_framework(name, free, half, path):
    written(path, *lines_of(foreign_graphs.NETWORKS[name](), half, fused=half), "" if free else sizes(name))
    pixels = foreign_graphs.images(name)
    model = foreign_graphs.loaded(reader, path)
    assert foreign_graphs.error(model, pixels, run(path, pixels)) < 1e-5
    if not half:
        assert (
            foreign_graphs.error(model, pixels, foreign_graphs.outputs(foreign_graphs.NETWORKS[name](), pixels)) < 1e-5
        )


def test_normalisation_scaling_padding_and_reshape(path):
    random = np.random.default_rng(3)
    lines, data = lines_of(foreign_graphs.wide())
    first = 4 + 20 * 25 * 4 + 20 * 4
    norm = [random.uniform(1, 2, 20), random.normal(0, 1, 20), random.uniform(1, 2, 20), random.normal(0, 1, 20)]
    scale = [random.uniform(1, 2, 20), random.normal(0, 1, 20)]
    extra = b"".join(values.astype("<f4").tobytes() for values in (*norm, *scale))
    lines[1:1] = ["BatchNorm norm 0=20 1=1e-3", "Scale scale 0=20 1=1", "Dropout drop", "Noop nothing"]
    lines[:0] = ["BinaryOp less 0=1 1=1 2=1.307e-1", "BinaryOp over 0=3 1=1 2=0.3081"]
    place = next(i for i, line in enumerate(lines) if line.startswith("InnerProduct"))
    lines[place:place] = ["Split split", "Reshape flat 0=-1"]
    written(path, [*lines, "Softmax softmax 0=0 1=1"], data[:first] + extra + data[first:], sizes("wide"))
    pixels = foreign_graphs.images("wide")
    assert foreign_graphs.error(foreign_graphs.loaded(reader, path), pixels, run(path, pixels)) < 1e-5


@pytest.mark.parametrize(
    ("pooling", "kind"),
    [("Padding pad 0=2 1=2 2=2 3=2", "wide"), ("Pooling all 0=1 4=1", "one")],
    ids=["padding", "global"],
)
def test_padding_and_global_pooling(pooling, kind, path):
    random = np.random.default_rng(0)
    count = 4 * 12 * 12 if kind == "wide" else 4
    lines = [
        "Convolution first 0=4 1=5 5=1 6=100",
        "Pooling pool 0=0 1=2 2=2",
        "InnerProduct last 0=10 1=1 2=" + str(10 * count),
    ]
    if kind == "wide":
        lines[0] += " 4=-233"
        count = 4 * 16 * 16
        lines = [pooling, *lines[:2], f"InnerProduct last 0=10 1=1 2={10 * count}"]
        image = "0=28 1=28 2=1"
    else:
        lines.insert(2, pooling)
        image = "0=8 1=8 2=1"
    arrays = [random.normal(0, 0.2, n) for n in (100, 4, 10 * count, 10)]
    data = b"".join(stored(a, False) if i % 2 == 0 else a.astype("<f4").tobytes() for i, a in enumerate(arrays))
    written(path, lines, data, image)
    pixels = random.uniform(0, 1, (64, 1, 28, 28) if kind == "wide" else (64, 1, 8, 8)).astype(np.float32)
    assert foreign_graphs.error(foreign_graphs.loaded(reader, path), pixels, run(path, pixels)) < 1e-5


def refused(path, found):
    with pytest.raises(WeightsError, match=re.escape(found)) as caught:
        foreign_graphs.loaded(reader, path)
    assert str(caught.value).startswith(f"{path}: ")


REFUSALS = {
    "a 5x5 kernel, found 3x3": ("1=5 4=0 5=1 6=500", "1=3 4=0 5=1 6=180"),
    "stride 1, found stride 2x2": ("1=5 4=0", "1=5 3=2 4=0"),
    "found Swish": ("ReLU ", "Swish"),
    "found ReLU with slope 1.1": ("blob5 blob6", "blob5 blob6 0=1.1"),
    "found ReLU with slope -0.1": ("blob5 blob6", "blob5 blob6 0=-0.1"),
    "found PReLU": ("ReLU ", "PReLU"),
    "found InnerProduct with slope 1.5": ("1=1 2=5000", "1=1 2=5000 9=2 -23310=1,1.5"),
    "found activation 5": ("1=1 2=5000", "1=1 2=5000 9=5"),
    "found int8 ones": ("1=5 4=0", "1=5 8=2 4=0"),
    "overlapping windows of 3x3": ("1=2 2=2", "1=3 2=2"),
    "found a layer with 2 inputs": ("1 1 blob6 blob7", "2 1 blob6 blob5 blob7"),
    "found 'nothing', which nothing computes": ("1 1 blob6 blob7", "1 1 nothing blob7"),
    "8 layers and 8 blobs where 8 and 9 should be": ("8 8", "8 9"),
}


@pytest.mark.parametrize("found", REFUSALS)
def test_what_is_not_of_the_family_is_refused(found, path):
    lines, data = lines_of(foreign_graphs.wide())
    written(path, lines, data, sizes("wide"))
    old, new = REFUSALS[found]
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    if "3x3" in found and "kernel" in found:
        path.with_suffix(".bin").write_bytes(data[: 4 + 180 * 4] + data[4 + 500 * 4 :])
    refused(path, found)


def test_quantised_weights_are_refused(path):
    lines, data = lines_of(foreign_graphs.wide())
    written(path, lines, 0x000D4B38.to_bytes(4, "little") + data[4:])
    refused(path, "found tag 0x000d4b38")


def test_weights_of_another_network_are_refused(path):
    lines, data = lines_of(foreign_graphs.wide())
    written(path, lines, data + bytes(4))
    refused(path, f"found {len(data) + 4}")
    path.with_suffix(".bin").unlink()
    refused(path, "'net.bin' beside it")


def test_windows_that_reach_over_the_edge_are_refused(path):
    arrays = [np.ones(100), np.ones(4), np.ones(10 * 4 * 12 * 12), np.ones(10)]
    data = b"".join(stored(a, False) if i % 2 == 0 else a.astype("<f4").tobytes() for i, a in enumerate(arrays))
    lines = ["Convolution first 0=4 1=5 5=1 6=100", "Pooling pool 0=0 1=2 2=2 5=0", "InnerProduct last 0=10 1=1 2=5760"]
    written(path, lines, data, "0=27 1=27 2=1")
    refused(path, "of maps of 23x23")


def test_damage_is_refused(path):
    lines, data = lines_of(foreign_graphs.classic())
    written(path, lines, data, sizes("classic"))
    assert foreign_graphs.check_damage(reader, path, path) > 300


def test_damaged_weights_are_refused(path):
    lines, data = lines_of(foreign_graphs.classic())
    written(path, lines, data, sizes("classic"))
    assert foreign_graphs.check_damage(reader, path.with_suffix(".bin"), path) > 300
