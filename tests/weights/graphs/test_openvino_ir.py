"""weights/openvino_ir.py against OpenVINO itself: networks that it converted and saved, and damaged ones."""

from __future__ import annotations

import re

import numpy as np
import pytest

openvino = pytest.importorskip("openvino", reason="openvino is not installed (pip install '.[bench]')")
torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")

import foreign_graphs  # noqa: E402
from lenet_fast import WeightsError  # noqa: E402
from lenet_fast.weights.graphs import openvino_ir  # noqa: E402
from lenet_fast.weights.signatures import is_openvino  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # OpenVINO's and PyTorch's own


def saved(module, shape, path, free=False, compress=False):
    """Converted for images of `shape`, or of any size."""
    example = torch.zeros(1, *shape)
    sizes = {} if free else {"input": [1, *shape]}
    converted = openvino.convert_model(module, example_input=example, **sizes)
    openvino.save_model(converted, path, compress_to_fp16=compress)
    assert is_openvino(path.read_bytes())
    return path


def run(path, pixels):
    """OpenVINO's own outputs, in float32 arithmetic, image by image."""
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([compiled(image[None])[0] for image in pixels])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.xml"


@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
@pytest.mark.parametrize("name", foreign_graphs.NETWORKS)
def test_scores_equal_the_framework(name, free, path):
    saved(foreign_graphs.NETWORKS[name](), foreign_graphs.SHAPES[name], path, free)
    pixels = foreign_graphs.images(name)
    model = foreign_graphs.loaded(openvino_ir, path)
    assert foreign_graphs.error(model, pixels, run(path, pixels)) < 1e-5
    assert foreign_graphs.error(model, pixels, foreign_graphs.outputs(foreign_graphs.NETWORKS[name](), pixels)) < 1e-5


def test_half_precision_weights(path):
    saved(foreign_graphs.classic(), (1, 28, 28), path, compress=True)
    pixels = foreign_graphs.images("classic")
    assert foreign_graphs.error(foreign_graphs.loaded(openvino_ir, path), pixels, run(path, pixels)) < 1e-5


class Elaborate(torch.nn.Module):
    """Scaling inside, padding apart, batch normalisation behind pooling, a computed shape, a log-softmax."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.first = torch.nn.Conv2d(1, 20, 5)
        self.norm = torch.nn.BatchNorm2d(20)
        self.norm.running_mean += torch.randn(20)
        self.norm.running_var *= 1 + torch.rand(20)
        self.second = torch.nn.Linear(20 * 14 * 14, 10)

    def forward(self, pixels):
        x = torch.nn.functional.pad((pixels - 0.1307) / 0.3081, (2, 2, 2, 2))
        x = self.norm(torch.nn.functional.max_pool2d(self.first(x), 2))
        x = torch.clamp(x, min=0)
        return torch.nn.functional.log_softmax(self.second(x.view(x.shape[0], -1)), 1)


@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
def test_elaborate_graphs(free, path):
    saved(Elaborate().eval(), (1, 28, 28), path, free)
    pixels = foreign_graphs.images("classic")
    assert foreign_graphs.error(foreign_graphs.loaded(openvino_ir, path), pixels, np.exp(run(path, pixels))) < 1e-5


def test_a_label_at_the_end(path):
    class Labels(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = foreign_graphs.wide()

        def forward(self, pixels):
            return self.inner(pixels).argmax(1)

    saved(Labels().eval(), (1, 28, 28), path)
    pixels = foreign_graphs.images("wide")
    assert (foreign_graphs.loaded(openvino_ir, path).predict(pixels) == run(path, pixels)).all()


def test_embedded_preprocessing_of_bytes(path):
    from openvino import Layout, Type
    from openvino.preprocess import PrePostProcessor

    converted = openvino.convert_model(
        foreign_graphs.classic(), example_input=torch.zeros(1, 1, 28, 28), input=[1, 1, 28, 28]
    )
    steps = PrePostProcessor(converted)
    steps.input().tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    steps.input().model().set_layout(Layout("NCHW"))
    steps.input().preprocess().convert_element_type(Type.f32).mean([33.0]).scale([78.0])
    openvino.save_model(steps.build(), path, compress_to_fp16=False)
    pixels = foreign_graphs.images("classic", dtype=np.uint8)
    wanted = run(path, pixels.transpose(0, 2, 3, 1))
    assert foreign_graphs.error(foreign_graphs.loaded(openvino_ir, path), pixels, wanted) < 1e-5


def test_distances_to_codes(path):
    class Codes(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = foreign_graphs.classic()[:-1]
            self.codes = torch.nn.Parameter(torch.sign(torch.randn(10, 84)))

        def forward(self, pixels):
            return ((self.inner(pixels)[:, None, :] - self.codes) ** 2).sum(2)

    saved(Codes().eval(), (1, 28, 28), path)
    pixels = foreign_graphs.images("classic")
    assert foreign_graphs.error(foreign_graphs.loaded(openvino_ir, path), pixels, run(path, pixels)) < 1e-5


def several_slopes(maps):
    layer = torch.nn.PReLU(maps)
    layer.weight.data = torch.linspace(0.1, 0.4, maps)
    return layer


def test_one_slope_for_all_maps(path):
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 5), torch.nn.PReLU(4), torch.nn.Flatten(), torch.nn.Linear(2304, 5)
    )
    saved(module.eval(), (1, 28, 28), path)
    pixels = foreign_graphs.images("classic")
    model = foreign_graphs.loaded(openvino_ir, path)
    assert model.network.layers[0].slope == 0.25
    assert foreign_graphs.error(model, pixels, run(path, pixels)) < 1e-5


def refused(path, found):
    with pytest.raises(WeightsError, match=re.escape(found)) as caught:
        foreign_graphs.loaded(openvino_ir, path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("found", "layers"),
    {
        "a 5x5 kernel, found 3x3": [torch.nn.Conv2d(1, 4, 3)],
        "stride 1, found stride 2x2": [torch.nn.Conv2d(1, 4, 5, stride=2)],
        "found PReLU with slope 1.5": [torch.nn.Conv2d(1, 4, 5), torch.nn.LeakyReLU(1.5)],
        "found PReLU with slope -0.1": [torch.nn.Conv2d(1, 4, 5), torch.nn.LeakyReLU(-0.1)],
        "found PReLU with a slope for each map": [torch.nn.Conv2d(1, 4, 5), several_slopes(4)],
        "found HSwish": [torch.nn.Conv2d(1, 4, 5), torch.nn.Hardswish()],
        "found Interpolate": [torch.nn.Conv2d(1, 4, 5), torch.nn.Upsample(scale_factor=2)],
        "windows of 3x3 with stride 3x3": [torch.nn.Conv2d(1, 4, 5), torch.nn.MaxPool2d(3)],
        "padding (0, 0, 0, 0) of maps of 23x23": [torch.nn.Conv2d(1, 4, 5), torch.nn.MaxPool2d(2, ceil_mode=True)],
    }.items(),
)
def test_what_is_not_of_the_family_is_refused(found, layers, path):
    module = torch.nn.Sequential(*layers).eval()
    side = 27 if "23x23" in found else 28
    saved(module, (1, side, side), path)
    refused(path, found)


@pytest.mark.parametrize(
    "declaration",
    [
        "<!DOCTYPE net>",
        '<!DOCTYPE net [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]>',
        "<!ENTITY a 'b'>",
    ],
)
def test_document_types_are_refused(declaration, path):
    saved(foreign_graphs.wide(), (1, 28, 28), path)
    path.write_text(path.read_text().replace("?>", f"?>{declaration}", 1))
    refused(path, "found a document type")


def test_another_encoding_cannot_hide_one(path):
    saved(foreign_graphs.wide(), (1, 28, 28), path)
    text = path.read_text().replace("?>", "?><!DOCTYPE net>", 1)
    path.write_bytes(text.encode("utf-16"))
    refused(path, "found something else")


def test_the_constants_must_lie_beside_it(path):
    saved(foreign_graphs.wide(), (1, 28, 28), path)
    path.with_suffix(".bin").unlink()
    refused(path, "'net.bin' beside it")


def test_old_versions_are_refused(path):
    saved(foreign_graphs.wide(), (1, 28, 28), path)
    path.write_text(re.sub(r'(<net [^>]*version=)"11"', r'\1"7"', path.read_text(), count=1))
    refused(path, "found '7'")


def test_damage_is_refused(path):
    saved(foreign_graphs.classic(), (1, 28, 28), path)
    assert foreign_graphs.check_damage(openvino_ir, path, path) > 300


def test_damaged_constants_are_refused(path):
    saved(foreign_graphs.classic(), (1, 28, 28), path)
    assert foreign_graphs.check_damage(openvino_ir, path.with_suffix(".bin"), path) > 300
